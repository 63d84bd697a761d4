import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { close } from '#dist/kernel/linux/ffi/file.js'
import { openBoundSocket } from '#dist/kernel/linux/ports/sockets.js'
import {
  isCnmError,
  type KnownLocalEndpoint,
  type LocalSandbox,
  parseAddress,
} from '#dist/linux/library.js'
import { inNamespace } from '../support/echo.ts'
import { addressOf } from '../support/engine-rig.ts'
import { uplink } from '../support/host.ts'
import {
  hostAddress,
  internetAddress,
  lan,
  type PacketWorld,
  packetWorld,
  remoteAddress,
  type Wish,
} from '../support/packet-world.ts'
import { openIn, serve } from '../support/packets.ts'
import { sendInit } from '../support/sctp.ts'

const families = ['ipv4', 'ipv6'] as const
const uplinkAddress = { ipv4: uplink.address4, ipv6: uplink.address6 } as const
const loopback = { ipv4: '127.0.0.1', ipv6: '::1' } as const

describe.each([0, 1] as const)('with bridge-nf-call-iptables=%i', (callIptables) => {
  let world: PacketWorld
  /** `api` and `peer` are on network `web`, `far` on network `other`. */
  let api: LocalSandbox
  let peer: LocalSandbox
  let far: LocalSandbox

  beforeAll(async () => {
    world = await packetWorld({ callIptables })
  })

  afterAll(() => world?.[Symbol.asyncDispose]())

  beforeEach(async () => {
    for (const name of ['web', 'other']) await world.engine.createNetwork({ name, ipv6: true })
    api = await world.createSandbox('api', { connect: [{ network: 'web' }] })
    peer = await world.createSandbox('peer', { connect: [{ network: 'web' }] })
    far = await world.createSandbox('far', { connect: [{ network: 'other' }] })
  })

  afterEach(() => world.clear())

  const gateway = async (family: 'ipv4' | 'ipv6') =>
    (await world.engine.network('web').inspect())[family]?.gateway

  it.each(families)('is not shadowed by who sends from that port (%s)', async (family) => {
    await (await endpoint(api)).publish(['8080:80/udp'])
    const number = family === 'ipv4' ? 4 : 6
    const open = (path: string, port: number) => {
      const socket = createSocket(`udp${number}`)
      socket.bind({ fd: openIn(path, 'udp', number, port) })
      return socket
    }
    const thief = open(await world.path(far), 8080)
    const client = open(await world.path('lan'), 5000)
    try {
      const seen = once(client, 'message')
      thief.send('mine', 5000, remoteAddress[family])
      const [, { port }] = (await seen) as [Buffer, { port: number }]
      expect(port).toBeGreaterThanOrEqual(16384)
      const answered = once(client, 'message')
      client.send('?', 8080, hostAddress[family])
      const [answer] = (await answered) as [Buffer]
      expect(answer.toString()).toMatch(/^api /)
    } finally {
      thief.close()
      client.close()
    }
  })

  it.each(families)('reaches a published port from everywhere (%s)', async (family) => {
    await (await endpoint(api)).publish(['8080:80', '8080:80/udp'])
    for (const what of ['tcp', 'udp'] as const) {
      const by = hostAddress[family]
      expect(
        await Promise.all([
          world.told('lan', by, 8080, what),
          world.told('lan', uplinkAddress[family], 8080, what),
          world.told('internet', uplinkAddress[family], 8080, what),
          world.told(far, by, 8080, what),
          world.told(far, uplinkAddress[family], 8080, what),
          world.told('host', by, 8080, what),
          world.told('host', loopback[family], 8080, what),
          world.told(peer, by, 8080, what),
          world.told(api, by, 8080, what),
        ]),
      ).toEqual([
        `api ${remoteAddress[family]}`,
        `api ${remoteAddress[family]}`,
        `api ${internetAddress[family]}`,
        `api ${await addressOf(far, family)}`,
        `api ${await addressOf(far, family)}`,
        `api ${by}`,
        `api ${await gateway(family)}`,
        `api ${await gateway(family)}`,
        `api ${await gateway(family)}`,
      ])
    }
  })

  it('chooses a free port, the same one for both families', async () => {
    await (await endpoint(api)).publish(['80', '81/udp'])
    const ports = (await (await endpoint(api)).inspect()).ports
    expect(ports.map(({ family, protocol }) => [family, protocol])).toEqual(
      expect.arrayContaining([
        [4, 'tcp'],
        [6, 'tcp'],
        [4, 'udp'],
        [6, 'udp'],
      ]),
    )
    for (const { protocol, hostPorts, family } of ports) {
      const to = hostAddress[family === 4 ? 'ipv4' : 'ipv6']
      expect(await world.told('lan', to, hostPorts?.from ?? 0, protocol as 'tcp' | 'udp')).toMatch(
        /^api /,
      )
    }
    const [tcp, udp] = ['tcp', 'udp'].map(
      (protocol) =>
        new Set(ports.filter((one) => one.protocol === protocol).map((one) => one.hostPorts?.from)),
    )
    expect([tcp?.size, udp?.size]).toEqual([1, 1])
  })

  it('publishes at one address of the host and at no other', async () => {
    await (await endpoint(api)).publish([
      `${lan.address4}:9000:80`,
      `${uplink.address4}:9001:80`,
      '127.0.0.1:9002:80',
      `[${lan.address6}]:9003:80`,
      '[::1]:9004:80',
    ])
    const at = [lan.address4, uplink.address4, '127.0.0.1', lan.address6, '::1'] as const
    const ports = [9000, 9001, 9002, 9003, 9004]
    /** What answers of all ports at all addresses, though each should at one address at most. */
    const heard = async (from: Wish['from'], expected: readonly number[]) => {
      const wishes = at.flatMap((to, index) =>
        ports.map((port) => {
          const here = ports[index] === port && expected.includes(port)
          return { from, what: 'tcp', to, port, expected: here } as const
        }),
      )
      const answers = await Promise.all(wishes.map((wish) => world.ask(wish)))
      return wishes.filter((_, index) => answers[index]).map(({ to, port }) => `${to} ${port}`)
    }
    const outside = [9000, 9001, 9003]
    const places = (which: readonly number[]) =>
      ports.flatMap((port, index) => (which.includes(port) ? [`${at[index]} ${port}`] : []))
    expect(await heard('host', ports)).toEqual(places(ports))
    expect(await heard('lan', outside)).toEqual(places(outside))
    // Nor does a host give anything away that takes packets for 127.0.0.0/8 from everywhere.
    await world.host.sh('sysctl -qw net.ipv4.conf.all.route_localnet=1')
    expect(await heard('lan', outside)).toEqual(places(outside))
    await world.host.sh('sysctl -qw net.ipv4.conf.all.route_localnet=0')
  })

  it('keeps a range of 10,000 ports as one element, shifted ones as one for each', async () => {
    await using _ = serve(await world.path(api), 'api', [20_000, 25_000, 29_999])
    await (await endpoint(api)).publish(['20000-29999:20000-29999', '9000-9002:80-82/udp'])
    const elements = await world.host.nft<NftList>('-j list map inet cnm published4_ranges')
    expect(elements.nftables.flatMap((one) => one.map?.elem ?? [])).toHaveLength(1)
    for (const port of [20_000, 25_000, 29_999]) {
      expect(await world.told('lan', lan.address4, port)).toBe(`api ${remoteAddress.ipv4}`)
      expect(await world.told('internet', uplink.address6, port)).toBe(
        `api ${internetAddress.ipv6}`,
      )
    }
    expect(await world.told('lan', lan.address4, 9002, 'udp')).toBe(`api ${remoteAddress.ipv4}`)
    await (await endpoint(api)).unpublish(['25000:25000', '9001:81/udp'])
    const gone = [
      world.silent('lan', lan.address4, 25_000),
      world.silent('host', '127.0.0.1', 25_000),
      world.silent('lan', lan.address4, 9001, 'udp'),
    ]
    expect(await Promise.all(gone)).toEqual([true, true, true])
    expect(await world.told('lan', lan.address4, 29_999)).toBe(`api ${remoteAddress.ipv4}`)
    expect(await world.told('lan', lan.address4, 9002, 'udp')).toBe(`api ${remoteAddress.ipv4}`)
  })

  it('translates SCTP, too', async () => {
    await (await endpoint(api)).publish(['8080:80/sctp'])
    const inside = await world.path(api)
    await world.host.inside(inside, ['nft', '-f', '-'], { input: sctpCounter })
    for (const to of [lan.address4, lan.address6]) sendInit(await world.path('lan'), to, 8080)
    await vi.waitFor(async () => {
      expect(await world.host.inside(inside, ['nft', 'list', 'counters'])).toContain('packets 2')
    })
  })

  it('says who holds a port, and changes nothing', async () => {
    await (await endpoint(api)).publish(['8080:80'])
    const socket = { family: 4, type: 'udp', address: parseAddress('0.0.0.0'), port: 53 } as const
    const fd = inNamespace(world.host.netns, () => openBoundSocket(socket))
    try {
      const taken = await failure((await endpoint(peer)).publish(['8081:80', '8080:80']))
      expect(taken.message).toBe('port 8080/tcp is published by endpoint "api" of network "web"')
      const held = await failure((await endpoint(peer)).publish(['8081:80', '53:53/udp']))
      expect(held.message).toContain('port 53/udp')
      expect(held.message).toContain(`(pid ${process.pid})`)
    } finally {
      close(fd)
    }
    expect(await world.silent('lan', lan.address4, 8081)).toBe(true)
    expect(await world.told('lan', lan.address4, 8080)).toBe(`api ${remoteAddress.ipv4}`)
    await (await endpoint(peer)).publish(['8081:80', '53:81/udp'])
    expect(await world.told('lan', lan.address4, 53, 'udp')).toBe(`peer ${remoteAddress.ipv4}`)
  })

  it('waits with a port until its endpoint is the way out of the sandbox', async () => {
    const other = world.engine.network('other')
    await (await endpoint(api)).publish(['8080:80'])
    const second = await api.connect(other, { gwPriority: 1, publish: ['8081:80'] })
    const states = async () =>
      (await api.endpoints()).map((one) => one.info.ports.map((p) => p.state))
    expect(await states()).toEqual([
      ['pending', 'pending'],
      ['active', 'active'],
    ])
    expect(await world.silent('lan', lan.address4, 8080)).toBe(true)
    expect(await world.told('lan', lan.address4, 8081)).toBe(`api ${remoteAddress.ipv4}`)
    const refused = await failure((await endpoint(peer)).publish(['8080:80']))
    expect(isCnmError(refused, 'PORT_IN_USE')).toBe(true)
    await second.leave()
    expect(await states()).toEqual([['active', 'active']])
    expect(await world.told('lan', lan.address4, 8080)).toBe(`api ${remoteAddress.ipv4}`)
    expect(await world.told('internet', uplink.address6, 8080)).toBe(`api ${internetAddress.ipv6}`)
    expect(await world.silent('lan', lan.address4, 8081)).toBe(true)
  })

  it('goes on when others flush their rules, and when the engine starts again', async () => {
    await (await endpoint(api)).publish(['8080:80'])
    const everywhere = async () => [
      await world.told('lan', lan.address4, 8080),
      await world.told('lan', lan.address6, 8080),
      await world.told('host', '127.0.0.1', 8080),
    ]
    const before = await everywhere()
    expect(before).toEqual([
      `api ${remoteAddress.ipv4}`,
      `api ${remoteAddress.ipv6}`,
      `api ${await gateway('ipv4')}`,
    ])
    await world.host.sh('nft flush ruleset; iptables -F; iptables -t nat -F; ip6tables -F')
    expect(await everywhere()).toEqual(before)
    await world.engine.close()
    expect(await everywhere()).toEqual(before)
    await world.start()
    expect(await world.engine.doctor()).toEqual([])
    expect(await everywhere()).toEqual(before)
    expect(await world.told('host', '::1', 8080)).toBe(`api ${await gateway('ipv6')}`)
    const again = (await world.engine.sandbox('api').endpoints())[0]
    await again?.unpublish(['8080:80'])
    expect(await world.silent('lan', lan.address4, 8080)).toBe(true)
    expect(await world.silent('host', '::1', 8080)).toBe(true)
  })
})

const sctpCounter = `table inet t {
  counter init {}
  chain in { type filter hook input priority 0; sctp dport 80 counter name init; }
}`

interface NftList {
  readonly nftables: readonly { readonly map?: { readonly elem?: readonly unknown[] } }[]
}

async function endpoint(box: LocalSandbox): Promise<KnownLocalEndpoint> {
  const [first] = await box.endpoints()
  if (first === undefined) throw new Error(`${box.ref} has no endpoint`)
  return first
}

async function failure(call: Promise<unknown>): Promise<Error> {
  try {
    await call
  } catch (error) {
    if (error instanceof Error) return error
  }
  throw new Error('this should have failed')
}
