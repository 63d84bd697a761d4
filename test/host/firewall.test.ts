import { existsSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Prefix } from '#dist/address/address.js'
import type { EndpointId, NetworkId } from '#dist/base/id.js'
import {
  endpointElements,
  networkElements,
  tables,
  uplinkElement,
} from '#dist/firewall/firewall.js'
import { NETLINK_NETFILTER, NetlinkSocket } from '#dist/kernel/linux/netlink/index.js'
import {
  changeElements,
  compareTable,
  ensureTable,
  replaceTable,
} from '#dist/kernel/linux/nftables/index.js'
import type { ElementResource } from '#dist/kernel/resource.js'
import { ask, inNamespace, pings, startEcho } from '../support/echo.ts'
import { type ThrowAwayHost, throwAwayHost, uplink } from '../support/host.ts'

// Networks a and b as they are by default, i internal, o with ICC off; two sandboxes each. A stranger
// behind a link of the host's own, which is none of our business; and the internet.

const networks = {
  a: { bridge: 'br-a', subnet4: '10.1.0', subnet6: 'fd00:a:', internal: false, icc: true },
  b: { bridge: 'br-b', subnet4: '10.2.0', subnet6: 'fd00:b:', internal: false, icc: true },
  i: { bridge: 'br-i', subnet4: '10.3.0', subnet6: 'fd00:c:', internal: true, icc: true },
  o: { bridge: 'br-o', subnet4: '10.4.0', subnet6: 'fd00:d:', internal: false, icc: false },
} as const
type Net = keyof typeof networks
type Box = `${Net}${1 | 2}`
const boxes = (Object.keys(networks) as Net[]).flatMap((net): Box[] => [`${net}1`, `${net}2`])
const netOf = (box: Box) => networks[box[0] as Net]
const address4 = (box: Box) => `${netOf(box).subnet4}.1${box[1]}`
const address6 = (box: Box) => `${netOf(box).subnet6}:1${box[1]}`
const stranger4 = '203.0.113.2'

async function buildNetworks(host: ThrowAwayHost): Promise<void> {
  const lines = ['link add stranger type veth peer name eth0 netns STRANGER']
  await host.createNamespace('stranger')
  for (const { bridge, subnet4, subnet6 } of Object.values(networks)) {
    lines.push(
      `link add ${bridge} type bridge`,
      `addr add ${subnet4}.1/24 dev ${bridge}`,
      `addr add ${subnet6}:1/64 dev ${bridge} nodad`,
      `link set ${bridge} up`,
    )
  }
  for (const box of boxes) {
    const path = await host.createNamespace(box)
    lines.push(
      `link add ${box} type veth peer name eth0 netns ${path}`,
      `link set ${box} up master ${netOf(box).bridge}`,
      `link set ${box} type bridge_slave hairpin on`,
    )
  }
  lines.push('addr add 203.0.113.1/24 dev stranger', 'link set stranger up')
  const input = lines.join('\n').replace('STRANGER', inside(host, 'stranger'))
  await host.inside(host.netns, ['ip', '-batch', '-'], { input })
  for (const box of boxes) {
    const { subnet4, subnet6 } = netOf(box)
    await configure(host, box, [
      `addr add ${address4(box)}/24 dev eth0`,
      `addr add ${address6(box)}/64 dev eth0 nodad`,
      'link set eth0 up',
      `route add default via ${subnet4}.1`,
      `route add default via ${subnet6}:1`,
    ])
  }
  await configure(host, 'stranger', [
    `addr add ${stranger4}/24 dev eth0`,
    'link set eth0 up',
    'route add default via 203.0.113.1',
  ])
  // A second way between o1 and o2: both directions go through the gateway.
  await configure(host, 'o1', ['addr add 10.44.0.1/32 dev eth0'])
  await configure(host, 'o2', ['addr add 10.44.0.2/32 dev eth0'])
  await host.ip(`route add 10.44.0.1 via ${address4('o1')}`)
  await host.ip(`route add 10.44.0.2 via ${address4('o2')}`)
  await host.sh('sysctl -qw net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.br-o.send_redirects=0')
  await host.sh('sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1')
  // The internet knows the way to everything behind the host, so that only the firewall is in it.
  await host.inside(host.internet, ['ip', 'route', 'add', '10.0.0.0/8', 'via', uplink.address4])
  await host.inside(host.internet, ['ip', 'route', 'add', '203.0.113.0/24', 'via', uplink.address4])
  await host.inside(host.internet, [
    'ip',
    '-6',
    'route',
    'add',
    'fd00::/16',
    'via',
    uplink.address6,
  ])
}

