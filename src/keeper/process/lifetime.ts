/** An engine that is started anew finds what it had. */
const GRACE_MS = 10_000
const LOOK_EVERY_MS = 1000

/**
 * How long the keeper goes on: while an engine is connected; otherwise, as long as there is something to
 * answer (or for ever, if it stays), and its socket is where the next engine looks for it.
 */
export class Lifetime {
  readonly #isFound: () => boolean
  readonly #stays: boolean
  readonly #now: () => number
  #lookAt: number | undefined
  #idleSince: number | undefined

  /** `isFound`: whether what connects to its path still comes here. */
  constructor(isFound: () => boolean, stays: boolean, now = () => performance.now()) {
    this.#isFound = isFound
    this.#stays = stays
    this.#now = now
  }

  /** Answers in how many milliseconds it has to be asked again; -1: when something happens; 0: it is over. */
  step({ connected, needed }: { readonly connected: boolean; readonly needed: boolean }): number {
    if (connected) {
      this.#lookAt = undefined
      this.#idleSince = undefined
      return -1
    }
    const time = this.#now()
    if (needed || this.#stays) this.#idleSince = undefined
    else this.#idleSince ??= time
    this.#lookAt ??= time + LOOK_EVERY_MS
    if (time < this.#lookAt) return Math.ceil(this.#lookAt - time)
    if (!this.#isFound()) return 0
    if (this.#idleSince !== undefined && time - this.#idleSince >= GRACE_MS) return 0
    this.#lookAt = time + LOOK_EVERY_MS
    return LOOK_EVERY_MS
  }
}
