import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { addressBytes, parseAddress } from '#dist/address/address.js'
import { macBytes, parseMac } from '#dist/address/mac.js'
import { RETIRED_GROUP } from '#dist/kernel/link-groups.js'
import type { LocalController } from '#dist/linux/library.js'
import { type EngineRig, engineRig } from '../support/engine-rig.ts'
import {
  arp,
  type Content,
  type Frame,
  icmpv4,
  icmpv6,
  ipv4,
  option,
  routerAdvertisement,
  sendFrames,
  solicitation,
  udp4,
  udp6,
} from '../support/frames.ts'
import { type ThrowAwayHost, uplink } from '../support/host.ts'
import { HostEars } from '../support/host-ears.ts'
import { add, kernelRig, network, port } from '../support/kernel-rig.ts'

// Frames to 01:80:c2:00:00:00 to 0f are for the bridge itself, which hands most of them to its host as from the
// port. Root in a sandbox sends them; the host takes none in, whatever it is.

const groups = Array.from({ length: 16 }, (_, last) => `01:80:c2:00:00:0${last.toString(16)}`)
const forged = '02:66:66:66:66:66'

/** An attacker: its namespace, the host's end of its link, and what it has there. */
interface Attacker {
  readonly path: string
  readonly hostEnd: string
  readonly mac: string
  readonly ip4: string
  readonly ip6: string
  /** The host's, on its bridge. */
  readonly gateway: string
}

/** What a host would believe, from others and from the sandbox itself. */
function contents({ ip4, ip6, gateway }: Attacker): Readonly<Record<string, Content>> {
  const { address4, gateway4, address6, gateway6 } = uplink
  const everybody = '255.255.255.255'
  const router = routerAdvertisement('2001:db8:66::')
  return {
    'UDP as from its router': udp4(gateway4, address4, 9999),
    'UDP to everybody': udp4(gateway4, everybody, 9999),
    'UDP from nobody': udp4('0.0.0.0', everybody, 9999),
    'UDP of the link': udp4('169.254.6.6', '169.254.6.7', 9999),
    'UDP as from itself': udp4('127.0.0.1', address4, 9999),
    UDP: udp4(ip4, address4, 9999),
    'UDP to its address there': udp4(ip4, gateway, 9999),
    'a first fragment': ipv4(gateway4, address4, 17, Buffer.alloc(16), 0x2000),
    'a last fragment': ipv4(gateway4, address4, 17, Buffer.alloc(16), 2),
    'a ping as from its router': icmpv4(gateway4, address4),
    'a ping': icmpv4(ip4, gateway),
    'UDP over IPv6 as from its router': udp6(gateway6, address6, 9999),
    'UDP over IPv6': udp6(ip6, address6, 9999),
    'UDP over IPv6 of the link': udp6('fe80::66', 'ff02::1', 9999),
    'UDP over IPv6 from nobody': udp6('::', 'ff02::1', 9999),
    'a router to everybody': icmpv6('fe80::66', 'ff02::1', router),
    'a router to its address': icmpv6('fe80::66', address6, router),
    'a neighbour': icmpv6(gateway6, address6, solicitation(address6, option(1, forged))),
    'a neighbour of the link': icmpv6('fe80::66', 'ff02::1', solicitation('fe80::2')),
  }
}

/** No packet to a filter of packets. */
const questions = ({ ip4, gateway }: Attacker): readonly Content[] => [
  arp(uplink.gateway4, forged),
  arp(gateway, forged),
  whoHas(ip4, gateway),
  whoHas(uplink.gateway4, uplink.address4),
]

/** A host that answers learns who has asked. */
function whoHas(from: string, target: string): Content {
  const ip = (text: string) => addressBytes(parseAddress(text))
  const head = [0, 1, 8, 0, 6, 4, 0, 1, ...macBytes(parseMac(forged))]
  const bytes = Buffer.from([...head, ...ip(from), 0, 0, 0, 0, 0, 0, ...ip(target)])
  return { type: 0x0806, bytes: () => bytes }
}

async function received(host: ThrowAwayHost, link: string): Promise<number> {
  const [{ stats64 }] = await host.ip<[{ stats64: { rx: { packets: number } } }]>(
    `-j -s link show ${link}`,
  )
  return stats64.rx.packets
}

