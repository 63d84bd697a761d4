import { closeSync, fstatSync, openSync } from 'node:fs'
import type { Json, Kind, StoredRecord } from '../store.ts'
import { HEADER_BYTES, keysIn, linesOf, sumOf } from './journal-entry.ts'
import { JournalReader } from './journal-reader.ts'

export interface JournalContents {
  readonly records: readonly StoredRecord[]
  /** By the keys of the records. */
  readonly found: ReadonlyMap<string, FoundRecord>
  /** So many bytes of the file are entries, sound or damaged; the rest is the beginning of one. */
  readonly size: number
  /** What is wrong with it, as a sentence; undefined: nothing. */
  readonly damage: string | undefined
}

export interface FoundRecord {
  readonly version: number
  /** What it takes in the journal. */
  readonly bytes: number
}

/** Its JSON, in bytes of the file. */
interface Place extends FoundRecord {
  readonly at: number
  readonly length: number
}

/**
 * Everything in a journal that can be verified. A last entry that is cut off is a commit that was never
 * answered: nothing is wrong with that. What a damaged entry has changed is told by its header; what it was before
 * isn't believed any more, unless later entries tell of it: that would be worse than nothing, which is mended from what
 * the kernel has. Where the header is damaged as well, nothing from before is believed. Throws only what the disk says.
 */
export function readJournal(path: string): JournalContents {
  const fd = openSync(path, 'r')
  try {
    const contents = new Contents(new JournalReader(fd))
    const size = contents.read(fstatSync(fd).size)
    const records = contents.parse()
    return { records, found: contents.found, size, damage: contents.damage() }
  } finally {
    closeSync(fd)
  }
}

/** More than that is no single entry of which only the header is damaged. */
const MOST_UNVERIFIED_BYTES = 16 * 1024 * 1024

class Contents {
  readonly #reader: JournalReader
  readonly #found = new Map<string, Place>()
  /** Where it is damaged. */
  readonly #damaged: number[] = []
  /** So many records are not believed. */
  #dropped = 0

  constructor(reader: JournalReader) {
    this.#reader = reader
  }

  get found(): ReadonlyMap<string, FoundRecord> {
    return this.#found
  }

  /** Answers with how far the journal goes. */
  read(end: number): number {
    const reader = this.#reader
    if (!reader.skipFirstLine()) {
      reader.skipDamage(end)
      this.#forget(0, end)
    }
    while (reader.position < end) {
      const from = reader.position
      const entry = reader.next(end)
      if (entry !== undefined) {
        this.#add(entry, from)
        continue
      }
      const isTorn = reader.isTorn(end)
      reader.skipDamage(end)
      if (isTorn && reader.position === end) return from
      this.#forget(from, end)
    }
    return end
  }

  /** Only now is it known which values count. */
  parse(): StoredRecord[] {
    const records: StoredRecord[] = []
    for (const [key, { version, at, length }] of this.#found) {
      const record = recordOf(key, version, this.#reader.text(at, length))
      if (record !== undefined) records.push(record)
      else if (this.#found.delete(key)) this.#dropped++
    }
    return records
  }

  damage(): string | undefined {
    const places = this.#damaged.length
    if (places === 0 && this.#dropped === 0) return undefined
    const where = places === 0 ? '' : ` at byte ${this.#damaged[0]}`
    const more = places > 1 ? ` and in ${places - 1} more places` : ''
    return (
      `it is damaged${where}${more}: ${this.#found.size} records could be read, and ${this.#dropped} ` +
      'that may have been changed where it is damaged are not believed'
    )
  }

  #add(entry: Buffer, from: number): void {
    for (const { key, version, text, start, end } of linesOf(entry)) {
      this.#found.delete(key)
      if (version === 0) continue
      const bytes = HEADER_BYTES + end - start
      this.#found.set(key, { version, bytes, at: from + text, length: Math.max(0, end - 1 - text) })
    }
  }

  /** What the reader has skipped. */
  #forget(from: number, end: number): void {
    this.#damaged.push(from)
    const to = this.#reader.position
    for (let at = from; at < to; ) {
      const header = this.#reader.headerAt(at, end)
      if (header === undefined) {
        this.#forgetIn(at, to)
        return
      }
      const sums = new Set(header.keys)
      this.#drop([...this.#found.keys()].filter((key) => sums.has(sumOf(key))))
      at += header.size + header.length
    }
  }

  #forgetIn(from: number, to: number): void {
    const isShort = to - from <= MOST_UNVERIFIED_BYTES
    const keys = isShort ? keysIn(this.#reader.text(from, to - from)) : undefined
    this.#drop(keys ?? [...this.#found.keys()])
  }

  #drop(keys: readonly string[]): void {
    for (const key of keys) if (this.#found.delete(key)) this.#dropped++
  }
}

/** undefined: no journal has such a record. */
function recordOf(key: string, version: number, text: string): StoredRecord | undefined {
  const slash = key.indexOf('/')
  if (slash < 1 || !Number.isSafeInteger(version)) return undefined
  try {
    const value = JSON.parse(text) as Json
    return { kind: key.slice(0, slash) as Kind, id: key.slice(slash + 1), version, value }
  } catch {
    return undefined
  }
}
