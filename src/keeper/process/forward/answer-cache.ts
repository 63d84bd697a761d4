import type { ExtendedError } from '../../../dns/answer/reply-writer.ts'
import { Cache } from '../../../dns/upstream/cache.ts'
import type { UpstreamAnswer } from '../../../dns/upstream/upstream-answer.ts'

const DAY_MS = 24 * 60 * 60 * 1000
const limits = { entries: 10_000, bytes: 16 * 1024 * 1024 }
const failureLimits = { entries: 2000, bytes: 1024 * 1024 }
/** RFC 8767: an answer is of some use for so long after its time, where there is no other. */
const STALE_MS = DAY_MS
/** RFC 8767: so long after a failure no client is made to wait if there is something stale. */
const FAILURE_MS = 30_000
/** What has just failed isn't asked again at once. */
const JUST_FAILED_MS = 1000
/** About what its places take. */
const ANSWER_BYTES = 300
const PLACE_BYTES = 8

export interface FoundAnswer {
  readonly answer: UpstreamAnswer
  readonly ageSeconds: number
  readonly isFresh: boolean
}

interface FoundFailure {
  readonly error: ExtendedError
  /** It is no use to ask again yet. */
  readonly isRecent: boolean
}

/** What upstreams have answered, and where they have failed. */
export class AnswerCache {
  readonly #answers = new Cache<{ readonly answer: UpstreamAnswer; readonly at: number }>(limits)
  readonly #failures = new Cache<{ readonly error: ExtendedError; readonly at: number }>(
    failureLimits,
  )

  find(key: string, now: number): FoundAnswer | undefined {
    const found = this.#answers.get(key)
    if (found === undefined) return undefined
    const { answer, at } = found
    const ageMs = now - at
    const lifetimeMs = answer.lifetimeSeconds * 1000
    // The clock may have been set back: then its age is unknown.
    if (ageMs < 0 || ageMs >= lifetimeMs + STALE_MS) {
      this.#answers.delete(key)
      return undefined
    }
    return { answer, ageSeconds: Math.floor(ageMs / 1000), isFresh: ageMs < lifetimeMs }
  }

  failure(key: string, now: number): FoundFailure | undefined {
    const found = this.#failures.get(key)
    if (found === undefined) return undefined
    const ageMs = now - found.at
    if (ageMs < 0 || ageMs >= FAILURE_MS) return undefined
    return { error: found.error, isRecent: ageMs < JUST_FAILED_MS }
  }

  keep(key: string, answer: UpstreamAnswer, now: number): void {
    this.#failures.delete(key)
    if (answer.lifetimeSeconds === 0) {
      this.#answers.delete(key)
      return
    }
    const places = answer.starts.length + answer.ttls.length + answer.echoes.length
    const bytes = answer.message.length + ANSWER_BYTES + PLACE_BYTES * places
    this.#answers.set(key, { answer, at: now }, bytes)
  }

  fail(key: string, error: ExtendedError, now: number): void {
    this.#failures.set(key, { error, at: now }, (error.text ?? '').length)
  }

  clear(): void {
    this.#answers.clear()
    this.#failures.clear()
  }
}
