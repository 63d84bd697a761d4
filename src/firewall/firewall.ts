import type { Prefix } from '../address/address.ts'
import type { EndpointId, NetworkId } from '../base/id.ts'
import type { ElementResource, TableResource } from '../kernel/resource.ts'
import { bridgeTable, hostTable, userTable } from './tables.ts'

/** The tables every element is in. All networks share them. */
export const tables: readonly TableResource[] = [hostTable, bridgeTable, userTable].map(
  (definition) => ({ kind: 'table', definition }),
)

export interface NetworkFirewall {
  readonly id: NetworkId
  /** The network's bridge. */
  readonly bridge: string
  /** Nothing comes in or goes out, the host's own packets apart. */
  readonly internal: boolean
  /** Endpoints reach each other. */
  readonly icc: boolean
  /** Nothing else may be the sender of what comes from the bridge. */
  readonly sources4?: Prefix
  readonly sources6?: Prefix
  /** What comes from this subnet and leaves by another link gets the host's address. */
  readonly masquerade4?: Prefix
  readonly masquerade6?: Prefix
}

/** A network's part of the firewall. */
export function networkElements(network: NetworkFirewall): ElementResource[] {
  const { id, bridge, internal, icc } = network
  const prefixes = ['sources4', 'sources6', 'masquerade4', 'masquerade6'] as const
  const element = (set: string, key: string[], value?: string): ElementResource =>
    hostElement(set, key, id, value)
  return [
    element('bridges', [bridge]),
    ...(icc ? [element('same_bridge', [bridge, bridge])] : []),
    ...(internal
      ? [element('internal', [bridge])]
      : [
          element('gateway_mode', ['ipv4', bridge], 'goto gateway_nat'),
          element('gateway_mode', ['ipv6', bridge], 'goto gateway_nat'),
        ]),
    ...prefixes.flatMap((set) => {
      const prefix = network[set]
      return prefix === undefined ? [] : [element(set, [bridge, prefix])]
    }),
  ]
}

export interface EndpointFirewall {
  readonly id: EndpointId
  /** The link that is the endpoint's port of the bridge. */
  readonly port: string
  /** The network's: endpoints reach each other. */
  readonly icc: boolean
  /** Whether the endpoint has IPv6. */
  readonly ipv6: boolean
}

/** An endpoint's part of the firewall. */
export function endpointElements(endpoint: EndpointFirewall): ElementResource[] {
  const { id, port, icc, ipv6 } = endpoint
  const { family, name: table } = bridgeTable
  const element = (set: string): ElementResource => {
    return { kind: 'element', family, table, set, key: [port], owner: id }
  }
  return [...(icc ? [] : [element('icc_off')]), ...(ipv6 ? [] : [element('ipv4_only')])]
}

/** Uplinks belong to no network: the first one needs it, the last one gives it up. */
const UPLINK_OWNER = 'uplink'

/**
 * A link on which forwarding was switched on for our networks' sake: what comes in there goes to them
 * or nowhere, as before.
 */
export function uplinkElement(link: string, family: 4 | 6): ElementResource {
  return hostElement('uplinks', [family === 4 ? 'ipv4' : 'ipv6', link], UPLINK_OWNER)
}

function hostElement(set: string, key: string[], owner: string, value?: string): ElementResource {
  const { family, name: table } = hostTable
  const element = { kind: 'element', family, table, set, key, owner } as const
  return value === undefined ? element : { ...element, value: [value] }
}