/** Sends each to each, from its own MAC and another one, bare and behind VLAN tags. */
async function attack(
  host: ThrowAwayHost,
  attacker: Attacker,
  what: readonly Content[],
  toWhom: readonly string[] = groups,
) {
  const { path, hostEnd, mac } = attacker
  const frames = [forged, mac].flatMap((from) =>
    toWhom.flatMap((to) =>
      [[], [0x8100], [0x88a8], [0x8100, 0x8100]].flatMap((tags) =>
        what.map((content): Frame => ({ ...content, from, to, tags })),
      ),
    ),
  )
  const before = await received(host, hostEnd)
  sendFrames(path, 'eth0', frames)
  const all = before + frames.length
  await expect.poll(() => received(host, hostEnd)).toBeGreaterThanOrEqual(all)
}

async function callIptables(host: ThrowAwayHost, call: number): Promise<void> {
  const sysctls = '/proc/sys/net/bridge/bridge-nf-call-ip'
  await host.sh(`echo ${call} | tee ${sysctls}tables ${sysctls}6tables`)
}

const networks = {
  nat: { subnets: ['10.7.0.0/24', 'fd00:7::/64'], ipv6: true },
  internal: { subnets: ['10.8.0.0/24', 'fd00:8::/64'], ipv6: true, internal: true },
  isolated: {
    subnets: ['10.9.0.0/24', 'fd00:9::/64'],
    ipv6: true,
    internal: true,
    options: { gatewayMode4: 'isolated', gatewayMode6: 'isolated' },
  },
  'IPv4-only': { subnets: ['10.10.0.0/24'] },
  adopted: { subnets: ['10.11.0.0/24', 'fd00:11::/64'], ipv6: true, options: { bridge: 'br0' } },
} as const

const names = [...Object.keys(networks), "Docker's"]

describe.each([0, 1])('from a sandbox (call-iptables %i)', (call) => {
  let rig: EngineRig
  let ears: HostEars
  const attackers = new Map<string, Attacker>()

  beforeAll(async () => {
    rig = await engineRig({ internet: true })
    const { host } = rig
    await callIptables(host, call)
    await host.sh(
      'ip link add br0 type bridge; ip link set br0 up; ip addr add 10.11.0.1/24 dev br0',
    )
    await host.sh('ip addr add fd00:11::1/64 dev br0 nodad')
    ears = await HostEars.open(host, forged)
    const cnm = await rig.start()
    for (const [at, [name, options]] of Object.entries(networks).entries()) {
      await cnm.createNetwork({ name: name.replace('IPv4', 'v4'), ...options })
      const box = await cnm.createSandbox({ connect: [{ network: name.replace('IPv4', 'v4') }] })
      const [endpoint] = await box.endpoints()
      const { ipv4, ipv6 } = await endpoint!.inspect()
      const path = (await box.inspect()).namespace!.path
      const hostEnd = `veth${endpoint!.id.slice(0, 10)}`
      attackers.set(name, await attackerAt(host, path, hostEnd, ipv4, ipv6, `10.${7 + at}.0.1`))
    }
    attackers.set("Docker's", await container(rig, cnm))
  })

  afterAll(async () => {
    await rig?.[Symbol.asyncDispose]()
  })

  const expectNothing = async () => {
    expect(await ears.heard()).toBe(0)
    expect(await ears.learnt()).toEqual([])
  }

  it.each(names)('nothing comes by a port of network %s', async (name) => {
    const attacker = attackers.get(name)!
    await attack(rig.host, attacker, Object.values(contents(attacker)))
    await attack(rig.host, attacker, questions(attacker))
    await expectNothing()
  })

  it.each(names)('nor while it goes: %s', async (name) => {
    const attacker = attackers.get(name)!
    await rig.host.ip(`link set ${attacker.hostEnd} group ${RETIRED_GROUP}`)
    await rig.host.sh(`bridge link set dev ${attacker.hostEnd} state disabled`)
    await attack(rig.host, attacker, Object.values(contents(attacker)))
    await attack(rig.host, attacker, questions(attacker))
    await expectNothing()
  })

  it.each(names)('nor do packets where bridges hand all over: %s', async (name) => {
    const attacker = attackers.get(name)!
    // A port that doesn't learn tells no FDB anything.
    const settings = 'group_fwd_mask 0 learning off'
    await rig.host.ip(`link set ${attacker.hostEnd} type bridge_slave ${settings}`)
    await attack(rig.host, attacker, Object.values(contents(attacker)))
    await expectNothing()
    await rig.host.sh(`bridge link set dev ${attacker.hostEnd} state forwarding`)
    await attack(rig.host, attacker, Object.values(contents(attacker)))
    await expectNothing()
  })

  // Between two steps of the kernel, one that goes is off its bridge and still up.
  it.each(names)('nor off the bridge: %s', async (name) => {
    const attacker = attackers.get(name)!
    const { hostEnd } = attacker
    await rig.host.ip(`link set ${hostEnd} nomaster`)
    const [{ address }] = await rig.host.ip<[{ address: string }]>(`-j link show ${hostEnd}`)
    const toWhom = [address, 'ff:ff:ff:ff:ff:ff', '33:33:00:00:00:01', ...groups]
    await attack(rig.host, attacker, Object.values(contents(attacker)), toWhom)
    await expectNothing()
  })
})

