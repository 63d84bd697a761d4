/** About a millisecond. */
const MOST_IN_A_TURN = 32

/**
 * What is done for one who may want much: a little each time the event loop comes round, so that others
 * have theirs in between.
 */
export class Turns {
  #left = MOST_IN_A_TURN
  #waiting: (() => void)[] = []
  #next: NodeJS.Immediate | undefined

  /** false: it isn't to be done now, and `again` is called when it may be. */
  take(again: () => void): boolean {
    this.#next ??= setImmediate(() => this.#begin())
    if (this.#left > 0) {
      this.#left -= 1
      return true
    }
    this.#waiting.push(again)
    return false
  }

  #begin(): void {
    this.#next = undefined
    this.#left = MOST_IN_A_TURN
    // Who has still more to do goes to the end.
    while (this.#left > 0 && this.#waiting.length > 0) this.#waiting.shift()!()
    if (this.#waiting.length > 0) this.#next ??= setImmediate(() => this.#begin())
  }
}
