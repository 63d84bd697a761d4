import type { Socket } from 'node:net'
import type { Upstream } from '../../../kernel/kept-resource.ts'
import { tcpSocketOn } from '../node-sockets.ts'
import type { Exchange, ExchangeEvents } from './exchange.ts'
import { hostOf } from './server.ts'

const LENGTH_BYTES = 2

/** One query to one server over a connection of its own. */
export class TcpExchange implements Exchange {
  readonly #events: ExchangeEvents
  readonly #socket: Socket
  readonly #received: Buffer[] = []
  #length = 0
  #isClosed = false

  constructor(open: () => number, to: Upstream, query: Buffer, events: ExchangeEvents) {
    this.#events = events
    this.#socket = tcpSocketOn(open())
    this.#socket.on('data', (bytes) => this.#receive(bytes))
    this.#socket.on('error', (error) => this.#fail(error))
    this.#socket.on('close', () => this.#fail(new Error('it has closed the connection')))
    const framed = Buffer.allocUnsafe(LENGTH_BYTES + query.length)
    framed.writeUInt16BE(query.length)
    query.copy(framed, LENGTH_BYTES)
    this.#socket.connect({ host: hostOf(to), port: to.port })
    this.#socket.write(framed)
  }

  /** TCP sends again by itself. */
  send(): void {}

  close(): void {
    this.#isClosed = true
    this.#socket.destroy()
  }

  #receive(bytes: Buffer): void {
    this.#received.push(bytes)
    this.#length += bytes.length
    while (!this.#isClosed) {
      const message = this.#take()
      if (message === undefined) return
      this.#events.onMessage(message)
    }
  }

  /** The first message, if it is there as a whole. */
  #take(): Buffer | undefined {
    if (this.#length < LENGTH_BYTES) return undefined
    if (this.#received[0]!.length < LENGTH_BYTES) this.#join()
    const end = LENGTH_BYTES + this.#received[0]!.readUInt16BE()
    if (this.#length < end) return undefined
    this.#join()
    const all = this.#received[0]!
    this.#received[0] = all.subarray(end)
    this.#length -= end
    return all.subarray(LENGTH_BYTES, end)
  }

  #join(): void {
    if (this.#received.length > 1) this.#received.splice(0, Infinity, Buffer.concat(this.#received))
  }

  #fail(error: Error): void {
    if (this.#isClosed) return
    this.close()
    this.#events.onError(error)
  }
}
