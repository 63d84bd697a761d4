import type { Socket } from 'node:net'
import { readMessage, recordTypes, type WrittenReply, writeReply } from './dns-packets.ts'
import { openUdp, serveTcp } from './sockets.ts'

export interface Asked {
  /** `www.example.test A`: in small letters, however it was asked. */
  readonly question: string
  /** The address it was asked from. */
  readonly from: string
  readonly transport: 'udp' | 'tcp'
}

/**
 * A DNS server that plays the internet's: it knows the names it is told, and does what it is told with
 * the rest. Names it doesn't know don't exist.
 */
export class Upstream implements AsyncDisposable {
  readonly asked: Asked[] = []
  /** Addresses of either family, by name. More than 20 of them don't fit in a datagram. */
  readonly names: Record<string, readonly string[]>
  /** `silent`: it hears and says nothing. A number: it answers with that code. */
  mood: 'answers' | 'silent' | number = 'answers'
  readonly #ends: AsyncDisposable[] = []

  private constructor(names: Record<string, readonly string[]>) {
    this.names = names
  }

  /** In the namespace at that path, at port 53 of the address. */
  static async start(
    path: string,
    address: string,
    names: Record<string, readonly string[]> = {},
  ): Promise<Upstream> {
    const upstream = new Upstream(names)
    const udp = await openUdp(path, address, 53)
    udp.socket.on('message', (query, peer) => {
      const reply = upstream.#answer(query, { from: peer.address, transport: 'udp' })
      if (reply !== undefined) udp.socket.send(reply, peer.port, peer.address)
    })
    upstream.#ends.push(udp)
    upstream.#ends.push(await serveTcp(path, address, 53, (client) => upstream.#serve(client)))
    return upstream
  }

  /** How often that was asked. */
  times(question: string): number {
    return this.asked.filter((one) => one.question === question).length
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const end of this.#ends) await end[Symbol.asyncDispose]()
  }

  #serve(client: Socket): void {
    let waiting = Buffer.alloc(0)
    const from = client.remoteAddress ?? ''
    client.on('data', (bytes) => {
      waiting = Buffer.concat([waiting, bytes])
      while (waiting.length >= 2 && waiting.length >= 2 + waiting.readUInt16BE(0)) {
        const query = waiting.subarray(2, 2 + waiting.readUInt16BE(0))
        waiting = waiting.subarray(2 + query.length)
        const reply = this.#answer(query, { from, transport: 'tcp' })
        if (reply === undefined) continue
        client.write(Buffer.of(reply.length >> 8, reply.length & 255))
        client.write(reply)
      }
    })
    client.on('end', () => client.end())
  }

  #answer(query: Buffer, how: Omit<Asked, 'question'>): Buffer | undefined {
    const { name, type } = readMessage(query)
    const [typeName = `TYPE${type}`] =
      Object.entries(recordTypes).find(([, number]) => number === type) ?? []
    this.asked.push({ question: `${name.toLowerCase()} ${typeName}`, ...how })
    return this.mood === 'silent' ? undefined : writeReply(query, this.#reply(name, how.transport))
  }

  #reply(name: string, transport: 'udp' | 'tcp'): WrittenReply {
    if (typeof this.mood === 'number') return { code: this.mood }
    const addresses = this.names[name.toLowerCase()]
    if (addresses === undefined) return { code: 3 }
    return { addresses, truncated: transport === 'udp' && addresses.length > 20 }
  }
}
