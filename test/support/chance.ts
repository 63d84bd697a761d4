import { randomNumbers } from './random-numbers.ts'

/** Decisions that depend on the seed alone. */
export class Chance {
  readonly #random: () => number

  constructor(seed: number) {
    this.#random = randomNumbers(seed)
  }

  /** From 0 on; 0, too, if there is nothing to choose from. */
  below(limit: number): number {
    return Math.floor(this.#random() * limit)
  }

  /** Once in so many times. */
  once(times: number): boolean {
    return this.below(times) === 0
  }

  pick<T>(from: readonly T[]): T {
    const one = from[this.below(from.length)]
    if (one === undefined) throw new Error('nothing to choose from')
    return one
  }
}
