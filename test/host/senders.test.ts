import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { linkLocalOf } from '#dist/address/link-local.js'
import { parseMac } from '#dist/address/mac.js'
import type { ConnectOptions, LocalController, LocalSandbox } from '#dist/linux/library.js'
import { addressOf, type EngineRig, engineRig } from '../support/engine-rig.ts'
import {
  advertisement,
  arp,
  type Content,
  type Frame,
  FrameWatch,
  groupQueries,
  icmpv6,
  icmpv6Behind,
  ipv4,
  option,
  other,
  redirect,
  routerAdvertisement,
  routerSolicitation,
  sendFrames,
  solicitation,
  udp4,
  udp6,
} from '../support/frames.ts'

// Root in `mallory` sends whatever it likes. What comes to the host's end of the bridge, and to `victim`, is seen
// by sockets that get all there is.

interface Party {
  readonly mac: string
  readonly ip4: string
  readonly ip6: string
  readonly link6: string
}

const everybody4 = '255.255.255.255'
const everybody6 = 'ff02::1'

async function macOf(box: LocalSandbox): Promise<string> {
  const { stdout } = await box.exec(['ip', '-j', 'link', 'show', 'eth0'])
  return JSON.parse(stdout)[0].address
}

async function partyOf(box: LocalSandbox): Promise<Party> {
  const mac = await macOf(box)
  return {
    mac,
    ip4: await addressOf(box),
    ip6: await addressOf(box, 'ipv6'),
    link6: linkLocalOf(parseMac(mac)),
  }
}

/** What nobody may send who isn't told so: each says something untrue of where an address is. */
function lies(me: Party, them: Party): Record<string, Content & { readonly from?: string }> {
  const advert = (from: string, target: string, ...options: Uint8Array[]) =>
    icmpv6(from, everybody6, advertisement(target, ...options))
  const solicit = (from: string, ...options: Uint8Array[]) =>
    icmpv6(from, everybody6, solicitation(them.ip6, ...options))
  return {
    'a packet from their IPv4 address': udp4(them.ip4, everybody4),
    'a packet from their IPv6 address': udp6(them.ip6),
    'a packet from the IPv6 address of their link': udp6(them.link6),
    'ARP that their address is here': arp(them.ip4, me.mac),
    'ARP that asks for whom it will be': arp(them.ip4, me.mac, 1),
    'ARP that my address is there': arp(me.ip4, them.mac),
    'an advertisement of theirs': advert(me.ip6, them.ip6, option(2, me.mac)),
    'an advertisement by their address': advert(them.ip6, them.ip6, option(2, me.mac)),
    'an advertisement of the address of their link': advert(
      me.link6,
      them.link6,
      option(2, me.mac),
    ),
    'an advertisement without a MAC': advert(me.ip6, them.ip6),
    'an advertisement that I am there': advert(me.ip6, me.ip6, option(2, them.mac)),
    'an advertisement with two MACs': advert(
      me.ip6,
      me.ip6,
      option(2, me.mac),
      option(2, them.mac),
    ),
    'an advertisement behind an extension': icmpv6Behind(
      60,
      me.ip6,
      everybody6,
      advertisement(them.ip6, option(2, me.mac)),
    ),
    'a solicitation by their address': solicit(them.ip6, option(1, me.mac)),
    'a solicitation by the address of their link': solicit(them.link6, option(1, me.mac)),
    'a solicitation that I am there': solicit(me.ip6, option(1, them.mac)),
    'a solicitation with another option first': solicit(
      me.ip6,
      option(14, me.mac),
      option(1, them.mac),
    ),
    'a solicitation behind an extension': icmpv6Behind(
      0,
      me.ip6,
      everybody6,
      solicitation(them.ip6, option(1, them.mac)),
    ),
    'a router solicitation that I am there': icmpv6(
      me.ip6,
      everybody6,
      routerSolicitation(option(1, them.mac)),
    ),
    'a packet with their MAC': { ...udp4(me.ip4, everybody4), from: them.mac },
    'IPv6 with their MAC': { ...udp6(me.ip6), from: them.mac },
    'ARP with their MAC outside': { ...arp(me.ip4, me.mac), from: them.mac },
    'a probe with their MAC': { ...arp('0.0.0.0', me.mac), from: them.mac },
    'a probe that tells their MAC': arp('0.0.0.0', them.mac),
    'an advertisement with their MAC outside': {
      ...advert(me.ip6, me.ip6, option(2, me.mac)),
      from: them.mac,
    },
    'a solicitation from nobody with their MAC': {
      ...icmpv6('::', everybody6, solicitation(them.ip6)),
      from: them.mac,
    },
  }
}

