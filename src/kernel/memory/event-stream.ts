import type { KernelEvent } from '../kernel.ts'

/** Events to whoever listens: each stream has everything since it was asked for. */
export class EventStreams {
  readonly #streams = new Set<{ readonly push: (event: KernelEvent) => void; end: () => void }>()

  publish(events: readonly KernelEvent[]): void {
    for (const { push } of this.#streams) events.forEach(push)
  }

  end(): void {
    for (const { end } of this.#streams) end()
  }

  open(signal?: AbortSignal): AsyncIterable<KernelEvent> {
    const waiting: KernelEvent[] = []
    let ended = signal?.aborted ?? false
    let wake = () => {}
    const stream = {
      push: (event: KernelEvent) => {
        waiting.push(event)
        wake()
      },
      end: () => {
        ended = true
        this.#streams.delete(stream)
        signal?.removeEventListener('abort', stream.end)
        wake()
      },
    }
    if (!ended) this.#streams.add(stream)
    signal?.addEventListener('abort', stream.end, { once: true })
    return (async function* () {
      try {
        while (!ended) {
          const event = waiting.shift()
          if (event !== undefined) yield event
          else {
            await new Promise<void>((resolve) => {
              wake = resolve
            })
          }
        }
      } finally {
        stream.end()
      }
    })()
  }
}
