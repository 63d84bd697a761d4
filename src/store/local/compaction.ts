import { Journal } from './journal.ts'
import { entryOf, type FoundLine, linesOf } from './journal-entry.ts'
import { JournalReader } from './journal-reader.ts'

/** What is read in one go: about half a millisecond. */
const SLICE_BYTES = 256 * 1024

/**
 * Writes a journal anew, beside it and slice by slice, without what counts no more. Commits go on meanwhile:
 * they append to the old one, and are read there when it is their turn. Until the new one takes its place, in
 * the moment in which nothing is left to read, the old one is all there is; so it can be given up at any time.
 */
export class Compaction {
  readonly #old: Journal
  readonly #reader: JournalReader
  readonly #next: Journal
  /** What is behind that was committed meanwhile, when records before it had been copied already. */
  readonly #begun: number
  readonly #isCurrent: (line: FoundLine) => boolean

  /** Throws what the disk says. */
  constructor(old: Journal, path: string, isCurrent: (line: FoundLine) => boolean) {
    this.#old = old
    this.#reader = new JournalReader(old.fd)
    this.#begun = old.size
    this.#isCurrent = isCurrent
    this.#next = Journal.create(path)
  }

  /**
   * Copies a slice. The new journal, if that was the last: it has to take the old one's place before anything
   * is committed. Throws what the disk says, or that the old one is damaged.
   */
  step(): Journal | undefined {
    const from = this.#reader.position
    if (from === 0 && !this.#reader.skipFirstLine()) throw new Error('the journal is damaged')
    const kept: Buffer[] = []
    while (this.#reader.position < Math.min(this.#old.size, from + SLICE_BYTES)) {
      const isLater = this.#reader.position >= this.#begun
      const entry = this.#reader.next(this.#old.size)
      if (entry === undefined) throw new Error('the journal is damaged')
      kept.push(...this.#current(entry, isLater))
    }
    this.#next.append(Buffer.concat(kept))
    return this.#reader.position === this.#old.size ? this.#next : undefined
  }

  abandon(): void {
    this.#next.discard()
  }

  /** What still counts of an entry. */
  #current(entry: Buffer, isLater: boolean): Buffer[] {
    const lines = linesOf(entry)
    const current = lines.filter((line) =>
      // What it deletes may have been copied.
      line.version === 0 ? isLater : this.#isCurrent(line),
    )
    if (current.length === lines.length) return [Buffer.from(entry)]
    return current.map(({ start, end }) => entryOf(entry.toString('latin1', start, end)))
  }
}
