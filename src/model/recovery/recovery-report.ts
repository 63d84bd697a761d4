import type { Finding } from '../../api/told.ts'

/** What a start could not bring back, a sentence each. */
export class RecoveryReport {
  readonly #lasting: readonly string[]
  #past: readonly string[]

  /** `past`: it is over, and all that is left to do is to know of it. */
  constructor(lasting: readonly string[], past: readonly string[]) {
    this.#lasting = lasting
    this.#past = past
  }

  all(): readonly string[] {
    return [...this.#past, ...this.#lasting]
  }

  /** `fix`: what is past is told for the last time. */
  findings(fix: boolean): readonly Finding[] {
    const told = [
      ...this.#past.map((detail): Finding => ({ kind: 'lost', detail, mended: fix })),
      ...this.#lasting.map((detail): Finding => ({ kind: 'lost', detail, mended: false })),
    ]
    if (fix) this.#past = []
    return told
  }
}
