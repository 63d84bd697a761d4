import { CnmError } from '../base/errors.ts'

/**
 * Where records live. A record is JSON under a kind and an id. Kinds are durable (`network`: they
 * survive a reboot) or volatile (everything else: it dies with the boot, as what it describes does).
 */
export interface Store {
  /**
   * Everything there is. Content that can't be read is set aside (renamed, never deleted) and listed;
   * the rest is loaded. Called once, before the first commit.
   * Errors: NEWER_VERSION (written by a later version of this package: nothing is changed).
   */
  load(): Promise<Loaded>

  /**
   * Writes and deletes, all or nothing as far as volatile kinds go; durable ones are written first,
   * one after the other, each atomic and on the disk when this resolves. Deleting what is absent
   * succeeds. Commits on the same record take effect in the order of the calls.
   * Errors: STORE_CONFLICT (`expect` doesn't match: nothing is written), STORE_UNAVAILABLE (disk full,
   * read-only: nothing of the volatile part is written), CLOSED (before `load`, after `close`),
   * INVALID_ARGUMENT (an id that is none, a record twice: nothing is written).
   */
  commit(writes: readonly Write[]): Promise<void>

  /**
   * Which of these durable records are not where they are kept: another program may have removed them. A
   * commit brings them back. Errors: STORE_UNAVAILABLE.
   */
  lacks(kind: Kind, ids: readonly string[]): Promise<readonly string[]>

  /** Resolves when everything is on its way to where it stays. Idempotent. */
  close(): Promise<void>
}

export type Kind = 'network' | 'endpoint' | 'sandbox' | 'applied' | 'engine'
export const durableKinds: ReadonlySet<Kind> = new Set<Kind>(['network'])

export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json | undefined }

export interface StoredRecord {
  readonly kind: Kind
  readonly id: string
  /** Counts the writes of this record, from 1. */
  readonly version: number
  readonly value: Json
}

/** A commit has at most one write for a record. */
export interface Write {
  readonly kind: Kind
  /** 1 to 200 letters, digits and `_ . : -`. */
  readonly id: string
  /** null deletes. */
  readonly value: Json
  /** The version that must be there; 0: none may be there. */
  readonly expect?: number
}

export interface Loaded {
  readonly records: readonly StoredRecord[]
  readonly setAside: readonly SetAside[]
}

export interface SetAside {
  /** Where the content was moved to. */
  readonly path: string
  /** What was wrong with it, as a sentence. */
  readonly reason: string
}

/** A write that passed the checks. */
export interface CheckedWrite {
  readonly kind: Kind
  readonly id: string
  readonly key: string
  /** The version that is there; 0: none is. */
  readonly before: number
  /** The version that will be there; 0: none will. */
  readonly version: number
  readonly value: Json
}

/** Names a record of any kind; the order of keys is that of kinds, then ids. */
export function recordKey(kind: Kind, id: string): string {
  return `${kind}/${id}`
}

/**
 * What every implementation does before it touches anything: checks a commit against the versions
 * that are there (0: none). Throws what `Store.commit` promises.
 */
export function checkWrites(
  writes: readonly Write[],
  versionOf: (key: string) => number,
): readonly CheckedWrite[] {
  const seen = new Set<string>()
  return writes.map(({ kind, id, value, expect }) => {
    if (!/^[a-z0-9_.:-]{1,200}$/i.test(id)) {
      throw new CnmError('INVALID_ARGUMENT', `${JSON.stringify(id)} is not an id of a record`, {
        details: { kind, id },
        hint: 'an id has 1 to 200 letters, digits and _ . : -',
      })
    }
    const key = recordKey(kind, id)
    if (seen.has(key)) {
      throw new CnmError('INVALID_ARGUMENT', `the commit writes ${kind} "${id}" twice`)
    }
    seen.add(key)
    const before = versionOf(key)
    if (expect !== undefined && expect !== before) throw conflict(kind, id, expect, before)
    return { kind, id, key, before, version: value === null ? 0 : before + 1, value }
  })
}

function conflict(kind: Kind, id: string, expected: number, found: number): CnmError {
  const is = found === 0 ? 'is not there' : `is at version ${found}`
  const was = expected === 0 ? 'was not to be there' : `was to be at version ${expected}`
  return new CnmError('STORE_CONFLICT', `the record of ${kind} "${id}" ${is}, but ${was}`, {
    details: { kind, id, expected, found },
    hint: 'something else has changed it; read it again and repeat',
  })
}
