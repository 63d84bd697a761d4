import { CnmError } from '../base/errors.ts'

/** So many calls in a row may take too long before none is made for a while. */
const mostLate = 2

/**
 * Keeps calls from a plugin that does not answer. After a while one is let through again, and if that is
 * answered, all are.
 */
export class Breaker {
  readonly #pauseMs: number
  #late = 0
  #until = 0
  #why = ''
  #isAway = false

  constructor(pauseMs: number) {
    this.#pauseMs = pauseMs
  }

  close(): void {
    this.#late = 0
    this.#until = 0
  }

  /** It is there. That says nothing of how soon it does what it is asked. */
  meet(): void {
    if (this.#isAway) this.close()
    this.#isAway = false
  }

  /** `isCertain`: nothing is there; otherwise it may have been too slow once. */
  fail(isCertain: boolean, why: string): void {
    this.#late += 1
    this.#why = why
    this.#isAway = isCertain
    if (isCertain || this.#late >= mostLate) this.#until = Date.now() + this.#pauseMs
  }

  /** Errors: PLUGIN_UNAVAILABLE. */
  refuse(plugin: string, method: string): void {
    const now = Date.now()
    if (now >= this.#until) {
      // Others wait for what becomes of this one.
      if (this.#until > 0) this.#until = now + this.#pauseMs
      return
    }
    throw new CnmError(
      'PLUGIN_UNAVAILABLE',
      `plugin "${plugin}": ${method} is not tried: ${this.#why}`,
      {
        details: { plugin, method },
        hint: `see that it runs; "cnm plugin inspect ${plugin}" tells how it is`,
      },
    )
  }
}
