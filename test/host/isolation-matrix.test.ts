import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type EndpointOptions, isCnmError, type NetworkOptions } from '#dist/linux/library.js'
import { addressOf } from '../support/engine-rig.ts'
import { uplink } from '../support/host.ts'
import {
  hostAddress,
  internetAddress,
  lan,
  type PacketWorld,
  packetWorld,
  remoteAddress,
} from '../support/packet-world.ts'

const families = ['ipv4', 'ipv6'] as const

describe.each([0, 1] as const)('with bridge-nf-call-iptables=%i', (callIptables) => {
  let world: PacketWorld

  beforeAll(async () => {
    world = await packetWorld({ callIptables, forwards: true })
  })

  afterEach(() => world.clear())

  afterAll(() => world?.[Symbol.asyncDispose]())

  it('lets trusted links in to published ports, at the address of the sandbox', async () => {
    await network(world, 'web', { trustedInterfaces: lan.link })
    const api = await boxOn(world, 'api', 'web', { publish: ['8080:80'] })
    for (const family of families) {
      const to = await addressOf(api, family)
      expect(await world.told('lan', to, 80)).toBe(`api ${remoteAddress[family]}`)
      await routeThere(world, 'internet', to)
      const unheard = [world.silent('lan', to, 81), world.silent('internet', to, 80)]
      expect(await Promise.all(unheard)).toEqual([true, true])
    }
    await (await api.endpoints())[0]?.unpublish(['8080:80'])
    expect(await world.silent('lan', await addressOf(api), 80)).toBe(true)
  })

  it('keeps endpoints without ICC apart, but for those that are linked', async () => {
    await network(world, 'apart', { icc: false })
    const make = (name: string, options: Partial<EndpointOptions> = {}) =>
      boxOn(world, name, 'apart', options)
    const db = await make('db', { publish: ['8080:80'] })
    const app = await make('app', { links: ['db'] })
    const other = await make('other')
    for (const family of families) {
      const [to, published] = [await addressOf(db, family), hostAddress[family]]
      const gateway = (await world.engine.network('apart').inspect())[family]?.gateway
      expect(await world.told(app, to, 80)).toBe(`db ${await addressOf(app, family)}`)
      expect(await world.told(db, await addressOf(app, family), 81)).toBe(`app ${to}`)
      expect(await world.told(app, published, 8080)).toBe(`db ${gateway}`)
      expect(await world.told(db, published, 8080)).toBe(`db ${gateway}`)
      expect(await world.told('lan', published, 8080)).toBe(`db ${remoteAddress[family]}`)
      expect(await world.told('host', to, 81)).toBe(`db ${gateway}`)
      const unheard = [
        world.silent(other, to, 80),
        world.silent(other, published, 8080),
        world.silent(other, await addressOf(app, family), 80),
        world.silent(db, await addressOf(other, family), 80),
      ]
      expect(await Promise.all(unheard)).toEqual([true, true, true, true])
    }
  })

  it('publishes nothing of an internal network, and lets nothing out of it', async () => {
    await network(world, 'inner', {}, { internal: true })
    const [one, two] = [await boxOn(world, 'one', 'inner'), await boxOn(world, 'two', 'inner')]
    await network(world, 'open', { gatewayMode4: 'nat-unprotected', gatewayMode6: 'routed' })
    const open = await boxOn(world, 'open', 'open', { publish: ['8080:80'] })
    const refused = (await one.endpoints())[0]?.publish(['8081:80']) ?? Promise.resolve()
    await expect(refused).rejects.toSatisfy((error) => isCnmError(error, 'NOT_ALLOWED'))
    for (const family of families) {
      const gateway = (await world.engine.network('inner').inspect())[family]?.gateway ?? ''
      const [inner, outer] = [await addressOf(one, family), await addressOf(open, family)]
      expect(await world.told(two, inner, 80)).toBe(`one ${await addressOf(two, family)}`)
      expect(await world.told('host', inner, 80)).toBe(`one ${gateway}`)
      // Whatever root in there tries: everybody knows the way back to him.
      await world.host.inside(await world.path(one), [
        'ip',
        'route',
        'add',
        'default',
        'via',
        gateway,
      ])
      await routeThere(world, 'internet', inner)
      const seen = await countFrom(world, inner)
      const there = [gateway, hostAddress[family], internetAddress[family], outer]
      const unheard = [
        ...[...there, remoteAddress[family]].map((to) => world.silent(one, to, 80, 'ping')),
        world.silent(one, hostAddress[family], 8080),
        world.silent(one, gateway, 8080),
        world.silent(one, outer, 80),
        world.silent(open, inner, 80),
        world.silent('lan', inner, 80),
        world.silent('internet', inner, 80),
      ]
      expect(await Promise.all(unheard)).toEqual(unheard.map(() => true))
      // Not even a packet that gets no answer.
      expect(await seen()).toBe(0)
    }
  })

  it("lets no sandbox ask for 127.0.0.1 and get the host's", async () => {
    await network(world, 'web')
    const box = await boxOn(world, 'box', 'web', { publish: ['8080:80'] })
    await using _ = await world.serve('host')
    const via = (await world.engine.network('web').inspect()).ipv4?.gateway ?? ''
    const inside = async (argv: string) =>
      world.host.inside(await world.path(box), argv.split(' ') as [string, ...string[]])
    await inside('sysctl -qw net.ipv4.conf.all.route_localnet=1')
    await inside('ip addr del 127.0.0.1/8 dev lo')
    await inside(`ip route add 127.0.0.0/8 via ${via}`)
    // The host is there, and so is the way.
    expect(await world.told(box, via, 80)).toBe(`host ${await addressOf(box)}`)
    const unheard = [80, 8080].map((port) => world.silent(box, '127.0.0.1', port))
    expect(await Promise.all(unheard)).toEqual([true, true])
  })

  it('hides nobody where masquerade is off', async () => {
    await network(world, 'plain', { masquerade: false })
    const box = await boxOn(world, 'box', 'plain')
    await using _ = await world.serve('lan')
    for (const family of families) {
      const own = await addressOf(box, family)
      expect(await world.told(box, remoteAddress[family], 80)).toBe(`lan ${own}`)
    }
  })

  it('hides whoever leaves behind the address that was given', async () => {
    await network(world, 'nat', { snat4: lan.address4, snat6: lan.address6 })
    const box = await boxOn(world, 'box', 'nat')
    await network(world, 'usual')
    const usual = await boxOn(world, 'usual', 'usual')
    await using _ = await world.serve('internet')
    for (const family of families) {
      await routeThere(world, 'internet', hostAddress[family])
      const to = internetAddress[family]
      expect(await world.told(box, to, 80)).toBe(`internet ${hostAddress[family]}`)
      const link = family === 'ipv4' ? uplink.address4 : uplink.address6
      expect(await world.told(usual, to, 80)).toBe(`internet ${link}`)
    }
  })

  it('leads out by a gateway that is not the host', async () => {
    const auxAddresses = { DefaultGatewayIPv4: '10.9.0.9' }
    await network(world, 'aux', {}, { subnets: [{ subnet: '10.9.0.0/24', auxAddresses }] })
    const box = await boxOn(world, 'box', 'aux')
    expect((await box.exec(['ip', 'route', 'show', 'default'])).stdout).toContain('via 10.9.0.9')
    // A router is that address, and passes on what others send.
    const router = await boxOn(world, 'router', 'aux', { addresses: 'any' })
    await world.host.inside(await world.path(router), [
      'ip',
      'addr',
      'add',
      '10.9.0.9/24',
      'dev',
      'eth0',
    ])
    await world.host.inside(await world.path(router), [
      'ip',
      'addr',
      'add',
      '192.0.2.1/32',
      'dev',
      'lo',
    ])
    expect(await world.told(box, '192.0.2.1', 80)).toBe(`router ${await addressOf(box)}`)
  })

  it('leaves the gateway address of IPv4 to somebody else', async () => {
    await network(world, 'theirs', { inhibit4: true })
    const [one, two] = [await boxOn(world, 'one', 'theirs'), await boxOn(world, 'two', 'theirs')]
    expect(await world.told(two, await addressOf(one), 80)).toBe(`one ${await addressOf(two)}`)
    expect(await world.silent('host', await addressOf(one), 80)).toBe(true)
    const gateway = (await world.engine.network('theirs').inspect()).ipv4?.gateway ?? ''
    expect(await world.silent(one, gateway, 80, 'ping')).toBe(true)
    // Of IPv6 nothing was said.
    expect((await world.told('host', await addressOf(one, 'ipv6'), 80)).split(' ')[0]).toBe('one')
  })

  it('carries IPv6 alone: out, in by published ports, and nothing of IPv4', async () => {
    await network(world, 'six', {}, { ipv4: false })
    const box = await boxOn(world, 'box', 'six', { publish: ['8080:80', '8080:81/udp'] })
    await using _ = await world.serve('internet')
    const gateway = (await world.engine.network('six').inspect()).ipv6?.gateway
    expect(await world.told(box, uplink.gateway6, 80)).toBe(`internet ${uplink.address6}`)
    expect(await world.told('lan', lan.address6, 8080)).toBe(`box ${lan.remote6}`)
    expect(await world.told('lan', lan.address6, 8080, 'udp')).toBe(`box ${lan.remote6}`)
    expect(await world.told('host', '::1', 8080)).toBe(`box ${gateway}`)
    expect(await world.told(box, lan.address6, 8080)).toBe(`box ${gateway}`)
    expect(await world.silent('lan', lan.address4, 8080)).toBe(true)
    expect(await world.silent('host', '127.0.0.1', 8080)).toBe(true)
  })

  it('has a mode for each family', async () => {
    await network(world, 'mixed', { gatewayMode4: 'nat', gatewayMode6: 'routed' })
    const box = await boxOn(world, 'box', 'mixed', { publish: ['8080:80'] })
    expect(await world.told('lan', lan.address4, 8080)).toBe(`box ${lan.remote4}`)
    expect(await world.told('lan', await addressOf(box, 'ipv6'), 80)).toBe(`box ${lan.remote6}`)
    expect(await world.silent('lan', await addressOf(box), 80)).toBe(true)
    expect(await world.silent('lan', lan.address6, 8080)).toBe(true)
    await using _ = await world.serve('lan')
    // What is routed keeps its address.
    expect(await world.told(box, lan.remote4, 80)).toBe(`lan ${lan.address4}`)
    expect(await world.told(box, lan.remote6, 80)).toBe(`lan ${await addressOf(box, 'ipv6')}`)
  })
})

