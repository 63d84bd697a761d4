import { CnmError, cancelled } from '../base/errors.ts'

interface GateOptions {
  /** How many may be inside. */
  readonly most: number
  /** How many may wait for that, in their order. Those behind them are refused. */
  readonly mostWaiting: number
}

/** Lets only so many in at a time. */
export class Gate {
  readonly #options: GateOptions
  readonly #waiting = new Set<() => void>()
  #inside = 0

  constructor(options: GateOptions) {
    this.#options = options
  }

  /** Answers with what is to be called at the end. Errors: TOO_MANY_REQUESTS, CANCELLED. */
  async enter(signal: AbortSignal): Promise<() => void> {
    const { most, mostWaiting } = this.#options
    if (this.#inside < most) this.#inside += 1
    else if (this.#waiting.size < mostWaiting) await this.#turn(signal)
    else {
      throw new CnmError(
        'TOO_MANY_REQUESTS',
        `the daemon works on ${most} requests of this kind already`,
        { hint: 'try again later, or end some' },
      )
    }
    let isInside = true
    return () => {
      if (isInside) this.#leave()
      isInside = false
    }
  }

  #leave(): void {
    const [next] = this.#waiting
    if (next === undefined) this.#inside -= 1
    else next()
  }

  /** Resolves when a request has ended, which leaves its place to this one. */
  #turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = () => {
        this.#waiting.delete(enter)
        signal.removeEventListener('abort', giveUp)
      }
      const enter = () => {
        end()
        resolve()
      }
      const giveUp = () => {
        end()
        reject(cancelled('the request', signal))
      }
      this.#waiting.add(enter)
      signal.addEventListener('abort', giveUp, { once: true })
      if (signal.aborted) giveUp()
    })
  }
}