/** What nobody sends from any address. */
function nonsense(me: Party): Record<string, Content & { readonly to?: string }> {
  return {
    'a packet from elsewhere': udp4('8.8.8.8', everybody4),
    'a packet from another network': udp4('10.8.0.2', everybody4),
    'IPv6 from elsewhere': udp6('2001:db8::9'),
    'a packet from 127.0.0.1': udp4('127.0.0.1', everybody4),
    'IPv6 from ::1': udp6('::1'),
    'a packet from a link address for outside': udp4('169.254.7.7', '8.8.8.8'),
    'a packet from nobody': udp4('0.0.0.0', everybody4),
    'IPv6 from nobody': udp6('::'),
    'an advertisement from nobody': icmpv6('::', everybody6, advertisement(me.ip6)),
    'a router advertisement': icmpv6(me.link6, everybody6, routerAdvertisement()),
    'a router advertisement behind an extension': icmpv6Behind(
      60,
      me.link6,
      everybody6,
      routerAdvertisement(),
    ),
    'a redirect': icmpv6(me.link6, everybody6, redirect(me.ip6)),
    ...groupQueries(me.ip4, me.link6),
  }
}

/** What everybody may send. */
function truths(me: Party): Record<string, Content & { readonly to?: string }> {
  const mld = Buffer.from([143, 0, 0, 0, 0, 0, 0, 0])
  const igmp = Buffer.from([0x16, 0, 0x09, 0x04, 224, 0, 0, 251])
  return {
    'a packet': udp4(me.ip4, everybody4),
    IPv6: udp6(me.ip6),
    'IPv6 from the address of its link': udp6(me.link6),
    'an answer by ARP': arp(me.ip4, me.mac),
    'a question by ARP': arp(me.ip4, me.mac, 1),
    'a probe by ARP': arp('0.0.0.0', me.mac, 1),
    'ARP of a link address': arp('169.254.7.7', me.mac, 1),
    'a packet between link addresses': udp4('169.254.7.7', '169.254.255.255'),
    'a question for an address by DHCP': udp4('0.0.0.0', everybody4, 67),
    'a report to routers': ipv4('0.0.0.0', '224.0.0.22', 2, igmp),
    'a report to routers, to a group': {
      ...ipv4(me.ip4, '224.0.0.22', 2, igmp),
      to: '01:00:5e:00:00:16',
    },
    'a report to IPv6 routers from nobody': icmpv6('::', 'ff02::16', mld),
    'a report to IPv6 routers': icmpv6(me.link6, 'ff02::16', mld),
    'a solicitation': icmpv6(me.ip6, everybody6, solicitation(me.ip6, option(1, me.mac))),
    'a solicitation without a MAC': icmpv6(me.link6, everybody6, solicitation(me.ip6)),
    'the question whether an address is free': icmpv6('::', everybody6, solicitation(me.ip6)),
    'the same with a number': icmpv6('::', everybody6, solicitation(me.ip6, option(14, me.mac))),
    'an advertisement': icmpv6(me.ip6, everybody6, advertisement(me.ip6, option(2, me.mac))),
    'an advertisement by the address of its link': icmpv6(
      me.link6,
      everybody6,
      advertisement(me.ip6, option(2, me.mac)),
    ),
    'an advertisement without a MAC': icmpv6(me.ip6, everybody6, advertisement(me.link6)),
    'a router solicitation': icmpv6(me.link6, everybody6, routerSolicitation(option(1, me.mac))),
    'a router solicitation from nobody': icmpv6('::', everybody6, routerSolicitation()),
    ICMPv6: icmpv6(me.ip6, everybody6, Buffer.from([128, 0, 0, 0, 0, 0, 0, 0])),
  }
}

/** Where one tag is taken off, and where something is left. */
const tagged = [[0x8100], [0x88a8], [0x9100], [0x8100, 0x8100], [0x88a8, 0x8100], [0x8100, 0x88a8]]
const onceTagged = [[0x8100], [0x88a8]]
const manyTags = [0x8100, 0x8100, 0x8100]

const withTags = (contents: Record<string, Content>, all: readonly (readonly number[])[]) =>
  Object.fromEntries(
    Object.entries(contents).flatMap(([name, content]) =>
      all.map((tags) => {
        const text = tags.map((tag) => tag.toString(16)).join(' ')
        return [`${name} behind ${text}`, { ...content, tags }] as const
      }),
    ),
  )

const bridgeOf = (cnm: LocalController, network: string) =>
  `br-${cnm.now.network(network).id.slice(0, 10)}`

let numbers = 0x1000

