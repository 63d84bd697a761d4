interface Waiter<Result> {
  readonly who: string
  readonly timer: NodeJS.Timeout | undefined
  readonly resolve: (result: Result | undefined) => void
}

/** Those who wait for the same thing. */
export class Waiters<Result> {
  readonly #waiting = new Set<Waiter<Result>>()
  #result: Result | undefined

  /** Resolves with undefined when patience ends first. Default: it doesn't. */
  wait(who: string, patienceMs?: number): Promise<Result | undefined> {
    if (this.#result !== undefined) return Promise.resolve(this.#result)
    return new Promise((resolve) => {
      const timer =
        patienceMs === undefined
          ? undefined
          : setTimeout(() => this.#tell(waiter, undefined), patienceMs).unref()
      const waiter = { who, timer, resolve }
      this.#waiting.add(waiter)
    })
  }

  /** All have it now, and those that come later. */
  settle(result: Result): void {
    this.#result = result
    for (const waiter of this.#waiting) this.#tell(waiter, result)
  }

  /** For one of them only, it is that. */
  settleFor(who: string, result: Result): void {
    for (const waiter of this.#waiting) if (waiter.who === who) this.#tell(waiter, result)
  }

  #tell(waiter: Waiter<Result>, result: Result | undefined): void {
    clearTimeout(waiter.timer)
    this.#waiting.delete(waiter)
    waiter.resolve(result)
  }
}
