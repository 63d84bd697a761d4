import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { CnmError } from '../../base/errors.ts'
import {
  type CheckedWrite,
  type Loaded,
  recordKey,
  type SetAside,
  type StoredRecord,
} from '../store.ts'
import { Compaction } from './compaction.ts'
import { Journal } from './journal.ts'
import { deleteBytes, entryOf, type FoundLine, HEADER_BYTES, lineOf } from './journal-entry.ts'
import { exists, keepAside } from './move-aside.ts'
import { type FoundRecord, readJournal } from './read-journal.ts'
import { Reserve } from './reserve.ts'
import { isErrno, unavailable } from './unavailable.ts'

/** With less in it that counts no more, nothing is won by writing it anew; on a full disk a little is much. */
const LEAST_GARBAGE_BYTES = 256 * 1024
const LEAST_WHEN_FULL_BYTES = 16 * 1024

interface Line {
  readonly key: string
  readonly version: number
  readonly line: string
}

/**
 * Records in a journal: each commit is appended as one entry. When more than half of it counts no more, it is
 * written anew in the background, which fails no commit.
 *
 * - `records.journal`: the records
 * - `next.journal`: what takes its place, by a rename, when it is complete; of no meaning until then
 * - `reserve`: room for deleting
 */
export class JournalRecords {
  readonly #path: string
  readonly #nextPath: string
  readonly #reservePath: string
  #journal: Journal | undefined
  #reserve: Reserve | undefined
  #compaction: Compaction | undefined
  /** So much counted when the compaction began. */
  #toCopy = 0
  /** What counts, by key. */
  readonly #current = new Map<string, FoundRecord>()
  #currentBytes = 0
  /** What deleting all of it would take. */
  #deleteBytes = 0
  /** What the last one that failed was about: the next one is tried when it is about something else. */
  #failed: { readonly journal: number; readonly current: number } | undefined
  #isFull = false
  /** What a compaction needs of the reserve belongs to nothing else until it ends. */
  #isLent = false

  constructor(folder: string) {
    this.#path = join(folder, 'records.journal')
    this.#nextPath = join(folder, 'next.journal')
    this.#reservePath = join(folder, 'reserve')
  }

