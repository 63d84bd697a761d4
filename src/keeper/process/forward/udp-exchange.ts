import type { Socket } from 'node:dgram'
import type { Upstream } from '../../../kernel/kept-resource.ts'
import { udpSocketOn } from '../node-sockets.ts'
import type { Exchange, ExchangeEvents } from './exchange.ts'
import { hostOf } from './server.ts'

/**
 * Ports that are in use. Node lets sockets share them (SO_REUSEADDR), so the kernel may choose one twice, and
 * one of the two would get the answers of both.
 */
const ports = new Set<number>()
const MOST_CHOICES = 5

/** One query to one server, from a socket of its own: only what comes from there is received. */
export class UdpExchange implements Exchange {
  readonly #open: () => number
  readonly #to: Upstream
  readonly #query: Buffer
  readonly #events: ExchangeEvents
  #socket: Socket | undefined
  #port: number | undefined
  #choices = 0
  #isClosed = false

  constructor(open: () => number, to: Upstream, query: Buffer, events: ExchangeEvents) {
    this.#open = open
    this.#to = to
    this.#query = query
    this.#events = events
    this.#connect()
  }

  send(): void {
    if (this.#port === undefined || this.#isClosed) return
    this.#socket?.send(this.#query, (error) => this.#fail(error ?? undefined))
  }

  close(): void {
    this.#isClosed = true
    this.#drop()
  }

  #connect(): void {
    const { address, port } = this.#to
    this.#choices += 1
    const socket = udpSocketOn(this.#open(), address)
    this.#socket = socket
    socket.on('message', (message) => {
      if (this.#socket === socket) this.#events.onMessage(message)
    })
    socket.on('error', (error) => {
      if (this.#socket === socket) this.#fail(error)
    })
    // Types leave it out: there is an error if no way leads there.
    const connected = (error?: Error) => {
      if (this.#socket !== socket) return
      if (error === undefined) this.#begin(socket.address().port)
      else this.#fail(error)
    }
    socket.connect(port, hostOf(this.#to), connected)
  }

  #begin(port: number): void {
    if (ports.has(port)) {
      this.#chooseAgain()
      return
    }
    ports.add(port)
    this.#port = port
    this.send()
  }

  #chooseAgain(): void {
    this.#drop()
    try {
      if (this.#choices === MOST_CHOICES) throw new Error('all ports are taken')
      this.#connect()
    } catch (error) {
      this.#fail(error as Error)
    }
  }

  #fail(error: Error | undefined): void {
    if (error === undefined || this.#isClosed) return
    this.close()
    this.#events.onError(error)
  }

  #drop(): void {
    if (this.#port !== undefined) ports.delete(this.#port)
    this.#port = undefined
    this.#socket?.close()
    this.#socket = undefined
  }
}
