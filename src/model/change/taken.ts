import type { Touched } from './touched.ts'

type GiveBack = (touched: Touched) => Promise<void> | void

/** What a change has taken so far, each with its opposite: names, addresses, ports, what plug-ins were told. */
export class Taken {
  readonly #touched: Touched
  readonly #onProblem: (problem: unknown) => void
  readonly #back: GiveBack[] = []

  constructor(touched: Touched, onProblem: (problem: unknown) => void) {
    this.#touched = touched
    this.#onProblem = onProblem
  }

  /** Says how what has just been taken is given back, should the change fail. The last goes first. */
  orElse(giveBack: GiveBack): void {
    this.#back.push(giveBack)
  }

  /** What can't be given back keeps nothing else from it. */
  async giveBack(): Promise<void> {
    for (const back of this.#back.splice(0).reverse()) {
      try {
        await back(this.#touched)
      } catch (error) {
        this.#onProblem(error)
      }
    }
  }
}
