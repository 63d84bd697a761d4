import { cidrAddress, familyOf, type IpAddress, type MacAddress } from '../../address/address.ts'
import { macFor } from '../../address/mac.ts'
import type { Resource } from '../../kernel/resource.ts'
import type { EndpointSpec, NetworkSpec } from '../driver.ts'
import { bridgeName, portName } from './names.ts'
import { optionsOf } from './options.ts'

/**
 * The endpoint's MAC. Undefined: it has no address to derive one from, nor one of its own, so others may
 * have the same.
 */
export function exactMac(network: NetworkSpec, endpoint: EndpointSpec): MacAddress | undefined {
  const address = endpoint.ipv4 ?? endpoint.ipv6
  return endpoint.mac ?? (address && macFor(network.id, address))
}

/**
 * Whether nothing is to be learned from its port: what it sends has its own MAC, and no other port's has. One that
 * was allowed others may have them in turns with a neighbour (VRRP).
 */
export function isExact(network: NetworkSpec, endpoint: EndpointSpec): boolean {
  return endpoint.macs === undefined && exactMac(network, endpoint) !== undefined
}

/**
 * What host and bridge know of an endpoint without asking, so that it can neither fill their tables nor be
 * robbed of its place in them.
 */
export function neighbourResources(network: NetworkSpec, endpoint: EndpointSpec): Resource[] {
  const mac = exactMac(network, endpoint)
  if (mac === undefined || endpoint.macs === 'any') return []
  const link = bridgeName(network)
  const isSure = isExact(network, endpoint) && endpoint.addresses !== 'any'
  const all = [endpoint.ipv4, endpoint.ipv6, ...endpoint.linkLocal.map(cidrAddress)]
  const own = isSure ? all.filter((address) => address !== undefined) : []
  return [
    { kind: 'fdb', link: portName(endpoint), bridge: link, mac },
    ...own
      .filter((address) => isHostThere(network, address))
      .map((address): Resource => ({ kind: 'neighbour', link, address, mac })),
  ]
}

/**
 * Whether the host has an address on the bridge by which it talks to that one. A bridge that is adopted may
 * change its MAC with its ports, and forgets its neighbours each time.
 */
function isHostThere(network: NetworkSpec, address: IpAddress): boolean {
  const { own, inhibit4, gatewayMode6 } = optionsOf(network)
  if (!own) return false
  if (familyOf(address) === 4) return network.ipv4?.gateway !== undefined && !inhibit4
  return network.ipv6?.gateway !== undefined && gatewayMode6 !== 'isolated'
}
