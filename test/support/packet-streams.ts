import { createSocket } from 'node:dgram'
import { createServer, Socket } from 'node:net'
import { openIn, type Protocol } from './packets.ts'

/** A program that hears others and never stops talking to those that have spoken to it. */
export interface Party extends Disposable {
  /** What it heard of which, and when that was said (`performance.now()`). */
  readonly heard: readonly { readonly from: string; readonly saidAt: number }[]
  /** How often it has spoken. */
  readonly said: number
}

export interface PartyOptions {
  readonly protocol: Protocol
  /** The path of the namespace it is in. */
  readonly path: string
  readonly name: string
  /** What it speaks to first: an address and a port. Else it waits at `port`, at all addresses. */
  readonly to?: string
  readonly port: number
  readonly family: 'ipv4' | 'ipv6'
}

const intervalMs = 1

/** All who talk, until they are sent home together. */
export class Guests implements Disposable {
  readonly #parties: Party[] = []

  welcome(options: PartyOptions): Party {
    const party = options.protocol === 'udp' ? datagrams(options) : connections(options)
    this.#parties.push(party)
    return party
  }

  [Symbol.dispose](): void {
    for (const party of this.#parties) party[Symbol.dispose]()
  }
}

class Talk {
  readonly heard: { from: string; saidAt: number }[] = []
  said = 0
  readonly #name: string
  readonly #timers = new Set<NodeJS.Timeout>()

  constructor(name: string) {
    this.#name = name
  }

  hear(text: string): void {
    for (const line of text.split('\n')) {
      const [from, saidAt] = line.split(' ')
      if (from && saidAt) this.heard.push({ from, saidAt: Number(saidAt) })
    }
  }

  say(how: (text: string) => void): void {
    const speak = () => {
      how(`${this.#name} ${performance.now()}\n`)
      this.said += 1
    }
    this.#timers.add(setInterval(speak, intervalMs))
  }

  end(): void {
    for (const timer of this.#timers) clearInterval(timer)
  }
}

function datagrams({ path, name, to, port, family: kind }: PartyOptions): Party {
  const family = kind === 'ipv4' ? 4 : 6
  const talk = new Talk(name)
  const socket = createSocket(`udp${family}`)
  const peers = new Map<string, { address: string; port: number }>()
  if (to !== undefined) peers.set(to, { address: to, port })
  socket.on('error', () => {})
  socket.on('message', (message, peer) => {
    talk.hear(message.toString())
    if (to === undefined) peers.set(`${peer.address} ${peer.port}`, peer)
  })
  socket.bind({ fd: openIn(path, 'udp', family, to === undefined ? port : 0) })
  talk.say((text) => {
    for (const peer of peers.values()) socket.send(text, peer.port, peer.address, () => {})
  })
  return {
    heard: talk.heard,
    get said() {
      return talk.said
    },
    [Symbol.dispose]() {
      talk.end()
      socket.close()
    },
  }
}

function connections({ path, name, to, port, family }: PartyOptions): Party {
  const talk = new Talk(name)
  const sockets = new Set<Socket>()
  const fd = openIn(path, 'tcp', family === 'ipv4' ? 4 : 6, to === undefined ? port : 0)
  const converse = (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    // What was cut in two by the way is left out.
    socket.on('data', (data) => talk.hear(data.toString()))
    talk.say((text) => {
      if (socket.writable) socket.write(text)
    })
  }
  const server = to === undefined ? createServer(converse).listen({ fd }) : undefined
  if (to !== undefined) {
    const client = new Socket({ fd })
    client.connect({ host: to, port })
    converse(client)
  }
  return {
    heard: talk.heard,
    get said() {
      return talk.said
    },
    [Symbol.dispose]() {
      talk.end()
      for (const socket of sockets) socket.destroy()
      server?.close()
    },
  }
}