  /** Throws what the disk says. */
  async load(): Promise<Loaded> {
    // It takes room.
    await rm(this.#nextPath, { force: true })
    const isThere = await exists(this.#path)
    const contents = isThere ? readJournal(this.#path) : undefined
    const { records = [], found, size = 0, damage } = contents ?? {}
    for (const [key, each] of found ?? []) this.#count(key, each)
    const setAside: SetAside[] = []
    if (isThere && damage === undefined) this.#journal = Journal.open(this.#path, size)
    else {
      const next = Journal.create(this.#nextPath, linesOf(records))
      this.#journal = next
      if (damage !== undefined) {
        setAside.push({ path: await keepAside(this.#path), reason: damage })
      }
      next.rename(this.#path)
    }
    return { records, setAside }
  }

  /** When all else that a start needs has been written. Throws what the disk says. */
  takeReserve(): void {
    this.#reserve = new Reserve(this.#reservePath, this.#deleteBytes)
  }

  /** All or nothing, on the calling thread. Errors: STORE_UNAVAILABLE, CLOSED. */
  commit(writes: readonly CheckedWrite[]): void {
    if (this.#journal === undefined) throw new CnmError('CLOSED', 'the store is not open')
    const lines = writes
      .filter(({ before, version }) => before > 0 || version > 0)
      .map(({ key, version, value }) => ({ key, version, line: lineOf(key, version, value) }))
    if (lines.length === 0) return
    try {
      this.#append(this.#journal, lines)
    } catch (error) {
      this.#compactIfLarge(this.#journal)
      throw unavailable(error, this.#path)
    }
    for (const { key, version, line } of lines) {
      this.#count(key, { version, bytes: HEADER_BYTES + line.length })
    }
    this.#compactIfLarge(this.#journal)
  }

  close(): void {
    this.#compaction?.abandon()
    this.#compaction = undefined
    this.#isLent = false
    this.#journal?.close()
    this.#journal = undefined
    this.#reserve?.close()
    this.#reserve = undefined
  }

  #append(journal: Journal, lines: readonly Line[]): void {
    const onlyDeletes = lines.every(({ version }) => version === 0)
    const entry = entryOf(lines.map(({ line }) => line).join(''))
    const write = () => {
      // What only deletes could not be written any more on a full disk if others took its room.
      if (!onlyDeletes) this.#takeReserve(lines)
      journal.append(entry)
    }
    if (fits(write)) {
      if (!onlyDeletes) this.#isFull = false
      return
    }
    this.#isFull = true
    if (this.#compaction !== undefined && (onlyDeletes || !this.#isLent)) {
      // What is copied can be copied again.
      this.#giveUp()
      if (fits(write)) return
    }
    if (onlyDeletes) this.#reserve?.release(entry.length)
    write()
  }

  /** Throws what the disk says: the reserve has to be whole, for these as well. */
  #takeReserve(lines: readonly Line[]): void {
    if (this.#isLent) throw Object.assign(new Error('it is being made smaller'), { code: 'ENOSPC' })
    const isNew = ({ key, version }: Line) => version > 0 && !this.#current.has(key)
    const more = lines.reduce((sum, line) => sum + (isNew(line) ? deleteBytes(line.key) : 0), 0)
    this.#reserve?.want(this.#deleteBytes + more)
    this.#reserve?.take()
  }

  #count(key: string, record: FoundRecord): void {
    this.#currentBytes -= this.#current.get(key)?.bytes ?? 0
    if (this.#current.delete(key)) this.#deleteBytes -= deleteBytes(key)
    if (record.version === 0) return
    this.#current.set(key, record)
    this.#currentBytes += record.bytes
    this.#deleteBytes += deleteBytes(key)
  }

  #compactIfLarge(journal: Journal): void {
    if (this.#compaction === undefined && this.#isLarge(journal)) this.#compact(journal)
  }

  #isLarge({ size }: Journal): boolean {
    const least = this.#isFull ? LEAST_WHEN_FULL_BYTES : LEAST_GARBAGE_BYTES
    if (size < least + 2 * this.#currentBytes) return false
    const { journal, current } = this.#failed ?? { journal: 0, current: Number.POSITIVE_INFINITY }
    return size > 2 * journal || this.#currentBytes <= current / 2
  }

  #compact(journal: Journal): void {
    // So a disk that is full of the journal itself comes free again, when most of it has been deleted.
    if (this.#isFull) this.#lend(HEADER_BYTES + this.#currentBytes)
    this.#toCopy = this.#currentBytes
    try {
      const isCurrent = ({ key, version }: FoundLine) => this.#current.get(key)?.version === version
      this.#compaction = new Compaction(journal, this.#nextPath, isCurrent)
      setImmediate(this.#goOn, this.#compaction)
    } catch {
      this.#giveUp()
    }
  }

  #lend(bytes: number): void {
    this.#isLent = true
    this.#reserve?.release(bytes)
  }

  #takeBack(): void {
    if (!this.#isLent) return
    this.#isLent = false
    this.#reserve?.want(this.#deleteBytes)
    this.#reserve?.refill()
  }

  /** A slice, and the next one when others had their turn. */
  readonly #goOn = (compaction: Compaction): void => {
    if (this.#compaction !== compaction) return
    try {
      const next = compaction.step()
      if (next === undefined) {
        setImmediate(this.#goOn, compaction)
        return
      }
      next.rename(this.#path)
      this.#journal?.close()
      this.#journal = next
      this.#compaction = undefined
      this.#failed = undefined
      this.#takeBack()
    } catch {
      this.#giveUp()
      // There may be much less to copy by now, and no commit to come that would try it.
      if (this.#journal && this.#currentBytes < this.#toCopy / 2)
        this.#compactIfLarge(this.#journal)
    }
  }

  /** The journal is good as it is, only large. */
  #giveUp(): void {
    this.#compaction?.abandon()
    this.#compaction = undefined
    this.#failed = { journal: this.#journal?.size ?? 0, current: this.#toCopy }
    this.#takeBack()
  }
}

function* linesOf(records: readonly StoredRecord[]): Generator<string> {
  for (const { kind, id, version, value } of records) {
    yield lineOf(recordKey(kind, id), version, value)
  }
}

/** false: the disk is full. */
function fits(append: () => void): boolean {
  try {
    append()
    return true
  } catch (error) {
    if (isErrno(error, 'ENOSPC', 'EDQUOT')) return false
    throw error
  }
}
