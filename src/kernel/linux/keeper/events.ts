import { createConnection, type Socket } from 'node:net'
import {
  encodeFrame,
  FrameReader,
  KEEPER_VERSION,
  type KeeperEvent,
} from '../../../keeper/keeper.ts'

interface EventsConnectionOptions {
  /** The keeper's socket. */
  readonly path: string
  /** Whether it is to tell every query. */
  readonly log: boolean
  onEvent(event: KeeperEvent): void
  /** The keeper has closed it, or it couldn't be made. Not after `close`. */
  onEnd(): void
}

/** The events connection to the keeper, on the main thread. It keeps no program alive. */
export class EventsConnection {
  readonly #socket: Socket
  readonly #reader = new FrameReader()
  #isClosed = false

  constructor({ path, log, onEvent, onEnd }: EventsConnectionOptions) {
    this.#socket = createConnection({ path }).unref()
    // It closes afterwards, and that is all there is to know.
    this.#socket.on('error', () => {})
    this.#socket.on('data', (bytes) => this.#receive(bytes, onEvent))
    this.#socket.on('close', () => {
      if (!this.#isClosed) onEnd()
    })
    this.#socket.write(encodeFrame({ op: 'events', version: KEEPER_VERSION }))
    if (log) this.log(true)
  }

  log(on: boolean): void {
    if (!this.#socket.destroyed) this.#socket.write(encodeFrame({ op: 'log', on }))
  }

  close(): void {
    this.#isClosed = true
    this.#socket.destroy()
  }

  #receive(bytes: Buffer, onEvent: (event: KeeperEvent) => void): void {
    let events: readonly KeeperEvent[]
    try {
      events = this.#reader.push(bytes) as KeeperEvent[]
    } catch {
      this.#socket.destroy()
      return
    }
    for (const event of events) if (!this.#isClosed) onEvent(event)
  }
}