const inside = (host: ThrowAwayHost, name: string) => `${host.folder}/${name}`

async function configure(host: ThrowAwayHost, name: string, lines: string[]): Promise<void> {
  await host.inside(inside(host, name), ['ip', '-batch', '-'], { input: lines.join('\n') })
}

function elements(): ElementResource[] {
  const ofNetworks = Object.entries(networks).flatMap(([id, network]) => {
    const { bridge, internal, icc, subnet4, subnet6 } = network
    const family = (subnet: string) => {
      const prefix = subnet as Prefix
      return { mode: 'nat', subnet: prefix, sources: prefix, hiddenBehind: 'host' } as const
    }
    return networkElements({
      id: id as NetworkId,
      bridge,
      internal,
      icc,
      trusted: [],
      ipv4: family(`${subnet4}.0/24`),
      ipv6: family(`${subnet6}:/64`),
    })
  })
  const ofEndpoints = boxes.flatMap((box) =>
    endpointElements({
      id: box as unknown as EndpointId,
      network: box[0] as NetworkId,
      port: box,
      icc: netOf(box).icc,
      hasIpv6: true,
      links: [],
      hairpin: [],
    }),
  )
  return [...ofNetworks, ...ofEndpoints, uplinkElement(uplink.link, 4)]
}

const definitions = tables.map(({ definition }) => definition)

