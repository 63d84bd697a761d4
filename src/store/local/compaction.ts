import { Journal } from './journal.ts'
import { entryOf, type FoundLine, linesOf } from './journal-entry.ts'
import { JournalReader } from './journal-reader.ts'

/** What is read in one go: about half a millisecond. */
const SLICE_BYTES = 256 * 1024
/** Likewise, of a large entry. */
const SLICE_LINES = 1000

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
  /** What is left of an entry that is larger than a slice: it has been verified, and the reader waits. */
  #rest: Iterator<Buffer, void> | undefined

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
    while (
      this.#rest === undefined &&
      this.#reader.position < Math.min(this.#old.size, from + SLICE_BYTES)
    ) {
      const isLater = this.#reader.position >= this.#begun
      const entry = this.#reader.next(this.#old.size)
      if (entry === undefined) throw new Error('the journal is damaged')
      if (entry.length > SLICE_BYTES) this.#rest = this.#eachCurrent(entry, isLater)
      else kept.push(...this.#current(entry, isLater))
    }
    kept.push(...this.#some())
    this.#next.append(Buffer.concat(kept))
    const isLast = this.#rest === undefined && this.#reader.position === this.#old.size
    return isLast ? this.#next : undefined
  }

  abandon(): void {
    this.#next.discard()
  }

  /** What still counts of an entry. */
  #current(entry: Buffer, isLater: boolean): Buffer[] {
    const lines = [...linesOf(entry)]
    const current = lines.filter((line) => this.#counts(line, isLater))
    if (current.length === lines.length) return [Buffer.from(entry)]
    return current.map(({ start, end }) => entryOf(entry.toString('latin1', start, end)))
  }

  /** Likewise, line by line; empty for one that doesn't count. */
  *#eachCurrent(entry: Buffer, isLater: boolean): Generator<Buffer, void> {
    for (const line of linesOf(entry)) {
      const { start, end } = line
      yield this.#counts(line, isLater)
        ? entryOf(entry.toString('latin1', start, end))
        : Buffer.alloc(0)
    }
  }

  /** A slice of the rest of a large entry. */
  #some(): Buffer[] {
    const some: Buffer[] = []
    for (let bytes = 0, lines = 0; bytes < SLICE_BYTES && lines < SLICE_LINES; lines++) {
      const { value } = this.#rest?.next() ?? {}
      if (value === undefined) {
        this.#rest = undefined
        break
      }
      bytes += value.length
      some.push(value)
    }
    return some
  }

  #counts(line: FoundLine, isLater: boolean): boolean {
    // What it deletes may have been copied.
    return line.version === 0 ? isLater : this.#isCurrent(line)
  }
}
