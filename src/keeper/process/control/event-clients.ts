import { Socket } from 'node:net'
import { encodeFrame, FrameReader, KEEPER_VERSION, type KeeperEvent } from '../../keeper.ts'
import { asInterest } from './requests.ts'

/** So much may wait to be read; a client slower than that is cut off. */
const MOST_WAITING_BYTES = 16 * 1024 * 1024

interface Client {
  readonly socket: Socket
  readonly reader: FrameReader
  greeted: boolean
  log: boolean
}

/** Those who are told what happens. */
export class EventClients {
  readonly #clients = new Set<Client>()
  readonly #onGreet: (tell: (event: KeeperEvent) => void) => void
  readonly #onInterest: () => void

  /** `onGreet`: a new client listens. `onInterest`: how many they are, or what they want, has changed. */
  constructor(onGreet: (tell: (event: KeeperEvent) => void) => void, onInterest: () => void) {
    this.#onGreet = onGreet
    this.#onInterest = onInterest
  }

  get count(): number {
    return this.#clients.size
  }

  /** Whether one of them wants to be told each query. */
  get wantsLog(): boolean {
    return [...this.#clients].some(({ log }) => log)
  }

  /** A connection from which that has been read already. */
  add(fd: number, received: Uint8Array): void {
    const socket = new Socket({ fd, readable: true, writable: true })
    const client: Client = { socket, reader: new FrameReader(), greeted: false, log: false }
    this.#clients.add(client)
    socket.on('data', (bytes) => this.#receive(client, bytes))
    // It closes afterwards, and that is all there is to know.
    socket.on('error', () => {})
    socket.on('close', () => this.#forget(client))
    this.#receive(client, Buffer.from(received))
    this.#onInterest()
  }

  tell(event: KeeperEvent): void {
    if (this.#clients.size === 0) return
    const frame = encodeFrame(event)
    for (const client of this.#clients) {
      if (event.event !== 'queries' || client.log) this.#write(client, frame)
    }
  }

  #write({ socket, greeted }: Client, frame: Buffer): void {
    if (!greeted || socket.destroyed) return
    socket.write(frame)
    if (socket.writableLength > MOST_WAITING_BYTES) socket.destroy()
  }

  #receive(client: Client, bytes: Buffer): void {
    try {
      for (const message of client.reader.push(bytes)) {
        if (!this.#obey(client, message)) client.socket.destroy()
      }
    } catch {
      client.socket.destroy()
    }
  }

  /** false: that is nonsense, or another language. */
  #obey(client: Client, message: unknown): boolean {
    const interest = asInterest(message)
    if (interest === undefined) return false
    if (interest.op === 'log') {
      client.log = interest.on
      this.#onInterest()
      return true
    }
    if (interest.version !== KEEPER_VERSION) return false
    client.greeted = true
    this.#onGreet((event) => this.#write(client, encodeFrame(event)))
    return true
  }

  #forget(client: Client): void {
    this.#clients.delete(client)
    this.#onInterest()
  }
}