describe.each([0, 1])('with bridge-nf-call-iptables=%i', (callIptables) => {
  const sysctl = '/proc/sys/net/bridge/bridge-nf-call-iptables'
  if (callIptables === 1 && !existsSync(sysctl)) {
    it.skip('kernel without br_netfilter', () => {})
    return
  }

  let host: ThrowAwayHost
  let socket: NetlinkSocket
  const echoes: AsyncDisposable[] = []
  /** Without our tables. What they forbid must have been possible, or a test of it proves nothing. */
  let before: Answers
  let after: Answers
  let spoofedBefore: number
  let spoofedAfter: number

  beforeAll(async () => {
    host = await throwAwayHost({ internet: true })
    await buildNetworks(host)
    await host.sh(`echo ${callIptables} > ${sysctl}`)
    await host.sh(`echo ${callIptables} > ${sysctl.replace('iptables', 'ip6tables')}`)
    for (const name of [...boxes, 'host', 'internet'] as const) {
      echoes.push(await startEcho(inside(host, name)))
    }
    await prepareSpoofing(host)
    spoofedBefore = await spoof(host)
    before = await probe(host)
    socket = inNamespace(host.netns, () => new NetlinkSocket(NETLINK_NETFILTER))
    for (const definition of definitions) {
      if (definition.owned) replaceTable(socket, definition)
      else ensureTable(socket, definition)
    }
    changeElements(socket, definitions, { remove: [], add: elements() })
    spoofedAfter = (await spoof(host)) - spoofedBefore
    after = await probe(host)
  })

  afterAll(async () => {
    socket?.close()
    for (const echo of echoes) await echo[Symbol.asyncDispose]()
    await host?.[Symbol.asyncDispose]()
  })

  it('is loaded as it is defined', () => {
    expect(definitions.flatMap((table) => compareTable(socket, table))).toEqual([])
  })

  it('has something to forbid', () => {
    const silent = Object.entries(before).filter(([, answer]) => answer === undefined)
    expect(silent).toEqual([])
    expect(spoofedBefore).toBe(2)
  })

  it('lets the endpoints of a network reach each other', () => {
    expect(after).toMatchObject({
      'a1 pings a2': 'yes',
      'a1 pings a2 (IPv6)': 'yes',
      'a1 asks a2 by tcp': address4('a1'),
      'a1 asks a2 by udp': address4('a1'),
      'a1 asks a2 by tcp (IPv6)': address6('a1'),
      'i1 pings i2': 'yes',
      'i1 asks i2 by tcp': address4('i1'),
      'a1 pings its gateway': 'yes',
    })
  })

  it('keeps networks apart, both ways', () => {
    expectSilence(after, /^(a1 .* b1|b1 .* a1)/, 6)
  })

  it('hides what leaves behind the address of the host', () => {
    expect(before).toMatchObject({ 'a1 asks the internet by tcp': address4('a1') })
    expect(after).toMatchObject({
      'a1 asks the internet by tcp': uplink.address4,
      'a1 asks the internet by udp': uplink.address4,
      'a1 asks the internet by tcp (IPv6)': uplink.address6,
      'o1 asks the internet by tcp': uplink.address4,
      'a1 pings the stranger': 'yes',
    })
  })

  it('lets nobody in from outside', () => {
    expectSilence(after, /^the (internet|stranger) .* a1/, 4)
  })

  it('lets nothing out of an internal network, and nothing in but from the host', () => {
    expectSilence(after, /^i1 (pings|asks) (a1|the|its)/, 6)
    expectSilence(after, /^(a1|the internet|the stranger) .* i1/, 3)
    expect(after).toMatchObject({
      'the host pings i1': 'yes',
      'the host pings i1 (IPv6)': 'yes',
      'the host asks i1 by tcp': `${networks.i.subnet4}.1`,
    })
  })

  it.each([
    ['host', 'br-i'],
    ['i1', 'eth0'],
  ])(
    'lets the host find an internal endpoint by IPv6 when the %s has forgotten',
    async (who, link) => {
      await host.inside(inside(host, who), ['ip', '-6', 'neigh', 'flush', 'dev', link])
      expect(await pings(host.netns, address6('i1'))).toBe(true)
    },
  )

  it('lets endpoints without ICC reach their gateway and no peer', () => {
    expectSilence(after, /^o1 .* o2|^o2 .* o1/, 6)
    expect(after).toMatchObject({
      'o1 pings its gateway': 'yes',
      'o1 pings its gateway (IPv6)': 'yes',
    })
  })

  it('drops what pretends to be, or asks for, the loopback', () => {
    expect(spoofedAfter).toBe(0)
  })

  it('makes no router of the host where it was none before', () => {
    expectSilence(after, /^the internet pings the stranger/, 1)
    expect(after).toMatchObject({ 'the stranger pings the internet': 'yes' })
  })

  it('hides nothing inside a network, even where the gateway is between', async () => {
    const detour = `${address4('a2')}/32 via ${networks.a.subnet4}.1`
    await configure(host, 'a1', [`route add ${detour}`])
    expect(await ask(inside(host, 'a1'), 'tcp', address4('a2'))).toBe(address4('a1'))
    await configure(host, 'a1', [`route del ${detour}`])
  })

  it('lets in what is published, but not to an internal network', async () => {
    const input = `table ip own {
      chain prerouting {
        type nat hook prerouting priority dstnat
        ip daddr ${uplink.address4} tcp dport 7777 dnat to ${address4('a1')}
        ip daddr ${uplink.address4} udp dport 7777 dnat to ${address4('i1')}
      }
    }`
    await host.inside(host.netns, ['nft', '-f', '-'], { input })
    expect(await ask(host.internet, 'tcp', uplink.address4)).toBe(uplink.gateway4)
    expect(await ask(host.internet, 'udp', uplink.address4)).toBeUndefined()
    await host.nft('delete table ip own')
  })

  it('heeds what the administrator drops', async () => {
    await host.nft('add rule inet cnm-user forward iifname br-a drop')
    expect(await pings(inside(host, 'a1'), uplink.gateway4)).toBe(false)
    await host.nft('flush chain inet cnm-user forward')
    expect(await pings(inside(host, 'a1'), uplink.gateway4)).toBe(true)
  })

  it('is gone, and its effect, with its elements', async () => {
    changeElements(socket, definitions, { remove: elements(), add: [] })
    expect(await host.nft('list ruleset')).not.toContain('elements')
    expect(await ask(inside(host, 'a1'), 'tcp', address4('b1'))).toBe(address4('a1'))
  })
})

type Answers = Readonly<Record<string, string | undefined>>

/** Asks everything that is of interest, at the same time. */
async function probe(host: ThrowAwayHost): Promise<Answers> {
  const answers: Record<string, string | undefined> = {}
  const wanted = probes.map(async ([who, what, whom, address, source]) => {
    const path = inside(host, who.replace('the ', ''))
    const v6 = address.includes(':') ? ' (IPv6)' : ''
    if (what === 'pings') {
      answers[`${who} pings ${whom}${v6}`] = (await pings(path, address, source))
        ? 'yes'
        : undefined
    } else answers[`${who} asks ${whom} by ${what}${v6}`] = await ask(path, what, address)
  })
  await Promise.all(wanted)
  return answers
}

type Probe = [who: string, what: 'pings' | 'tcp' | 'udp', whom: string, at: string, from?: string]

