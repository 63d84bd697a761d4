import { randomUUID } from 'node:crypto'
import type { CnmEvent } from '../api/told.ts'
import { CnmError } from '../base/errors.ts'

export type { CnmEvent } from '../api/told.ts'

interface ListenOptions {
  readonly signal?: AbortSignal
  /** The number of the last event that is known: what came after it comes first. Default: the last. */
  readonly since?: number
  /** Whose number that is: another engine's means nothing here. */
  readonly instance?: string
}

interface Listener {
  wake(): void
  end(): void
}

/**
 * Hands every event to everyone who listens, in order. A slow listener holds nothing up and costs
 * nothing: it is a place in what is kept, and ends with EVENTS_LOST when it falls behind that.
 */
export class EventBus {
  /** Another one for each engine: sequence numbers begin anew. */
  readonly instance = randomUUID()
  readonly #most: number
  readonly #listeners = new Set<Listener>()
  #kept: CnmEvent[] = []
  #sequence = 0
  #closed = false

  /** `most`: how many events are kept, at least. */
  constructor(most = 10_000) {
    this.#most = most
  }

  /** Of the last event. */
  get sequence(): number {
    return this.#sequence
  }

  emit(event: Omit<CnmEvent, 'sequence' | 'time'>): void {
    this.#sequence += 1
    this.#kept.push({ sequence: this.#sequence, time: new Date().toISOString(), ...event })
    // Now and then, since it copies all that are kept.
    if (this.#kept.length >= this.#most * 1.25) this.#kept = this.#kept.slice(-this.#most)
    for (const listener of this.#listeners) listener.wake()
  }

  /** Ends every iteration. */
  close(): void {
    this.#closed = true
    for (const listener of this.#listeners) listener.end()
  }

  /**
   * Events from the moment of the call (not of the first `next`), until the signal fires. Errors:
   * EVENTS_LOST, also from `next`.
   */
  listen(options: ListenOptions = {}): AsyncIterable<CnmEvent> & AsyncDisposable {
    const { signal, since = this.#sequence, instance = this.instance } = options
    this.#refuseLost(since, instance)
    let position = since
    let last = this.#closed || signal?.aborted ? position : Number.POSITIVE_INFINITY
    let wake = () => {}
    const listener = {
      wake: () => wake(),
      end: () => {
        last = Math.min(last, this.#sequence)
        this.#listeners.delete(listener)
        signal?.removeEventListener('abort', listener.end)
        wake()
      },
    }
    if (last > position) {
      this.#listeners.add(listener)
      signal?.addEventListener('abort', listener.end, { once: true })
    }
    const next = () => this.#after(position)
    async function* iterate() {
      try {
        while (position < last) {
          const event = next()
          if (event === undefined) {
            await new Promise<void>((resolve) => {
              wake = resolve
            })
          } else {
            position = event.sequence
            yield event
          }
        }
      } finally {
        listener.end()
      }
    }
    const iterator = iterate()
    return {
      [Symbol.asyncIterator]: () => iterator,
      [Symbol.asyncDispose]: async () => listener.end(),
    }
  }

  /** The event after that number, if there is one yet. */
  #after(sequence: number): CnmEvent | undefined {
    this.#refuseLost(sequence, this.instance)
    return this.#kept[this.#kept.length - (this.#sequence - sequence)]
  }

  #refuseLost(since: number, instance: string): void {
    const oldest = this.#sequence - this.#kept.length
    if (instance === this.instance && since >= oldest && since <= this.#sequence) return
    const why =
      instance === this.instance && since < oldest
        ? `those before number ${oldest + 1} are not kept any more`
        : 'the engine has been started anew since'
    throw new CnmError(
      'EVENTS_LOST',
      `there is no telling what came after event ${since}: ${why}`,
      {
        details: { since, instance: this.instance, sequence: this.#sequence },
        hint: 'listen anew, without "since", and then look at everything once',
      },
    )
  }
}
