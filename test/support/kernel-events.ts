import type { KernelEvent } from '#dist/kernel/kernel.js'
import type { LinuxKernel } from '#dist/kernel/linux/index.js'

const deadlineMs = 30_000

/** What a kernel tells. */
export class HeardEvents implements AsyncDisposable {
  /** All since the last `clear`, oldest first. */
  readonly all: KernelEvent[] = []
  readonly #over = new AbortController()
  readonly #stream: AsyncIterable<KernelEvent>
  readonly #ended: Promise<void>
  #wake = () => {}

  private constructor(kernel: LinuxKernel) {
    this.#stream = kernel.events(this.#over.signal)
    this.#ended = this.#listen()
  }

  /**
   * Resolves when it really listens: what was done before is told by `resync` only, however long the
   * thread has taken to start. Of a kernel that was listened to before, ask only once.
   */
  static async of(kernel: LinuxKernel): Promise<HeardEvents> {
    const heard = new HeardEvents(kernel)
    await heard.hear(({ type }) => type === 'resync')
    heard.clear()
    return heard
  }

  /** Resolves when there has been such a one. */
  async hear(isIt: (event: KernelEvent) => boolean): Promise<void> {
    const deadline = performance.now() + deadlineMs
    while (!this.all.some(isIt)) {
      const left = deadline - performance.now()
      if (left <= 0) throw new Error(`not heard: ${isIt}; heard: ${JSON.stringify(this.all)}`)
      await this.#next(left)
    }
  }

  clear(): void {
    this.all.length = 0
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort()
    await this.#ended
  }

  async #listen(): Promise<void> {
    for await (const event of this.#stream) {
      this.all.push(event)
      this.#wake()
    }
    this.#wake()
  }

  /** Resolves with the next event, or when so much time has passed. */
  #next(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}
