import {
  close,
  closeSync,
  constants,
  ftruncateSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { entryOf, firstLine } from './journal-entry.ts'

const { O_RDWR, O_APPEND, O_CREAT, O_EXCL } = constants

/** Entries that are made together are written so many bytes at a time. */
const BATCH_BYTES = 256 * 1024

/** A journal that is appended to. Everything happens on the calling thread; nothing is flushed. */
export class Journal {
  readonly fd: number
  #path: string
  #size: number
  /** More may be in the file than its size says: what could not be cut off. */
  #isLonger = false

  private constructor(path: string, fd: number, size: number) {
    this.#path = path
    this.fd = fd
    this.#size = size
  }

  /** One that is there, of which only so much is good. */
  static open(path: string, size: number): Journal {
    const journal = new Journal(path, openSync(path, O_RDWR | O_APPEND), size)
    try {
      ftruncateSync(journal.fd, size)
      return journal
    } catch (error) {
      closeSync(journal.fd)
      throw error
    }
  }

  /** A new one, with these lines, each an entry of its own: what is damaged later is one record. */
  static create(path: string, lines: Iterable<string> = []): Journal {
    // Another process may have one open that was there; it must not write into this one.
    rmSync(path, { force: true })
    const journal = new Journal(
      path,
      openSync(path, O_RDWR | O_APPEND | O_CREAT | O_EXCL, 0o600),
      0,
    )
    try {
      journal.append(Buffer.from(firstLine))
      let batch: Buffer[] = []
      let bytes = 0
      for (const line of lines) {
        bytes += batch[batch.push(entryOf(line)) - 1]!.length
        if (bytes < BATCH_BYTES) continue
        journal.append(Buffer.concat(batch))
        batch = []
        bytes = 0
      }
      journal.append(Buffer.concat(batch))
      return journal
    } catch (error) {
      journal.discard()
      throw error
    }
  }

  get size(): number {
    return this.#size
  }

  /** All or nothing. Throws what the disk says. */
  append(bytes: Buffer): void {
    if (this.#isLonger) this.#cut()
    let written = 0
    try {
      while (written < bytes.length) written += writeSync(this.fd, bytes, written)
    } catch (error) {
      this.#isLonger = written > 0
      // If that fails it is tried again before the next entry, which is refused if it fails then.
      if (this.#isLonger) tried(() => this.#cut())
      throw error
    }
    this.#size += bytes.length
  }

  /** Takes the place of what is there. */
  rename(path: string): void {
    renameSync(this.#path, path)
    this.#path = path
  }

  /** It was in vain. */
  discard(): void {
    // Its room is wanted at once.
    closeSync(this.fd)
    tried(() => rmSync(this.#path, { force: true }))
  }

  close(): void {
    // The last one to close a file that has no name any more gives back its pages, which takes a while.
    close(this.fd, () => {})
  }

  #cut(): void {
    ftruncateSync(this.fd, this.#size)
    this.#isLonger = false
  }
}

function tried(work: () => void): void {
  try {
    work()
  } catch {
    // What led here is told.
  }
}
