import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Activity } from './activity.ts'
import { type Listener, listen } from './listener.ts'
import type { Log } from './log.ts'

/** Who is at the other end, as the kernel says. */
export interface Peer {
  readonly pid: number
  readonly uid: number
}

interface ServiceOptions {
  readonly listener: Listener
  readonly handle: (request: IncomingMessage, response: ServerResponse) => void
  /** The text of an error with that status, in the words of this API: JSON. */
  readonly refusal: (status: number, message: string) => string
  readonly activity: Activity
  readonly log: Log
  readonly peerOf?: (socket: Socket) => Peer | undefined
}

/** Connections at a time: many, but not as many as descriptors. */
const mostConnections = 1024
/** Longer than clients keep idle connections, so that it is they who end them. */
const keepAliveMs = 65_000

/** HTTP on one socket. */
export class Service {
  readonly #options: ServiceOptions
  readonly #server: Server
  readonly #peers = new WeakMap<Socket, Peer>()
  #running = 0
  #isStopping = false
  #unlink = async () => {}
  #onQuiet = () => {}

  private constructor(options: ServiceOptions) {
    this.#options = options
    this.#server = createServer({ keepAliveTimeout: keepAliveMs, requireHostHeader: false })
    this.#server.maxConnections = mostConnections
    this.#server.on('request', (request, response) => this.#receive(request, response))
    this.#server.on('connection', (socket) => this.#meet(socket))
    this.#server.on('clientError', (error, socket) => this.#refuseBroken(error, socket as Socket))
  }

  /** Errors: those of `listen`. */
  static async start(options: ServiceOptions): Promise<Service> {
    const service = new Service(options)
    service.#unlink = await listen(service.#server, options.listener)
    return service
  }

  peerOf(request: IncomingMessage): Peer | undefined {
    return this.#peers.get(request.socket)
  }

  /** Takes no new requests, and ends those that have not come to their end in time. */
  async stop(graceMs: number): Promise<void> {
    this.#isStopping = true
    await this.#unlink().catch((error: unknown) => {
      // One that stays is taken for a dead one by the next daemon.
      this.#options.log.warn({ err: error }, 'the socket could not be removed')
    })
    const closed = new Promise((resolve) => this.#server.close(resolve))
    this.#server.closeIdleConnections()
    if (this.#running > 0) await this.#quiet(graceMs)
    this.#server.closeAllConnections()
    await closed
  }

  async #quiet(graceMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, graceMs)
      this.#onQuiet = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  #receive(request: IncomingMessage, response: ServerResponse): void {
    const leave = this.#options.activity.enter()
    this.#running += 1
    response.once('close', () => {
      leave()
      this.#running -= 1
      if (this.#isStopping) this.#server.closeIdleConnections()
      if (this.#running === 0) this.#onQuiet()
    })
    if (this.#isStopping) this.#refuseLate(response)
    else this.#options.handle(request, response)
  }

  #refuseLate(response: ServerResponse): void {
    const text = this.#options.refusal(503, 'the daemon is being stopped')
    response.writeHead(503, { 'content-type': 'application/json', connection: 'close' })
    response.end(text)
  }

  #meet(socket: Socket): void {
    const { log, peerOf } = this.#options
    const peer = peerOf?.(socket)
    if (peer === undefined) return
    this.#peers.set(socket, peer)
    log.debug({ ...peer }, 'connection')
  }

  /** What is no HTTP never gets as far as a request. */
  #refuseBroken(error: NodeJS.ErrnoException, socket: Socket): void {
    if (!socket.writable || error.code === 'ECONNRESET') return void socket.destroy()
    const isLarge = error.code === 'HPE_HEADER_OVERFLOW'
    const [status, reason] = isLarge
      ? [431, 'Request Header Fields Too Large']
      : [400, 'Bad Request']
    const text = this.#options.refusal(status, `this is no HTTP request: ${error.message}`)
    socket.end(
      `HTTP/1.1 ${status} ${reason}\r\ncontent-type: application/json\r\n` +
        `content-length: ${Buffer.byteLength(text)}\r\nconnection: close\r\n\r\n${text}`,
    )
  }
}
