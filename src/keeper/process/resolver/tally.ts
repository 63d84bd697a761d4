import type { AnswerSource, ResolverCounters } from '../../../kernel/kernel.ts'

const LIMITS_MS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 50, 100, 500, 1000, 5000] as const

const nothing: Readonly<Record<AnswerSource, number>> = {
  local: 0,
  cache: 0,
  upstream: 0,
  stale: 0,
  refused: 0,
  failed: 0,
  malformed: 0,
}

/** As they are sent from thread to thread. */
export interface TallyNumbers {
  readonly asked: number
  readonly answered: Readonly<Record<AnswerSource, number>>
  readonly latency: readonly number[]
}

/** What one thread has done for a resolver. */
export class Tally {
  asked = 0
  readonly answered: Record<AnswerSource, number> = { ...nothing }
  readonly latency: number[] = new Array(LIMITS_MS.length + 1).fill(0)

  /** So many answers took so long. */
  took(durationMs: number, answers: number): void {
    let bucket = 0
    while (bucket < LIMITS_MS.length && durationMs > LIMITS_MS[bucket]!) bucket += 1
    this.latency[bucket]! += answers
  }

  numbers(): TallyNumbers {
    return { asked: this.asked, answered: { ...this.answered }, latency: [...this.latency] }
  }
}

/** All together. */
export function countersOf(tallies: readonly TallyNumbers[]): ResolverCounters {
  const answered = { ...nothing }
  const counts = new Array<number>(LIMITS_MS.length + 1).fill(0)
  let asked = 0
  for (const tally of tallies) {
    asked += tally.asked
    for (const source of Object.keys(answered) as AnswerSource[]) {
      answered[source] += tally.answered[source]
    }
    for (const [index, count] of tally.latency.entries()) counts[index]! += count
  }
  return { asked, answered, latency: { limitsMs: LIMITS_MS, counts } }
}
