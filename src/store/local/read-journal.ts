import { closeSync, fstatSync, openSync } from 'node:fs'
import type { Json, Kind, StoredRecord } from '../store.ts'
import { HEADER_BYTES, keysIn, linesOf } from './journal-entry.ts'
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
 * answered: nothing is wrong with that. Of a damaged entry it isn't known what it has changed. So a record
 * that is named in it isn't believed any more, unless later entries tell of it: a state from before would be
 * worse than none, which is mended from what the kernel has. Throws only what the disk says.
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
      this.#forget(0)
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
      this.#forget(from)
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
      'that are named where it is damaged are not believed'
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
  #forget(from: number): void {
    this.#damaged.push(from)
    for (const text of this.#reader.texts(from, this.#reader.position)) {
      for (const key of keysIn(text)) if (this.#found.delete(key)) this.#dropped++
    }
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
