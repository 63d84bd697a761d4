/** Events to everyone who listens: each stream has all since it was opened. */
export class EventStreams<Event> {
  readonly #streams = new Set<Stream<Event>>()
  readonly #onCount: (count: number) => void

  /** `onCount`: told how many listen, whenever somebody comes or goes. */
  constructor(onCount: (count: number) => void = () => {}) {
    this.#onCount = onCount
  }

  publish(events: readonly Event[]): void {
    for (const stream of this.#streams) stream.push(events)
  }

  end(): void {
    for (const stream of this.#streams) stream.end()
    this.#streams.clear()
    this.#onCount(0)
  }

  /** It begins now, not when it is first read, and ends on abort. */
  open(signal?: AbortSignal): AsyncIterable<Event> {
    const stream = new Stream<Event>()
    const end = () => {
      if (this.#streams.delete(stream)) this.#onCount(this.#streams.size)
      stream.end()
    }
    this.#streams.add(stream)
    this.#onCount(this.#streams.size)
    if (signal?.aborted) end()
    signal?.addEventListener('abort', end, { once: true })
    return stream.read(() => {
      signal?.removeEventListener('abort', end)
      end()
    })
  }
}

class Stream<Event> {
  #waiting: Event[] = []
  #ended = false
  #wake = () => {}

  push(events: readonly Event[]): void {
    this.#waiting.push(...events)
    this.#wake()
  }

  end(): void {
    this.#ended = true
    this.#wake()
  }

  async *read(onEnd: () => void): AsyncGenerator<Event, void, undefined> {
    try {
      while (!this.#ended) {
        const events = this.#waiting
        this.#waiting = []
        yield* events
        if (this.#waiting.length > 0 || this.#ended) continue
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
    } finally {
      onEnd()
    }
  }
}
