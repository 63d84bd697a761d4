import { createSocket } from 'node:dgram'
import { createServer, Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { type IpAddress, parseAddress } from '#dist/address/address.js'
import {
  AF_INET,
  AF_INET6,
  connect,
  internetAddress,
  SOCK_STREAM,
  socket,
} from '#dist/kernel/linux/ffi/socket.js'
import { openBoundSocket } from '#dist/kernel/linux/ports/sockets.js'
import { inNamespace } from './echo.ts'

export interface End {
  readonly address: string
  readonly port: number
}

/**
 * A program that sends a numbered datagram every millisecond, and keeps the numbers of what it gets. It
 * sends to `to`, or else to all it has heard.
 */
export class Talker implements Disposable {
  readonly name: string
  /** The highest number sent so far. */
  sent = 0
  /** What was heard, in order. */
  readonly heard: { readonly from: string; readonly number: number }[] = []
  readonly #socket
  readonly #timer

  constructor(name: string, namespace: string, at: End, to?: End) {
    this.name = name
    const address = parseAddress(at.address)
    const family = at.address.includes(':') ? 6 : 4
    const fd = inNamespace(namespace, () =>
      openBoundSocket({ family, type: 'udp', address, port: at.port }),
    )
    const partners = new Map<string, End>()
    if (to !== undefined) partners.set('', to)
    this.#socket = createSocket(family === 4 ? 'udp4' : 'udp6')
    this.#socket.on('error', () => {})
    this.#socket.on('message', (text, peer) => {
      const [from = '', number] = text.toString().split(' ')
      this.heard.push({ from, number: Number(number) })
      if (to === undefined) partners.set(`${peer.address} ${peer.port}`, peer)
    })
    this.#socket.bind({ fd })
    this.#timer = setInterval(() => {
      if (partners.size === 0) return
      this.sent += 1
      for (const { port, address } of partners.values()) {
        this.#socket.send(`${name} ${this.sent}`, port, address)
      }
    }, 1)
  }

  /** The highest number heard from that one; 0: none. */
  last(from: string): number {
    return this.heard.findLast((message) => message.from === from)?.number ?? 0
  }

  /** Waits until so many more have been sent. */
  async send(count: number): Promise<void> {
    const enough = this.sent + count
    while (this.sent < enough) await delay(20)
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
    this.#socket.close()
  }
}

/** A TCP server that sends something every millisecond to all that are connected. */
export async function pushingServer(namespace: string, at: End): Promise<AsyncDisposable> {
  const clients = new Set<Socket>()
  const fd = inNamespace(namespace, () => {
    const address = parseAddress(at.address)
    return openBoundSocket({ family: 4, type: 'tcp', address, port: at.port })
  })
  const server = createServer((client) => {
    clients.add(client)
    client.on('error', () => {})
    client.resume()
    const timer = setInterval(() => client.write('push'), 1)
    client.on('close', () => clearInterval(timer))
  })
  await new Promise<void>((resolve) => server.listen({ fd }, resolve))
  return {
    async [Symbol.asyncDispose]() {
      for (const client of clients) client.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** A TCP connection to there, from the namespace of that path. */
export function connection(namespace: string, to: End): Socket {
  const fd = inNamespace(namespace, () => {
    const made = socket(to.address.includes(':') ? AF_INET6 : AF_INET, SOCK_STREAM, 0)
    connect(made, internetAddress(to.address as IpAddress, to.port))
    return made
  })
  return new Socket({ fd, readable: true, writable: true })
}
