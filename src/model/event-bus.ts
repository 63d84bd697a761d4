/** Something that happened to a network, endpoint or sandbox; reported after it is true and recorded. */
export interface CnmEvent {
  /** Counts the events of this controller, from 1. */
  readonly sequence: number
  /** ISO 8601, UTC. */
  readonly time: string
  readonly type: 'network' | 'endpoint' | 'sandbox'
  readonly action: 'create' | 'delete' | 'join' | 'leave' | 'publish' | 'unpublish' | 'update'
  readonly id: string
  readonly name: string
  /** Names and ids of what else it concerns: `network`, `sandbox`, `driver`. */
  readonly attributes: Readonly<Record<string, string>>
}

type Listener = (event: CnmEvent | undefined) => void

/** Hands every event to everyone who listens, in order; a slow listener holds nobody up. */
export class EventBus {
  readonly #listeners = new Set<Listener>()
  #sequence = 0
  #closed = false

  emit(event: Omit<CnmEvent, 'sequence' | 'time'>): void {
    this.#sequence += 1
    if (this.#listeners.size === 0) return
    const full = { sequence: this.#sequence, time: new Date().toISOString(), ...event }
    for (const listener of this.#listeners) listener(full)
  }

  /** Ends every iteration. */
  close(): void {
    this.#closed = true
    for (const listener of this.#listeners) listener(undefined)
  }

  /** Events from the moment of the call (not of the first `next`), until the signal fires. */
  listen(signal?: AbortSignal): AsyncIterable<CnmEvent> & AsyncDisposable {
    const waiting: CnmEvent[] = []
    let ended = this.#closed || signal?.aborted === true
    let wake = () => {}
    const listener: Listener = (event) => {
      if (event === undefined) return end()
      waiting.push(event)
      wake()
    }
    const end = () => {
      ended = true
      this.#listeners.delete(listener)
      signal?.removeEventListener('abort', end)
      wake()
    }
    if (!ended) {
      this.#listeners.add(listener)
      signal?.addEventListener('abort', end, { once: true })
    }
    async function* iterate() {
      try {
        while (true) {
          const event = waiting.shift()
          if (event !== undefined) yield event
          else if (ended) return
          else
            await new Promise<void>((resolve) => {
              wake = resolve
            })
        }
      } finally {
        end()
      }
    }
    const iterator = iterate()
    return {
      [Symbol.asyncIterator]: () => iterator,
      [Symbol.asyncDispose]: async () => end(),
    }
  }
}