/** Which of these frames come to that link, sent by a sandbox. The last one, which may always, tells when. */
async function arriving(
  box: LocalSandbox,
  me: Party,
  frames: Record<string, Omit<Frame, 'from'> & { readonly from?: string }>,
  watch: FrameWatch,
): Promise<readonly string[]> {
  const first = numbers
  const entries = Object.entries({ ...frames, 'the last': arp(me.ip4, me.mac) })
  numbers += entries.length
  const all = entries.map(([, frame]): Frame => ({ from: me.mac, ...frame }))
  sendFrames((await box.inspect()).namespace?.path ?? '', 'eth0', all, first)
  await expect.poll(() => watch.numbers().has(first + entries.length - 1)).toBe(true)
  const seen = watch.numbers()
  return entries.slice(0, -1).flatMap(([name], index) => (seen.has(first + index) ? [name] : []))
}

const cases = [
  { icc: true, callIptables: 0 },
  { icc: true, callIptables: 1 },
  { icc: false, callIptables: 0 },
  { icc: false, callIptables: 1 },
]

describe.each(cases)('with icc $icc and call-iptables $callIptables', (world) => {
  let rig: EngineRig
  let cnm: LocalController
  let watch: FrameWatch
  let mallory: readonly [LocalSandbox, Party]
  let victim: readonly [LocalSandbox, Party]

  async function make(name: string, options: Omit<ConnectOptions, 'network'> = {}) {
    const box = await cnm.createSandbox({ name, connect: [{ network: 'web', ...options }] })
    return [box, await partyOf(box)] as const
  }

  beforeAll(async () => {
    rig = await engineRig()
    const sysctls = '/proc/sys/net/bridge/bridge-nf-call-ip'
    await rig.host.sh(`echo ${world.callIptables} | tee ${sysctls}tables ${sysctls}6tables`)
    cnm = await rig.start()
    const subnets = ['10.7.0.0/24', 'fd00:7::/64']
    await cnm.createNetwork({ name: 'web', subnets, options: { icc: world.icc } })
    watch = new FrameWatch(rig.host.netns, bridgeOf(cnm, 'web'))
    mallory = await make('mallory')
    victim = await make('victim')
  })

  afterAll(async () => {
    watch?.[Symbol.dispose]()
    await rig?.[Symbol.asyncDispose]()
  })

  /** What is sent as the gateway, or as another sandbox. */
  const others = async (): Promise<Record<string, Party>> => {
    const link = await rig.host.sh(`ip -j link show ${bridgeOf(cnm, 'web')}`)
    const mac: string = JSON.parse(link)[0].address
    const gateway = { ip4: '10.7.0.1', ip6: 'fd00:7::1', link6: linkLocalOf(parseMac(mac)) }
    return { victim: victim[1], gateway: { ...gateway, mac } }
  }

  it('nobody can be another one', async () => {
    const [box, me] = mallory
    for (const [who, them] of Object.entries(await others())) {
      expect(await arriving(box, me, lies(me, them), watch), who).toEqual([])
    }
    expect(await arriving(box, me, nonsense(me), watch)).toEqual([])
  })

  it('nobody decides where the bridge sends groups', async () => {
    const [box, me] = mallory
    await arriving(box, me, groupQueries(me.ip4, me.link6), watch)
    const [groups] = JSON.parse(await rig.host.sh(`bridge -j mdb show dev ${bridgeOf(cnm, 'web')}`))
    expect(groups).toMatchObject({ router: {} })
    expect(groups.router).toEqual({})
  })

  it('and VLAN tags don’t help', async () => {
    const [box, me] = mallory
    const all = [...tagged, manyTags]
    for (const them of Object.values(await others())) {
      expect(await arriving(box, me, withTags(lies(me, them), all), watch)).toEqual([])
    }
    expect(await arriving(box, me, withTags(nonsense(me), all), watch)).toEqual([])
    const twice = [...tagged.filter((tags) => tags.length > 1), [0x9100], manyTags]
    expect(await arriving(box, me, withTags(truths(me), twice), watch)).toEqual([])
  })

  it('what is no IP goes nowhere', async () => {
    const types = [0x0842, 0x8035, 0x8137, 0x8847, 0x8863, 0x88cc, 0x88e5, 0x0064]
    const contents = Object.fromEntries(types.map((type) => [type.toString(16), other(type)]))
    const [box, me] = mallory
    expect(await arriving(box, me, contents, watch)).toEqual([])
    expect(await arriving(box, me, withTags(contents, tagged), watch)).toEqual([])
  })

  it('what is true arrives', async () => {
    const [box, me] = mallory
    const frames = { ...truths(me), ...withTags(truths(me), onceTagged) }
    expect(await arriving(box, me, frames, watch)).toEqual(Object.keys(frames))
    if (!world.icc) return
    const path = (await victim[0].inspect()).namespace?.path ?? ''
    using neighbour = new FrameWatch(path, 'eth0')
    expect(await arriving(box, me, truths(me), neighbour)).toEqual(Object.keys(truths(me)))
  })

  it('who may send from any address and MAC can be another one, but no router', async () => {
    const [box, me] = await make('free', { addresses: 'any', macs: 'any' })
    const them = victim[1]
    const arrived = await arriving(box, me, { ...lies(me, them), ...truths(me) }, watch)
    // A source in the network is all that is asked of it, and of bridged packets only with call-iptables.
    expect(arrived).toEqual(Object.keys({ ...lies(me, them), ...truths(me) }))
    const untold = await arriving(box, me, nonsense(me), watch)
    const routers = [
      'a router advertisement',
      'a redirect',
      ...Object.keys(groupQueries(me.ip4, me.link6)),
    ]
    for (const each of routers) expect(untold).not.toContain(each)
  })

  it('who may send from any address does so with its own MAC', async () => {
    const [box, me] = await make('router', { addresses: 'any' })
    const them = victim[1]
    const arrived = await arriving(box, me, lies(me, them), watch)
    expect(arrived).toContain('a packet from their IPv4 address')
    expect(arrived).toContain('ARP that their address is here')
    expect(arrived).toContain('an advertisement of theirs')
    const wrong = Object.keys(lies(me, them)).filter((name) => /MAC|is there|I am/.test(name))
    const bare = 'an advertisement without a MAC'
    expect(wrong.filter((name) => name !== bare && arrived.includes(name))).toEqual([])
  })

  it('who has more addresses speaks of these, and of no others', async () => {
    const more = { ip4: '10.7.0.100', ip6: 'fd00:7::100', link6: 'fe80::100' }
    const [box, me] = await make('several', { addresses: Object.values(more) })
    const shared = { ...me, ...more }
    expect(await arriving(box, me, truths(shared), watch)).toEqual(Object.keys(truths(shared)))
    expect(await arriving(box, me, truths(me), watch)).toEqual(Object.keys(truths(me)))
    expect(await arriving(box, me, lies(me, victim[1]), watch)).toEqual([])
  })

  it('who has more MACs sends with these, from its addresses', async () => {
    const mac = '02:00:00:00:00:77'
    const [box, me] = await make('inside', { macs: [mac] })
    const nested = { ...me, mac, link6: linkLocalOf(parseMac(mac)) }
    const frames = Object.entries(truths(nested)).map(
      ([k, it]) => [k, { ...it, from: mac }] as const,
    )
    const all = Object.keys(truths(nested)).filter((name) => name !== 'a router solicitation')
    const arrived = await arriving(box, me, Object.fromEntries(frames), watch)
    expect(arrived.filter((name) => name !== 'a router solicitation')).toEqual(all)
    expect(await arriving(box, me, lies(me, victim[1]), watch)).toEqual([])
  })
})

