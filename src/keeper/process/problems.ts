const MOST_IN_A_MINUTE = 5
const MINUTE_MS = 60_000

/** Tells what goes wrong, but not more than a user may want to read. */
export class Problems {
  readonly #tell: (message: string) => void
  readonly #now: () => number
  #minute = Number.NEGATIVE_INFINITY
  #told = 0
  #untold = 0

  constructor(tell: (message: string) => void, now: () => number = () => performance.now()) {
    this.#tell = tell
    this.#now = now
  }

  add(message: string): void {
    const time = this.#now()
    if (time - this.#minute >= MINUTE_MS) {
      this.#minute = time
      this.#told = 0
    }
    if (this.#told === MOST_IN_A_MINUTE) {
      this.#untold += 1
      return
    }
    this.#told += 1
    this.#tell(this.#untold === 0 ? message : `${message} (and ${this.#untold} more before)`)
    this.#untold = 0
  }
}