async function attackerAt(
  host: ThrowAwayHost,
  path: string,
  hostEnd: string,
  ip4 = '10.12.0.2',
  ip6 = 'fe80::66',
  gateway = '10.12.0.1',
): Promise<Attacker> {
  const mac = (await host.inside(path, ['cat', '/sys/class/net/eth0/address'])).trim()
  return { path, hostEnd, mac, ip4, ip6, gateway }
}

/** Its link is moved by another engine, as Docker does. */
async function container({ host }: EngineRig, cnm: LocalController): Promise<Attacker> {
  const docker = cnm.runtime('docker')
  const [net, end] = ['d', 'e'].map((digit) => digit.repeat(64)) as [never, never]
  const subnet = '10.12.0.0/24' as never
  await docker.requestPool({ family: 4, subnet })
  await docker.requestAddress({ subnet }, { gateway: true })
  const mac = '02:42:00:00:00:01' as never
  await docker.createNetwork(net, { name: 'docker', subnets: [{ subnet, gateway: '10.12.0.1' }] })
  const ip = await docker.requestAddress({ subnet }, { mac })
  await docker.createEndpoint(end, net, { name: 'container', ip, mac })
  await docker.join(end, '/var/run/docker/netns/0123456789ab')
  const path = await host.createNamespace('container')
  await host.ip(`link set peer${'e'.repeat(10)} netns ${path} name eth0`)
  await host.inside(path, ['ip', 'link', 'set', 'eth0', 'up'])
  return attackerAt(host, path, `veth${'e'.repeat(10)}`)
}

// Without rules of ours, what there is besides them is seen.
describe.each([
  ['none comes by the port itself', 0xfffd],
  ['all are heard where bridges hand them over', 0],
] as const)('without a firewall', (what, mask) => {
  it(what, async () => {
    await using rig = await kernelRig()
    const { host } = rig
    const namespace = rig.box('box')
    await add(
      rig.kernel,
      ...network('br-a', 7),
      { kind: 'namespace', namespace },
      ...port({ namespace, name: 'v-a', bridge: 'br-a', n: 7, number: 2 }),
    )
    await host.ip(`link set v-a type bridge_slave group_fwd_mask ${mask}`)
    const input =
      'table inet t { chain c { type filter hook input priority 0; iifname "v-a" counter; }; }'
    await host.inside(host.netns, ['nft', '-f', '-'], { input })
    const ip4 = '10.7.0.2'
    const attacker = await attackerAt(host, namespace.path, 'v-a', ip4, 'fe80::66', '10.7.0.1')
    await attack(host, attacker, Object.values(contents(attacker)))
    await attack(host, attacker, questions(attacker))
    const heard = Number(/packets (\d+)/.exec(await host.nft('list table inet t'))?.[1])
    const believed = await host.sh('ip -6 route show proto ra')
    const neighbours = await host.sh('ip neigh show dev v-a')
    const isHandedOver = mask === 0
    expect(heard > 0).toBe(isHandedOver)
    expect(believed.includes('default')).toBe(isHandedOver)
    expect(neighbours.includes(forged)).toBe(isHandedOver)
  })
})
