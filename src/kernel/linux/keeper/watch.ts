import { setTimeout as delay } from 'node:timers/promises'
import type { KeeperEvent } from '../../../keeper/keeper.ts'
import type { KernelEvent, QueryEvent } from '../../kernel.ts'
import { EventsConnection } from './events.ts'

const FIRST_DELAY_MS = 100
const LONGEST_DELAY_MS = 5000
/** One that has gone on for so long has ended for a reason of its own. */
const STEADY_MS = 10_000

interface KeeperWatchOptions {
  /** The keeper's socket. */
  readonly path: string
  onEvents(events: readonly KernelEvent[]): void
  onQueries(queries: readonly QueryEvent[]): void
  /** The keeper has dropped those resources. */
  onDropped(keys: readonly string[]): void
  /** Finds or starts another keeper; rejects if it ends at once. */
  restore(): Promise<void>
}

/** Listens to the keeper, on the main thread, and has it started again whenever it ends. */
export class KeeperWatch {
  readonly #options: KeeperWatchOptions
  readonly #closing = new AbortController()
  #connection: EventsConnection | undefined
  #log = false
  #isLost = false
  #since = performance.now()
  #delayMs = 0
  #waiting: AbortController | undefined

  constructor(options: KeeperWatchOptions) {
    this.#options = options
    this.#connect()
  }

  /** Whether every query is told from now on. */
  set log(on: boolean) {
    if (on !== this.#log) this.#connection?.log(on)
    this.#log = on
  }

  /** It was found out that the keeper listens to no engine, or to another. */
  lost(): void {
    if (this.#isLost || this.#closing.signal.aborted) return
    this.#isLost = true
    this.#connection?.close()
    this.#connection = undefined
    this.#options.onEvents([{ type: 'keeper', change: 'lost' }])
    // It rejects only when this is closed.
    this.#bringBack().catch(() => {})
  }

  /** Doesn't wait any longer before it looks for the next one. */
  hurry(): void {
    this.#delayMs = 0
    this.#waiting?.abort()
  }

  close(): void {
    this.#closing.abort()
    this.#waiting?.abort()
    this.#connection?.close()
  }

  #connect(): void {
    const { path } = this.#options
    this.#since = performance.now()
    this.#connection = new EventsConnection({
      path,
      log: this.#log,
      onEvent: (event) => this.#receive(event),
      onEnd: () => this.lost(),
    })
  }

  /** At once the first time; one that ends again and again is started more and more rarely. */
  async #bringBack(): Promise<void> {
    const { signal } = this.#closing
    if (performance.now() - this.#since > STEADY_MS) this.#delayMs = 0
    for (let failures = 0; ; failures++) {
      await this.#wait()
      signal.throwIfAborted()
      this.#delayMs = Math.min(Math.max(FIRST_DELAY_MS, this.#delayMs * 2), LONGEST_DELAY_MS)
      try {
        await this.#options.restore()
        break
      } catch (error) {
        signal.throwIfAborted()
        const message = `the keeper can't be started: ${(error as Error).message}`
        if (failures === 0) this.#options.onEvents([{ type: 'problem', message }])
      }
    }
    signal.throwIfAborted()
    this.#isLost = false
    this.#connect()
    this.#options.onEvents([{ type: 'keeper', change: 'back' }])
  }

  async #wait(): Promise<void> {
    this.#waiting = new AbortController()
    const { signal } = this.#waiting
    await delay(this.#delayMs, undefined, { ref: false, signal }).catch(() => {})
  }

  #receive(event: KeeperEvent): void {
    const { onEvents, onQueries, onDropped } = this.#options
    switch (event.event) {
      case 'counters':
        onEvents(
          event.counters.map(([sandbox, counters]) => ({ type: 'counters', sandbox, counters })),
        )
        break
      case 'queries':
        onQueries(event.queries)
        break
      case 'resolv-conf':
        onEvents([{ type: 'resolv-conf' }])
        break
      case 'gone':
        onDropped(event.keys)
        break
      case 'problem':
        onEvents([{ type: 'problem', message: event.message }])
    }
  }
}
