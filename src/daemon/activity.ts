interface ActivityOptions {
  /** Absent: it is never told. */
  readonly idleMs?: number
  /** Whether something goes on that isn't counted here. */
  readonly isBusy: () => boolean
  /** Nothing has gone on for so long. Told once. */
  readonly onIdle: () => void
}

/** Knows how long nothing has been going on. */
export class Activity {
  readonly #options: ActivityOptions
  #running = 0
  #timer: NodeJS.Timeout | undefined

  /** It begins with the first `touch`. */
  constructor(options: ActivityOptions) {
    this.#options = options
  }

  /** Something begins; answers with what is to be called, once or more often, when it has ended. */
  enter(): () => void {
    let isRunning = true
    this.#running += 1
    this.stop()
    return () => {
      if (!isRunning) return
      isRunning = false
      this.#running -= 1
      this.touch()
    }
  }

  /** Something has ended just now. */
  touch(): void {
    const { idleMs, isBusy, onIdle } = this.#options
    this.stop()
    if (idleMs === undefined || this.#running > 0 || isBusy()) return
    this.#timer = setTimeout(() => {
      // What begins without being counted ends with a touch.
      if (this.#running === 0 && !isBusy()) onIdle()
    }, idleMs)
    this.#timer.unref()
  }

  stop(): void {
    clearTimeout(this.#timer)
  }
}
