import { close, constants, fstatSync, ftruncateSync, openSync, writeSync } from 'node:fs'

/** More than a step, and what deletes can waste where they end within a page. */
const LEAST_BYTES = 64 * 1024
/** It grows by so much, so that it is seldom written. */
const STEP_BYTES = 16 * 1024
const PAGE_BYTES = 4096

/**
 * Room that is taken beforehand, by a file of zeros: when the disk is full, what only deletes may have it.
 * It is given up page by page, as needed, and taken again when there is room. It is enough to delete all there is,
 * as long as nothing else is written before it is whole again.
 */
export class Reserve {
  readonly #fd: number
  #size: number
  #wanted = LEAST_BYTES

  /** Takes what there is for so many bytes of deletes. Throws what the disk says, but not that it is full. */
  constructor(path: string, deletes: number) {
    this.#fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600)
    this.#size = fstatSync(this.#fd).size
    this.want(deletes)
    this.refill()
  }

  /** So many bytes would be written if all there is were deleted. */
  want(deletes: number): void {
    this.#wanted = LEAST_BYTES + Math.floor(deletes / STEP_BYTES) * STEP_BYTES
  }

  /** Takes what is missing. Throws what the disk says. */
  take(): void {
    while (this.#size < this.#wanted) {
      const missing = Buffer.alloc(this.#wanted - this.#size)
      this.#size += writeSync(this.#fd, missing, 0, missing.length, this.#size)
    }
    if (this.#size > this.#wanted + STEP_BYTES) this.#cut(this.#wanted)
  }

  /** Takes what is missing, if there is room. */
  refill(): void {
    try {
      this.take()
    } catch {
      // There will be room later, or whatever else it is will be told by a commit.
    }
  }

  /** Makes room for so many bytes more of another file; none, if it would not be enough. */
  release(bytes: number): void {
    if (bytes > this.#size) return
    // They may begin on a page, and end on the next one.
    const room = (Math.ceil(bytes / PAGE_BYTES) + 1) * PAGE_BYTES
    this.#cut(Math.max(0, this.#size - room))
  }

  close(): void {
    close(this.#fd, () => {})
  }

  #cut(size: number): void {
    ftruncateSync(this.#fd, size)
    this.#size = size
  }
}
