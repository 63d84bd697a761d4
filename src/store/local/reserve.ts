import { close, constants, fstatSync, ftruncateSync, openSync, writeSync } from 'node:fs'

/** What deleting all that a full disk is full of would take is less. */
const RESERVE_BYTES = 64 * 1024
const PAGE_BYTES = 4096

/**
 * Room that is taken beforehand, by a file of zeros: when the disk is full, what only deletes may have it.
 * It is given up page by page, as needed, and taken again when there is room.
 */
export class Reserve {
  readonly #fd: number
  #size: number

  /** Takes what there is. Throws what the disk says, but not that it is full. */
  constructor(path: string) {
    this.#fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600)
    this.#size = fstatSync(this.#fd).size
    this.refill()
  }

  /** Takes what is missing, if there is room. */
  refill(): void {
    if (this.#size >= RESERVE_BYTES) return
    try {
      const missing = Buffer.alloc(RESERVE_BYTES - this.#size)
      this.#size += writeSync(this.#fd, missing, 0, missing.length, this.#size)
    } catch {
      // There will be room later, or whatever else it is will be told by a commit.
    }
  }

  /** Makes room for so many bytes more of another file; none, if it would not be enough. */
  release(bytes: number): void {
    // They may begin on a page, and end on the next one.
    const room = (Math.ceil(bytes / PAGE_BYTES) + 1) * PAGE_BYTES
    if (room > this.#size) return
    const size = this.#size - room
    ftruncateSync(this.#fd, size)
    this.#size = size
  }

  close(): void {
    close(this.#fd, () => {})
  }
}
