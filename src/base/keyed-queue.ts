import { cancelled } from './errors.ts'
import { untilAborted } from './until-aborted.ts'

/**
 * Serialises work that touches the same keys; work on different keys goes side by side.
 * All keys of one piece of work are taken at once, in the order of arrival, so there is no deadlock.
 */
export class KeyedQueue {
  readonly #tails = new Map<string, Promise<void>>()
  /** While it is set, everything that arrives waits for it. */
  #barrier: Promise<void> | undefined

  /** Runs `work` when everything queued before it on any of `keys` has ended. */
  async run<T>(keys: readonly string[], work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const before = [this.#barrier, ...keys.map((key) => this.#tails.get(key))].filter(
      (tail) => tail !== undefined,
    )
    let done = () => {}
    const mine = new Promise<void>((resolve) => {
      done = resolve
    })
    const tail = before.length === 0 ? mine : Promise.all([...before, mine]).then(() => {})
    for (const key of keys) this.#tails.set(key, tail)
    try {
      if (before.length > 0) await untilAborted(Promise.all(before), signal)
      if (signal?.aborted) throw cancelled('the operation', signal)
      return await work()
    } finally {
      done()
      // Not before: what this waited for may still go on when this has been cancelled.
      void tail.then(() => {
        for (const key of keys) if (this.#tails.get(key) === tail) this.#tails.delete(key)
      })
    }
  }

  /** Runs `work` alone: after everything queued so far, before everything that comes later. */
  async runAlone<T>(work: () => Promise<T>): Promise<T> {
    const before = [this.#barrier, ...this.#tails.values()]
    let done = () => {}
    const mine = new Promise<void>((resolve) => {
      done = resolve
    })
    const barrier = Promise.all([...before, mine]).then(() => {})
    this.#barrier = barrier
    try {
      await Promise.all(before)
      return await work()
    } finally {
      done()
      if (this.#barrier === barrier) this.#barrier = undefined
    }
  }

  /** Resolves when everything queued so far has ended. */
  async idle(): Promise<void> {
    await this.runAlone(async () => {})
  }
}
