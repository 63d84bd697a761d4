import { cidrAddress, contains, familyOf, parsePrefix } from '../../address/address.ts'
import { outwardElement, uplinkElement } from '../../firewall/firewall.ts'
import type { HostLink, HostView } from '../../kernel/kernel.ts'
import type { Resource, SysctlResource } from '../../kernel/resource.ts'
import type { NetworkSpec } from '../driver.ts'
import { bridgeName } from './names.ts'
import type { BridgeOptions } from './options.ts'

type Family = 4 | 6

const everything = { 4: '0.0.0.0/0', 6: '::/0' } as const
const linkLocal = parsePrefix('fe80::/10')

/** Forwarding is switched on per link, never for the whole host: on the bridge, … */
export function bridgeForwarding(
  network: NetworkSpec,
  { own }: BridgeOptions,
  view: HostView,
): Resource[] {
  const name = bridgeName(network)
  const families = ([4, 6] as const).filter((family) => hasFamily(network, family))
  return families.flatMap((family) => {
    if (family === 6 && !view.forceForwarding6) return []
    // What is ours has no earlier value to be put back.
    if (own) return [forward(family, name)]
    const isOn = view.links.some((link) => link.name === name && forwards(link, family))
    return isOn ? [] : [forward(family, name, '0')]
  })
}

/**
 * … and on the links that lead outwards, for all networks together. Where it was off before us, the firewall
 * keeps the host from routing for strangers.
 */
export function uplinkForwarding(networks: readonly NetworkSpec[], view: HostView): Resource[] {
  return ([4, 6] as const).flatMap((family) => {
    const bridges = networks
      .filter((network) => !network.internal && hasFamily(network, family))
      .map(bridgeName)
    if (bridges.length === 0) return []
    if (family === 6 && !view.forceForwarding6) return forwardEverywhere(bridges, view)
    return uplinks(bridges, view, family)
      .filter((link) => !forwards(link, family))
      .flatMap(({ name }) => [forward(family, name, '0'), uplinkElement(name, family)])
  })
}

function hasFamily({ ipv4, ipv6 }: NetworkSpec, family: Family): boolean {
  return (family === 4 ? ipv4 : ipv6) !== undefined
}

/** Where new flows may go that others' filters are asked to let pass. */
export function outward(networks: readonly NetworkSpec[], view: HostView): Resource[] {
  return view.outward
    .filter(({ family }) => networks.some((it) => !it.internal && hasFamily(it, family)))
    .map(({ family, link }) => outwardElement(link, family))
}

/** Links that lead to other hosts. */
function uplinks(bridges: readonly string[], view: HostView, family: Family): HostLink[] {
  const leading = new Set([
    ...view.routes.filter((it) => it.destination === everything[family]).map(({ link }) => link),
    ...view.addresses
      .map(({ link, address }) => ({ link, address: cidrAddress(address) }))
      .filter(({ address }) => familyOf(address) === family && !contains(linkLocal, address))
      .map(({ link }) => link),
  ])
  // On a router made by another program, a link that doesn't forward was switched off on purpose.
  const isRouter = family === 4 && view.allForwarding4
  return strangers(bridges, view).filter(
    (link) => leading.has(link.name) && !(isRouter && !forwards(link, family)),
  )
}

/**
 * A kernel that forwards IPv6 for all links or none. Those that take routes from routers have to be
 * told to go on, since a router doesn't; and all that have not forwarded before are guarded.
 */
function forwardEverywhere(bridges: readonly string[], view: HostView): Resource[] {
  if (view.allForwarding6) return []
  const links = strangers(bridges, view)
  const believers = view.links.filter(({ ours, acceptRa6 }) => !ours && acceptRa6 === 1)
  return [
    ...believers.map(({ name }) => sysctl(`net/ipv6/conf/${name}/accept_ra`, '2', '1')),
    ...links.map(({ name }) => uplinkElement(name, 6)),
    sysctl('net/ipv6/conf/all/forwarding', '1', '0'),
  ]
}

/** To a network its own bridge is none, but an adopted one is to all others. */
function strangers(bridges: readonly string[], view: HostView): HostLink[] {
  const own = bridges.every((bridge) => bridge === bridges[0]) ? bridges[0] : undefined
  return view.links.filter(({ name, ours }) => !ours && name !== 'lo' && name !== own)
}

function forwards(link: HostLink, family: Family): boolean {
  return family === 4 ? link.forwarding4 : link.forwarding6
}

function forward(family: Family, link: string, restore?: string): SysctlResource {
  const key = family === 4 ? 'forwarding' : 'force_forwarding'
  return sysctl(`net/ipv${family}/conf/${link}/${key}`, '1', restore)
}

function sysctl(name: string, value: string, restore?: string): SysctlResource {
  return { kind: 'sysctl', name, value, ...(restore === undefined ? {} : { restore }) }
}
