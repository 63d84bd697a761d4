import { randomBytes } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readMessage, writeQuery, writeReply } from '../../../../test/support/dns-packets.ts'
import type { IpAddress } from '../../../address/address.ts'
import type { Upstream } from '../../../kernel/kept-resource.ts'
import { openSocketBeside } from '../../../kernel/linux/service/index.ts'
import { Forwarder } from './forwarder.ts'

const GENUINE = '192.0.2.1'
const FALSE = '192.0.2.66'
const REFUSED = 5
const SERVFAIL = 2
const NXDOMAIN = 3

interface Heard {
  readonly query: Buffer
  readonly port: number
}

/** What a server does with a query: all that it sends. Nothing: it is silent. */
type Manners = (query: Buffer) => readonly Buffer[]

/** A server on this machine, at a port of its own. */
class Rogue {
  readonly heard: Heard[] = []
  readonly socket: Socket
  manners: Manners

  constructor(socket: Socket, manners: Manners) {
    this.socket = socket
    this.manners = manners
    socket.on('message', (query, { port }) => {
      this.heard.push({ query, port })
      for (const each of this.manners(query)) socket.send(each, port, '127.0.0.1')
    })
  }

  get upstream(): Upstream {
    return { address: '127.0.0.1' as IpAddress, port: this.socket.address().port }
  }
}

const honest: Manners = (query) => [writeReply(query, { addresses: [GENUINE] })]
const silent: Manners = () => []

function says(code: number): Manners {
  return (query) => [writeReply(query, { code })]
}

let servers: readonly Upstream[]
let forwarder: Forwarder
let closing: { close(): unknown }[]

beforeEach(() => {
  closing = []
  servers = []
  forwarder = new Forwarder({
    open: (type, family) => openSocketBeside(undefined, type, family),
    upstreams: () => servers,
  })
})

afterEach(() => {
  forwarder.close()
  for (const one of closing) one.close()
})

async function start(...all: readonly Manners[]): Promise<readonly Rogue[]> {
  const sockets = all.map(() => createSocket('udp4').bind(0, '127.0.0.1'))
  await Promise.all(sockets.map((socket) => once(socket, 'listening')))
  closing.push(...sockets)
  const rogues = all.map((manners, index) => new Rogue(sockets[index]!, manners))
  servers = rogues.map(({ upstream }) => upstream)
  return rogues
}

let lastId = 0

async function ask(name = 'www.Example.test') {
  const sent = ++lastId
  const { answer, source } = await forwarder.ask(writeQuery(sent, name, 'A'), {
    sandbox: 'box',
    transport: 'udp',
    upstreams: { from: 'host' },
    beside: -1,
  })
  const { id, code, addresses, name: asked } = readMessage(answer)
  expect([id, asked]).toEqual([sent, name])
  return { code, source, addresses }
}

const found = { code: 0, source: 'upstream', addresses: [GENUINE] }

describe('what is no answer to what was asked', () => {
  const lie = (query: Buffer) => writeReply(query, { addresses: [FALSE] })
  const changed = (query: Buffer, change: (bytes: Buffer) => void) => {
    const bytes = Buffer.from(lie(query))
    change(bytes)
    return bytes
  }
  const lies: Record<string, (query: Buffer) => Buffer> = {
    'has another id': (query) => changed(query, (it) => it.writeUInt16BE(it.readUInt16BE() ^ 1)),
    'has another name': (query) => changed(query, (it) => it.write('x', 14)),
    'has another type': (query) =>
      changed(query, (it) => it.writeUInt8(28, readMessage(it).end - 3)),
    'has another class': (query) =>
      changed(query, (it) => it.writeUInt8(3, readMessage(it).end - 1)),
    'has its letters in another case': (query) =>
      changed(query, (it) => it.write(it.toString('latin1', 13, 16).toLowerCase(), 13, 'latin1')),
    'is a query': (query) => changed(query, (it) => it.writeUInt8(1, 2)),
    'has no question': (query) =>
      changed(query, (it) => {
        it.writeUInt16BE(0, 4)
      }),
    'has two questions': (query) => changed(query, (it) => it.writeUInt16BE(2, 4)),
    'is shorter than any': (query) => query.subarray(0, 11),
    'is noise': () => randomBytes(200),
  }
  it.each(Object.entries(lies))('is not believed: it %s', async (_, lying) => {
    // Letters in mixed case may happen to be as in the lie: then that is the answer.
    const differs = (query: Buffer) => !/^www/.test(query.toString('latin1', 13, 16))
    const [rogue] = await start((query) =>
      differs(query) ? [lying(query), ...honest(query)] : honest(query),
    )
    for (let i = 0; i < 8; i += 1) expect(await ask(`www.a${i}.test`)).toEqual(found)
    expect(rogue!.heard.length).toBeGreaterThanOrEqual(8)
  })

  it('is not believed: it comes from elsewhere', async () => {
    const other = createSocket('udp4').bind(0, '127.0.0.1')
    await once(other, 'listening')
    closing.push(other)
    const [rogue] = await start(silent)
    rogue!.manners = (query) => {
      const { port } = rogue!.heard.at(-1)!
      other.send(lie(query), port, '127.0.0.1', () => {
        for (const each of honest(query)) rogue!.socket.send(each, port, '127.0.0.1')
      })
      return []
    }
    expect(await ask()).toEqual(found)
  })

  it('is asked over TCP when much of that comes', async () => {
    const [rogue] = await start((query) =>
      Array.from({ length: 16 }, () => lies['has another id']!(query)),
    )
    const tcp: Server = createServer((client) => {
      client.once('data', (bytes) => {
        const [reply] = honest(bytes.subarray(2))
        client.end(Buffer.concat([Buffer.of(reply!.length >> 8, reply!.length & 255), reply!]))
      })
    }).listen(rogue!.upstream.port, '127.0.0.1')
    closing.push(tcp)
    await once(tcp, 'listening')
    expect(await ask()).toEqual(found)
  })
})

