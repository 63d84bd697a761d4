/**
 * Where records live. A record is JSON under a kind and an id. Kinds are durable (`network`: they
 * survive a reboot) or volatile (everything else: it dies with the boot, as what it describes does).
 */
export interface Store {
  /**
   * Everything there is. Content that can't be read is set aside (renamed, never deleted) and listed;
   * the rest is loaded. Called once, before the first commit.
   */
  load(): Promise<Loaded>

  /**
   * Writes and deletes, all or nothing as far as volatile kinds go; durable ones are written first,
   * one after the other, each atomic and on the disk when this resolves. Deleting what is absent
   * succeeds. Errors: STORE_CONFLICT (`expect` doesn't match: nothing is written),
   * STORE_UNAVAILABLE (disk full, read-only: nothing of the volatile part is written).
   */
  commit(writes: readonly Write[]): Promise<void>

  /** Resolves when everything is on its way to where it stays. Idempotent. */
  close(): Promise<void>
}

export type Kind = 'network' | 'endpoint' | 'sandbox' | 'intent' | 'applied' | 'found'
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

export interface Write {
  readonly kind: Kind
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