/** A network of both families. */
function network(
  world: PacketWorld,
  name: string,
  options: NonNullable<NetworkOptions['options']> = {},
  rest: Partial<NetworkOptions> = {},
) {
  return world.engine.createNetwork({ name, ipv6: true, options, ...rest })
}

function boxOn(
  world: PacketWorld,
  name: string,
  network: string,
  options: Partial<EndpointOptions> = {},
) {
  return world.createSandbox(name, { connect: [{ network, ...options }] })
}

/** Makes a place know the way to what is behind the host. */
async function routeThere(world: PacketWorld, place: 'internet', to: string): Promise<void> {
  const via = to.includes(':') ? uplink.address6 : uplink.address4
  await world.host.inside(await world.path(place), ['ip', 'route', 'replace', to, 'via', via])
}

/** Counts what comes to `lan` from an address. */
async function countFrom(world: PacketWorld, address: string): Promise<() => Promise<number>> {
  const match = address.includes(':') ? `ip6 saddr ${address}` : `ip saddr ${address}`
  const input = `table inet seen
    delete table inet seen
    table inet seen {
      chain in { type filter hook input priority 0; ${match} counter; }
    }`
  const inLan = async (argv: readonly [string, ...string[]], options = {}) =>
    world.host.inside(await world.path('lan'), argv, options)
  await inLan(['nft', '-f', '-'], { input })
  return async () =>
    Number(/packets (\d+)/.exec(await inLan(['nft', 'list', 'table', 'inet', 'seen']))?.[1])
}
