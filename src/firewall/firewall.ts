import type { IpAddress, Prefix } from '../address/address.ts'
import type { EndpointId, NetworkId } from '../base/id.ts'
import type { ElementResource, TableResource } from '../kernel/resource.ts'
import { bridgeElement, hostElement } from './elements.ts'
import { bridgeTable, hostTable, userTable } from './tables.ts'

/** The tables every element is in. All networks share them. */
export const tables: readonly TableResource[] = [hostTable, bridgeTable, userTable].map(
  (definition) => ({ kind: 'table', definition }),
)

interface NetworkFirewall {
  readonly id: NetworkId
  /** The network's bridge. */
  readonly bridge: string
  /** Nothing comes in or goes out, the host's own packets apart. */
  readonly internal: boolean
  /** Endpoints reach each other. */
  readonly icc: boolean
  /** Links of the host from which published ports can be reached directly, in mode `nat` too. */
  readonly trusted: readonly string[]
  /** Absent: the network has no addresses of that family. */
  readonly ipv4?: FamilyFirewall
  readonly ipv6?: FamilyFirewall
}

export interface FamilyFirewall {
  readonly mode: GatewayMode
  readonly subnet: Prefix
  /** Nothing else may be the sender of what comes from the bridge. */
  readonly sources: Prefix
  /** The subnet is on the bridge and nowhere else: what says it is from there and comes by another link, lies. */
  readonly isOurs?: boolean
  /** What comes from the subnet and leaves by another link gets the host's address, or this one. */
  readonly hiddenBehind?: 'host' | IpAddress
}

/**
 * What may come into a network from elsewhere: what was published at an address of the host (`nat`);
 * that and everything else (`nat-unprotected`); what is for a port that is open, and ping (`routed`);
 * nothing (`isolated`).
 */
export type GatewayMode = 'nat' | 'nat-unprotected' | 'routed' | 'isolated'

const verdicts: Readonly<Record<Exclude<GatewayMode, 'isolated'>, string>> = {
  nat: 'goto gateway_nat',
  'nat-unprotected': 'goto gateway_open',
  routed: 'goto gateway_routed',
}

/** A network's part of the firewall. */
export function networkElements(network: NetworkFirewall): ElementResource[] {
  const { id, bridge, internal, icc, trusted, ipv4, ipv6 } = network
  const families = [...(ipv4 ? [[4, ipv4] as const] : []), ...(ipv6 ? [[6, ipv6] as const] : [])]
  return [
    hostElement('bridges', [bridge], id),
    hostElement(icc ? 'same_bridge' : 'one_bridge', [bridge, bridge], id),
    ...(internal ? [hostElement('internal', [bridge], id)] : []),
    ...families.flatMap(([family, { sources, subnet, isOurs }]) => [
      hostElement(`sources${family}`, [bridge, sources], id),
      ...(isOurs ? [hostElement(`subnets${family}`, [subnet], id)] : []),
    ]),
    ...(internal ? [] : families.flatMap(([family, it]) => wayElements(network, family, it))),
    ...(internal ? [] : trusted.map((link) => hostElement('trusted', [link, bridge], id))),
  ]
}

/** The ways in and out of a family that has some. */
function wayElements(
  { id, bridge }: NetworkFirewall,
  family: 4 | 6,
  { mode, subnet, hiddenBehind }: FamilyFirewall,
): ElementResource[] {
  const prefix = [bridge, subnet]
  const elements: ElementResource[] = []
  if (mode !== 'isolated') {
    const key = [family === 4 ? 'ipv4' : 'ipv6', bridge]
    elements.push(hostElement('gateway_mode', key, id, [verdicts[mode]]))
  }
  if (mode === 'nat' || mode === 'nat-unprotected') {
    elements.push(hostElement(`hairpin${family}`, prefix, id))
  }
  if (hiddenBehind === 'host') elements.push(hostElement(`masquerade${family}`, prefix, id))
  else if (hiddenBehind) elements.push(hostElement(`snat${family}`, prefix, id, [hiddenBehind]))
  return elements
}

/** An endpoint as the firewall knows it: the link that is its port of the bridge, and its addresses. */
export interface Member {
  readonly id: EndpointId
  readonly port: string
  readonly ipv4?: IpAddress
  readonly ipv6?: IpAddress
}

interface EndpointFirewall extends Member {
  readonly network: NetworkId
  /** The network's: endpoints reach each other. */
  readonly icc: boolean
  /** false: nothing of IPv6 comes from it or gets to it. */
  readonly hasIpv6: boolean
  /** Those that it may talk to nevertheless, and they to it. */
  readonly links: readonly Member[]
  /** Families in which it may use what it publishes itself, by way of the host. */
  readonly hairpin: readonly (4 | 6)[]
}

/** An endpoint's part of the firewall: whom it reaches. */
export function endpointElements(endpoint: EndpointFirewall): ElementResource[] {
  const { id, network, port, icc, hasIpv6, links, hairpin } = endpoint
  return [
    ...(icc ? [] : [bridgeElement('icc_off', [port], id)]),
    ...(hasIpv6 ? [] : [bridgeElement('ipv4_only', [port], id)]),
    ...(icc || hairpin.length === 0 ? [] : selfElements(endpoint)),
    // Of both endpoints: whichever of them is asked says the same.
    ...(icc ? [] : links.flatMap((other) => pairElements(endpoint, other, network))),
  ]
}

function selfElements(endpoint: EndpointFirewall): ElementResource[] {
  const { id, port, hairpin } = endpoint
  return [
    bridgeElement('pairs', [port, port], id),
    ...hairpin.flatMap((family) => {
      const address = family === 4 ? endpoint.ipv4 : endpoint.ipv6
      return address === undefined ? [] : [hostElement(`pairs${family}`, [address, address], id)]
    }),
  ]
}

function pairElements(one: Member, other: Member, owner: NetworkId): ElementResource[] {
  const both = [
    [one, other],
    [other, one],
  ] as const
  return both.flatMap(([from, to]) => [
    bridgeElement('pairs', [from.port, to.port], owner),
    ...(from.ipv4 && to.ipv4 ? [hostElement('pairs4', [from.ipv4, to.ipv4], owner)] : []),
    ...(from.ipv6 && to.ipv6 ? [hostElement('pairs6', [from.ipv6, to.ipv6], owner)] : []),
  ])
}

/** Links of the host's belong to no network: the first one needs it, the last one gives it up. */
const UPLINK_OWNER = 'uplink'

/**
 * A link on which forwarding was switched on for our networks' sake: what comes in there goes to them
 * or nowhere, as before.
 */
export function uplinkElement(link: string, family: 4 | 6): ElementResource {
  return hostElement('uplinks', [family === 4 ? 'ipv4' : 'ipv6', link], UPLINK_OWNER)
}

/** A link that leads to the world: what our networks send there gets the mark. */
export function outwardElement(link: string, family: 4 | 6): ElementResource {
  return hostElement('outward', [family === 4 ? 'ipv4' : 'ipv6', link], UPLINK_OWNER)
}