it('a network with VLANs carries everything, from the endpoints’ own MACs', async () => {
  await using rig = await engineRig()
  const cnm = await rig.start()
  const subnets = ['10.7.0.0/24', 'fd00:7::/64']
  await cnm.createNetwork({ name: 'web', subnets, options: { vlan: true } })
  const box = await cnm.createSandbox({ connect: [{ network: 'web' }] })
  const me = await partyOf(box)
  using watch = new FrameWatch(rig.host.netns, bridgeOf(cnm, 'web'))
  const twice = tagged.filter((tags) => tags.length > 1)
  const frames = { ...withTags(truths(me), [...twice, manyTags]), lldp: other(0x88b5) }
  expect(await arriving(box, me, frames, watch)).toEqual(Object.keys(frames))
  const theirs = Object.entries(frames).map(([k, it]) => [k, { ...it, from: '02:00:00:00:00:99' }])
  expect(await arriving(box, me, Object.fromEntries(theirs), watch)).toEqual([])
  expect(await arriving(box, me, lies(me, { ...me, ip4: '10.7.0.9' }), watch)).not.toContain(
    'a packet from their IPv4 address',
  )
})

it('an endpoint without IPv6 sends none', async () => {
  await using rig = await engineRig()
  const cnm = await rig.start()
  await cnm.createNetwork({ name: 'four', subnets: ['10.7.0.0/24'] })
  const connect = { network: 'four', addresses: 'any', macs: 'any' } as const
  const box = await cnm.createSandbox({ connect: [connect] })
  const mac = await macOf(box)
  const me = { mac, ip4: await addressOf(box), ip6: 'fd00:7::2', link6: linkLocalOf(parseMac(mac)) }
  using watch = new FrameWatch(rig.host.netns, bridgeOf(cnm, 'four'))
  const six = Object.entries(truths(me)).filter(([, { type }]) => type === 0x86dd)
  expect(six.length).toBeGreaterThan(5)
  const frames = Object.fromEntries(six)
  expect(await arriving(box, me, { ...frames, ...withTags(frames, tagged) }, watch)).toEqual([])
})
