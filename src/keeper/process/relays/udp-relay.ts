import type { RemoteInfo, Socket } from 'node:dgram'
import { familyOf, type IpAddress } from '../../../address/address.ts'
import type { RelayResource } from '../../../kernel/kept-resource.ts'
import { udpSocketOn } from '../node-sockets.ts'
import type { Relay, RelaySupport } from './relay.ts'

/** So long a client is remembered that neither sends nor gets anything. */
const IDLE_MS = 90_000
/** So many datagrams of a client wait for its socket. */
const MOST_WAITING = 64

/** Passes on datagrams both ways, with a socket of its own for every client. */
export class UdpRelay implements Relay {
  readonly #support: RelaySupport
  readonly #socket: Socket
  /** By address and port. Who has sent nothing for the longest time comes first. */
  readonly #clients = new Map<string, Client>()
  #to: RelayResource['to']

  constructor(fd: number, { listen, to }: RelayResource, support: RelaySupport) {
    this.#to = to
    this.#support = support
    this.#socket = socketOf(fd, listen.address)
    this.#socket.on('message', (message, from) => this.#receive(message, from))
  }

  get to(): RelayResource['to'] {
    return this.#to
  }

  redirect(to: RelayResource['to']): void {
    this.#to = to
    for (const client of this.#clients.values()) client.end()
  }

  end(): void {
    this.#socket.close()
    for (const client of this.#clients.values()) client.end()
  }

  #receive(message: Buffer, from: RemoteInfo): void {
    const key = `${from.address} ${from.port}`
    const client = this.#clients.get(key) ?? this.#newClient(key, from)
    if (client === undefined) return
    this.#clients.delete(key)
    this.#clients.set(key, client)
    client.send(message)
  }

  /** undefined: other relays have too many, or there are no descriptors left. */
  #newClient(key: string, from: RemoteInfo): Client | undefined {
    const { slots } = this.#support
    if (!slots.take()) {
      const [oldest] = this.#clients.values()
      oldest?.end()
      if (!slots.take()) return undefined
    }
    const onReply = (message: Buffer) =>
      this.#socket.send(message, from.port, from.address, () => {})
    const onEnd = () => {
      this.#clients.delete(key)
      slots.give()
    }
    try {
      return new Client(this.#openClient(), this.#to, onReply, onEnd)
    } catch {
      onEnd()
      return undefined
    }
  }

  #openClient(): Socket {
    const { address } = this.#to
    return socketOf(this.#support.openClient('udp', familyOf(address)), address)
  }
}

class Client {
  readonly #onEnd: () => void
  readonly #timer = setTimeout(() => this.end(), IDLE_MS).unref()
  readonly #socket: Socket
  /** undefined: it is connected. */
  #waiting: Buffer[] | undefined = []
  #hasEnded = false

  constructor(
    socket: Socket,
    to: RelayResource['to'],
    onReply: (message: Buffer) => void,
    onEnd: () => void,
  ) {
    this.#socket = socket
    this.#onEnd = onEnd
    socket.on('message', (message) => {
      this.#timer.refresh()
      onReply(message)
    })
    // Types leave it out: there is an error if no way leads there.
    const connected = (error?: Error) => {
      if (error !== undefined) this.end()
      const waiting = this.#waiting ?? []
      this.#waiting = undefined
      if (!this.#hasEnded) for (const message of waiting) this.send(message)
    }
    socket.connect(to.port, to.address, connected)
  }

  send(message: Buffer): void {
    this.#timer.refresh()
    // What can't be sent is lost, as on any network.
    if (this.#waiting === undefined) this.#socket.send(message, () => {})
    else if (this.#waiting.length < MOST_WAITING) this.#waiting.push(message)
  }

  end(): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    clearTimeout(this.#timer)
    this.#socket.close()
    this.#onEnd()
  }
}

function socketOf(fd: number, address: IpAddress): Socket {
  // That nothing listens where it leads to, say: something may, later.
  return udpSocketOn(fd, address).on('error', () => {})
}
