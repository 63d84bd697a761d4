/** For a stream that isn't read, or not fast enough. */
interface StreamLimit<Event> {
  /** Of more events than that the older half is dropped. */
  readonly most: number
  /** What says so, with the event that is next then. */
  afterLoss(dropped: readonly Event[], next: Event): readonly Event[]
}

/** Events to everyone who listens: each stream has all since it was opened, within the limit. */
export class EventStreams<Event> {
  readonly #streams = new Set<Stream<Event>>()
  readonly #onCount: (count: number) => void
  readonly #limit: StreamLimit<Event> | undefined

  /** `onCount`: told how many listen, whenever a listener comes or goes. */
  constructor(onCount: (count: number) => void = () => {}, limit?: StreamLimit<Event>) {
    this.#onCount = onCount
    this.#limit = limit
  }

  publish(events: readonly Event[]): void {
    for (const stream of this.#streams) stream.push(events)
  }

  end(): void {
    for (const stream of this.#streams) stream.end()
  }

  /** It begins now, not when it is first read, and ends on abort. */
  open(signal?: AbortSignal): AsyncIterable<Event> {
    const end = () => stream.end()
    const stream = new Stream<Event>(this.#limit, () => {
      signal?.removeEventListener('abort', end)
      this.#streams.delete(stream)
      this.#onCount(this.#streams.size)
    })
    this.#streams.add(stream)
    this.#onCount(this.#streams.size)
    if (signal?.aborted) stream.end()
    else signal?.addEventListener('abort', end, { once: true })
    return stream
  }
}

class Stream<Event> implements AsyncIterable<Event> {
  readonly #limit: StreamLimit<Event> | undefined
  readonly #onEnd: () => void
  readonly #events = this.#read()
  #waiting: Event[] = []
  #ended = false
  #wake = () => {}

  constructor(limit: StreamLimit<Event> | undefined, onEnd: () => void) {
    this.#limit = limit
    this.#onEnd = onEnd
  }

  push(events: readonly Event[]): void {
    for (const event of events) this.#waiting.push(event)
    if (this.#limit !== undefined) this.#shorten(this.#limit)
    this.#wake()
  }

  /** Idempotent. */
  end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#onEnd()
    this.#wake()
  }

  [Symbol.asyncIterator](): AsyncIterator<Event, void> {
    return {
      next: () => this.#events.next(),
      // A generator that hasn't begun has nothing to do when it is ended.
      return: () => {
        this.end()
        return this.#events.return()
      },
    }
  }

  #shorten({ most, afterLoss }: StreamLimit<Event>): void {
    if (this.#waiting.length <= most) return
    const next = this.#waiting.length - Math.ceil(most / 2)
    const dropped = this.#waiting.slice(0, next)
    const [first, ...rest] = this.#waiting.slice(next)
    this.#waiting = [...afterLoss(dropped, first!), ...rest]
  }

  async *#read(): AsyncGenerator<Event, void, undefined> {
    while (!this.#ended) {
      const events = this.#waiting
      this.#waiting = []
      yield* events
      if (this.#waiting.length > 0 || this.#ended) continue
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }
}
