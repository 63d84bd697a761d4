import type { IpAddress, Prefix } from '#dist/address/address.js'
import type { PortRange } from '#dist/address/port.js'
import type { EndpointId, NetworkId } from '#dist/base/id.js'
import {
  endpointElements,
  type GatewayMode,
  type Member,
  networkElements,
  outwardElement,
} from '#dist/firewall/firewall.js'
import { openElements, publishedElement } from '#dist/firewall/ports.js'
import type { ElementResource } from '#dist/kernel/resource.js'
import { linkLocal, type ThrowAwayHost, throwAwayHost, uplink } from './host.ts'

// Networks and sandboxes made with `ip` alone, and what the firewall knows of them.

interface Network {
  readonly mode: GatewayMode
  readonly icc?: false
  readonly trusted?: readonly string[]
  readonly hiddenBehind?: string
}

export const lan = { link: 'lan0', address4: '203.0.113.1', remote4: '203.0.113.2' } as const
/** Another address of the host, for those who are to be seen by it. */
export const second4 = '198.51.100.77'

export const networks = {
  a: { mode: 'nat' },
  b: { mode: 'nat', trusted: [lan.link] },
  o: { mode: 'nat', icc: false },
  r: { mode: 'routed' },
  u: { mode: 'nat-unprotected', hiddenBehind: second4 },
} as const satisfies Record<string, Network>
type Net = keyof typeof networks

export const boxes = ['a1', 'a2', 'b1', 'o1', 'o2', 'o3', 'r1', 'u1'] as const
export type Box = (typeof boxes)[number]
const netOf = (box: Box) => box[0] as Net
const numberOf = (net: Net) => Object.keys(networks).indexOf(net) + 1
export const bridgeOf = (net: Net) => `br-${net}`
export const gateway4 = (net: Net) => `10.${numberOf(net)}.0.1`
export const gateway6 = (net: Net) => `fd00:${numberOf(net)}::1`
export const address4 = (box: Box) => `10.${numberOf(netOf(box))}.0.1${box[1]}`
export const address6 = (box: Box) => `fd00:${numberOf(netOf(box))}::1${box[1]}`
/** Where port 80 of a sandbox is published, at all addresses. */
export const portOf = (box: Box) => 8000 + boxes.indexOf(box)

export async function tableWorld(): Promise<ThrowAwayHost> {
  const host = await throwAwayHost({ internet: true })
  const remote = await host.createNamespace('remote')
  const lines = [
    `addr add ${second4}/24 dev ${uplink.link}`,
    `link add ${lan.link} type veth peer name eth0 netns ${remote}`,
    `addr add ${lan.address4}/24 dev ${lan.link}`,
    `link set ${lan.link} up`,
  ]
  for (const net of Object.keys(networks) as Net[]) {
    lines.push(
      `link add ${bridgeOf(net)} type bridge`,
      `addr add ${gateway4(net)}/24 dev ${bridgeOf(net)}`,
      `addr add ${gateway6(net)}/64 dev ${bridgeOf(net)} nodad`,
      ...linkLocal(bridgeOf(net), 1),
      `link set ${bridgeOf(net)} up`,
    )
  }
  for (const box of boxes) {
    const path = await host.createNamespace(box)
    lines.push(
      `link add ${box} type veth peer name eth0 netns ${path}`,
      `link set ${box} up master ${bridgeOf(netOf(box))}`,
      `link set ${box} type bridge_slave hairpin on`,
    )
  }
  await host.inside(host.netns, ['ip', '-batch', '-'], { input: lines.join('\n') })
  for (const box of boxes) {
    await configure(host, box, [
      `addr add ${address4(box)}/24 dev eth0`,
      `addr add ${address6(box)}/64 dev eth0 nodad`,
      ...linkLocal('eth0', 10 + Number(box[1])),
      'link set eth0 up',
      `route add default via ${gateway4(netOf(box))}`,
      `route add default via ${gateway6(netOf(box))}`,
    ])
  }
  await configure(host, 'remote', [
    `addr add ${lan.remote4}/24 dev eth0`,
    'link set eth0 up',
    `route add default via ${lan.address4}`,
    'addr del 127.0.0.1/8 dev lo',
    `route add 127.0.0.0/8 via ${lan.address4}`,
  ])
  // The host believes all it can: only our tables are in the way.
  await host.sh('sysctl -qw net.ipv4.conf.all.route_localnet=1 net.ipv4.ip_forward=1')
  await host.sh('sysctl -qw net.ipv6.conf.all.forwarding=1 net.ipv4.conf.all.rp_filter=0')
  await host.inside(remote, ['sysctl', '-qw', 'net.ipv4.conf.all.route_localnet=1'])
  await host.inside(host.internet, ['ip', 'route', 'add', '10.0.0.0/8', 'via', uplink.address4])
  const v6 = ['-6', 'route', 'add', 'fd00::/16', 'via', uplink.address6]
  await host.inside(host.internet, ['ip', ...v6])
  return host
}

async function configure(host: ThrowAwayHost, name: string, lines: string[]): Promise<void> {
  const path = `${host.folder}/${name}`
  await host.inside(path, ['ip', '-batch', '-'], { input: lines.join('\n') })
}

export const memberOf = (box: Box): Member => ({
  id: box as unknown as EndpointId,
  port: box,
  ipv4: address4(box) as IpAddress,
  ipv6: address6(box) as IpAddress,
})

const http: PortRange = { from: 80, to: 80 }

/** Port 80 of each sandbox: published, where it is not routed; open where it can be reached directly. */
export function elements(): ElementResource[] {
  const ofNetworks = Object.entries(networks).flatMap(([id, network]: [string, Network]) => {
    const { mode, icc = true, trusted = [], hiddenBehind = 'host' } = network
    const family = (prefix: string, hidden: string) => {
      const subnet = prefix as Prefix
      const behind = mode === 'routed' ? {} : { hiddenBehind: hidden as IpAddress | 'host' }
      return { mode, subnet, sources: subnet, ...behind }
    }
    return networkElements({
      id: id as NetworkId,
      bridge: bridgeOf(id as Net),
      internal: false,
      icc,
      trusted,
      ipv4: family(gateway4(id as Net).replace(/1$/, '0/24'), hiddenBehind),
      ipv6: family(gateway6(id as Net).replace(/1$/, '/64'), 'host'),
    })
  })
  const outward = ([4, 6] as const).map((family) => outwardElement(uplink.link, family))
  return [...outward, ...ofNetworks, ...boxes.flatMap(elementsOf)]
}

function elementsOf(box: Box): ElementResource[] {
  const network: Network = networks[netOf(box)]
  const member = memberOf(box)
  const isRouted = network.mode === 'routed'
  const ports = ([4, 6] as const).flatMap((family) => {
    const address = (family === 4 ? member.ipv4 : member.ipv6)!
    return (['tcp', 'udp'] as const).flatMap((protocol) => {
      const open = { family, protocol, address, ports: http }
      const hostAddress = (family === 4 ? '0.0.0.0' : '::') as IpAddress
      const hostPorts = { from: portOf(box), to: portOf(box) }
      return [
        ...(isRouted ? [] : [publishedElement({ ...open, hostAddress, hostPorts }, member.id)]),
        ...(isRouted || network.trusted ? openElements([open], member.id) : []),
      ]
    })
  })
  const endpoint = endpointElements({
    ...member,
    network: netOf(box) as unknown as NetworkId,
    icc: network.icc ?? true,
    hasIpv6: true,
    links: box === 'o1' ? [memberOf('o2')] : [],
    hairpin: [4, 6],
  })
  return [...endpoint, ...ports]
}