describe('what can be guessed', () => {
  it('is different each time: id, port, and case', async () => {
    const [rogue] = await start(honest)
    for (let i = 0; i < 40; i += 1) await ask(`abcdefghijklm.n${i}.test`)
    const { heard } = rogue!
    const ids = heard.map(({ query }) => query.readUInt16BE())
    const names = heard.map(({ query }) => query.toString('latin1', 13, 26))
    expect(new Set(ids).size).toBeGreaterThan(35)
    expect(new Set(heard.map(({ port }) => port)).size).toBeGreaterThan(30)
    expect(new Set(names).size).toBeGreaterThan(35)
    // Neither counts up.
    const steps = ids.slice(1).map((id, i) => id - ids[i]!)
    expect(new Set(steps).size).toBeGreaterThan(30)
  })

  it('is less where a server writes all in small letters, and it is believed', async () => {
    const [rogue] = await start((query) => {
      const reply = writeReply(query, { addresses: [GENUINE] })
      const { end } = readMessage(reply)
      reply.write(reply.toString('latin1', 12, end).toLowerCase(), 12, 'latin1')
      return [reply]
    })
    expect(await ask('abcdefghijklm.a.test')).toEqual(found)
    const { length } = rogue!.heard
    expect(await ask('abcdefghijklm.b.test')).toEqual(found)
    // From now on it is asked as it likes, at once.
    expect(rogue!.heard.length).toBe(length + 1)
  })
})

describe('a server that is of no help', () => {
  const referral: Manners = (query) => {
    const reply = writeReply(query, {})
    // No recursion, and the SOA becomes an NS.
    reply[3]! &= 0x7f
    reply.writeUInt8(2, readMessage(query).end + 2)
    return [reply]
  }
  const loop: Manners = (query) => {
    const reply = writeReply(query, { addresses: [FALSE] })
    const { end } = readMessage(query)
    // The owner of the record leads to itself.
    reply.writeUInt16BE(0xc000 | end, end)
    return [reply]
  }
  const cut: Manners = (query) => honest(query).map((reply) => reply.subarray(0, -2))
  const counts: Manners = (query) =>
    honest(query).map((reply) => {
      reply.writeUInt16BE(9, 6)
      return reply
    })
  const bad: Record<string, Manners> = {
    'is silent': silent,
    'says SERVFAIL': says(SERVFAIL),
    'says REFUSED': says(REFUSED),
    'says NOTIMP': says(4),
    'says FORMERR': says(1),
    'says NOTAUTH': says(9),
    'names others': referral,
    'sends a loop': loop,
    'sends half': cut,
    'promises more than it sends': counts,
    'wants TCP and has none': (query) => [writeReply(query, { truncated: true })],
  }
  it.each(Object.entries(bad))('is followed by the next one, soon: it %s', async (_, manners) => {
    await start(manners, honest)
    const begin = performance.now()
    expect(await ask()).toEqual(found)
    // Long before a lookup is given up.
    expect(performance.now() - begin).toBeLessThan(3500)
  })

  it.each(Object.entries(bad).filter(([what]) => what !== 'is silent'))(
    'is no proof that there is no name: it %s',
    async (_, manners) => {
      await start(manners, manners)
      expect((await ask()).code).toBe(SERVFAIL)
    },
  )

  it('is not asked by all who wait for the same', async () => {
    const [rogue] = await start(says(SERVFAIL))
    const all = await Promise.all(Array.from({ length: 100 }, () => ask()))
    expect(new Set(all.map(({ code }) => code))).toEqual(new Set([SERVFAIL]))
    expect(rogue!.heard).toHaveLength(1)
  })
})

it('that a name is none is an answer, and the next server is not asked', async () => {
  const [, second] = await start(says(NXDOMAIN), honest)
  expect((await ask()).code).toBe(NXDOMAIN)
  expect(second!.heard).toEqual([])
})

it('what others want more of than they may is refused at once, and the next one has its own', async () => {
  const [rogue] = await start((query) =>
    readMessage(query).name.toLowerCase() === 'mine.test' ? honest(query) : [],
  )
  const waiting = Array.from({ length: 256 }, (_, i) => ask(`n${i}.test`))
  const from = {
    sandbox: 'box',
    transport: 'udp',
    upstreams: { from: 'host' },
    beside: -1,
  } as const
  const one = await forwarder.ask(writeQuery(1, 'more.test', 'A'), from)
  expect([one.source, one.code]).toEqual(['refused', REFUSED])
  const other = await forwarder.ask(writeQuery(1, 'mine.test', 'A'), { ...from, sandbox: 'other' })
  expect(readMessage(other.answer).addresses).toEqual([GENUINE])
  expect(rogue!.heard.length).toBeGreaterThan(0)
  forwarder.close()
  for (const { code } of await Promise.all(waiting)) expect(code).toBe(SERVFAIL)
})
