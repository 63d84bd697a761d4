import { isKernelError } from '../../base/errors.ts'
import { epollAdd, epollDelete } from '../../kernel/linux/service/index.ts'

const BACKOFF_MS = 1000

/**
 * Descriptors that are ready, and yet the kernel couldn't do what they are ready for: they are ignored
 * for a second. What is in its way (no memory, no descriptors) may be over then.
 */
export class FdBackoff {
  readonly #epoll: number
  /** By descriptor, the one that began first at first. */
  readonly #waiting = new Map<number, { readonly mask: number; readonly until: number }>()

  constructor(epoll: number) {
    this.#epoll = epoll
  }

  /** `mask`: what is waited for afterwards. */
  begin(fd: number, mask: number): void {
    this.remove(fd)
    this.#waiting.set(fd, { mask, until: performance.now() + BACKOFF_MS })
  }

  /** From now on nothing is waited for at that descriptor, whether it backs off or not. */
  remove(fd: number): void {
    if (!this.#waiting.delete(fd)) epollDelete(this.#epoll, fd)
  }

  /** Answers in how many milliseconds it has to be called again; -1: when something is ready. */
  step(): number {
    const now = performance.now()
    for (const [fd, { mask, until }] of this.#waiting) {
      if (until > now) return Math.ceil(until - now)
      this.#waiting.delete(fd)
      this.#end(fd, mask)
    }
    return -1
  }

  #end(fd: number, mask: number): void {
    try {
      epollAdd(this.#epoll, fd, mask)
    } catch (error) {
      if (!isKernelError(error)) throw error
      this.#waiting.set(fd, { mask, until: performance.now() + BACKOFF_MS })
    }
  }
}