const probes: Probe[] = [
  ['a1', 'pings', 'a2', address4('a2')],
  ['a1', 'pings', 'a2', address6('a2')],
  ['a1', 'tcp', 'a2', address4('a2')],
  ['a1', 'udp', 'a2', address4('a2')],
  ['a1', 'tcp', 'a2', address6('a2')],
  ['i1', 'pings', 'i2', address4('i2')],
  ['i1', 'tcp', 'i2', address4('i2')],
  ['a1', 'pings', 'its gateway', '10.1.0.1'],

  ['a1', 'pings', 'b1', address4('b1')],
  ['a1', 'pings', 'b1', address6('b1')],
  ['a1', 'tcp', 'b1', address4('b1')],
  ['a1', 'udp', 'b1', address4('b1')],
  ['b1', 'pings', 'a1', address4('a1')],
  ['b1', 'tcp', 'a1', address6('a1')],

  ['a1', 'tcp', 'the internet', uplink.gateway4],
  ['a1', 'udp', 'the internet', uplink.gateway4],
  ['a1', 'tcp', 'the internet', uplink.gateway6],
  ['o1', 'tcp', 'the internet', uplink.gateway4],
  ['a1', 'pings', 'the stranger', stranger4],
  ['the internet', 'pings', 'a1', address4('a1')],
  ['the internet', 'pings', 'a1', address6('a1')],
  ['the internet', 'tcp', 'a1', address4('a1')],
  ['the stranger', 'pings', 'a1', address4('a1')],

  ['i1', 'pings', 'a1', address4('a1')],
  ['i1', 'pings', 'the internet', uplink.gateway4],
  ['i1', 'tcp', 'the internet', uplink.gateway6],
  ['i1', 'pings', 'its gateway', '10.3.0.1'],
  ['i1', 'pings', 'its gateway', 'fd00:c::1'],
  ['i1', 'tcp', 'the host', uplink.address4],
  ['a1', 'pings', 'i1', address4('i1')],
  ['the internet', 'pings', 'i1', address4('i1')],
  ['the stranger', 'pings', 'i1', address4('i1')],
  ['the host', 'pings', 'i1', address4('i1')],
  ['the host', 'pings', 'i1', address6('i1')],
  ['the host', 'tcp', 'i1', address4('i1')],

  ['o1', 'pings', 'o2', address4('o2')],
  ['o1', 'pings', 'o2', address6('o2')],
  ['o1', 'tcp', 'o2', address4('o2')],
  ['o1', 'udp', 'o2', address4('o2')],
  ['o2', 'pings', 'o1', address4('o1')],
  ['o1', 'pings', 'o2 through the gateway', '10.44.0.2', '10.44.0.1'],
  ['o1', 'pings', 'its gateway', '10.4.0.1'],
  ['o1', 'pings', 'its gateway', 'fd00:d::1'],

  ['the internet', 'pings', 'the stranger', stranger4],
  ['the stranger', 'pings', 'the internet', uplink.gateway4],
]

/** None of the probes of that name was answered; `count` of them there must be. */
function expectSilence(answers: Answers, names: RegExp, count: number): void {
  const asked = Object.entries(answers).filter(([name]) => names.test(name))
  expect(asked).toHaveLength(count)
  expect(asked.filter(([, answer]) => answer !== undefined)).toEqual([])
}

/** Makes a1 able to send what it should not, and counts what of it gets past the raw hook of the host. */
async function prepareSpoofing(host: ThrowAwayHost): Promise<void> {
  await host.inside(inside(host, 'a1'), ['sysctl', '-qw', 'net.ipv4.conf.all.route_localnet=1'])
  await configure(host, 'a1', [
    'addr del 127.0.0.1/8 dev lo',
    'addr add 127.0.0.66/32 dev eth0',
    'route add 127.0.0.9 via 10.1.0.1',
  ])
  const input = `table inet probe {
    chain c {
      type filter hook prerouting priority -299
      iifname "br-a" ip saddr 127.0.0.66 counter
      iifname "br-a" ip daddr 127.0.0.9 counter
    }
  }`
  await host.inside(host.netns, ['nft', '-f', '-'], { input })
}

/** Sends one packet of each kind; answers with how many were counted so far. */
async function spoof(host: ThrowAwayHost): Promise<number> {
  const a1 = inside(host, 'a1')
  // So that the gateway's link address is known: it wouldn't answer the spoofed ones.
  await pings(a1, '10.1.0.1')
  await Promise.all([pings(a1, '10.1.0.1', '127.0.0.66'), pings(a1, '127.0.0.9', address4('a1'))])
  const rules = await host.nft('list chain inet probe c')
  return [...rules.matchAll(/packets (\d+)/g)].reduce((sum, [, count]) => sum + Number(count), 0)
}
