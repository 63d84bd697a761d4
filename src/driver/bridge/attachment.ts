import { type Cidr, cidrOf, parseAddress, prefixLength } from '../../address/address.ts'
import { type MacAddress, macFor } from '../../address/mac.ts'
import type { Attachment, EndpointSpec, NetworkSpec } from '../driver.ts'
import { gateways } from './gateways.ts'
import { bridgeName, portName } from './names.ts'
import { exactMac, isExact } from './neighbours.ts'
import { type BridgeOptions, optionsOf } from './options.ts'

/** Stands for the address in MACs of what has none. */
export const noAddress = parseAddress('::')

/** See NetworkDriver.attachment. */
export function attachment(network: NetworkSpec, endpoint: EndpointSpec): Attachment {
  const options = optionsOf(network)
  const announce = announcement(endpoint, options)
  return {
    link: {
      type: 'veth',
      hostName: portName(endpoint),
      bridge: bridgeName(network),
      prefix: options.prefix,
      mtu: options.mtu,
      mac: macOf(network, endpoint),
      ipv6: hasIpv6(network, endpoint),
      ...(isExact(network, endpoint) ? { learning: false } : {}),
    },
    addresses: addressesOf(network, endpoint),
    ...gateways(network),
    ...(announce ? { announce } : {}),
    routes: [],
  }
}

/** The MAC of its link. */
export function macOf(network: NetworkSpec, endpoint: EndpointSpec): MacAddress {
  return exactMac(network, endpoint) ?? macFor(network.id, noAddress)
}

export function hasIpv6(network: NetworkSpec, endpoint: EndpointSpec): boolean {
  const { ipv6, linkLocal, addresses } = endpoint
  const given = addresses === undefined || addresses === 'any' ? [] : addresses
  return (
    (network.ipv6 && ipv6) !== undefined || [...linkLocal, ...given].some((it) => it.includes(':'))
  )
}

/** The addresses of its link. */
export function addressesOf({ ipv4, ipv6 }: NetworkSpec, endpoint: EndpointSpec): Cidr[] {
  return [
    ...(ipv4 && endpoint.ipv4 ? [cidrOf(endpoint.ipv4, prefixLength(ipv4.subnet))] : []),
    ...(ipv6 && endpoint.ipv6 ? [cidrOf(endpoint.ipv6, prefixLength(ipv6.subnet))] : []),
    ...endpoint.linkLocal,
  ]
}

/**
 * A MAC that follows from network and address is the same for every holder of the address: what neighbours
 * remember of it stays true, and no neighbour has to be told. A foreign bridge may lead anywhere,
 * to switches that have to learn by which of their ports.
 */
function announcement(
  { mac, moved = false }: EndpointSpec,
  { own, advertiseCount, advertiseMs }: BridgeOptions,
): Attachment['announce'] {
  const wanted = advertiseCount !== undefined || advertiseMs !== undefined
  if (advertiseCount === 0 || !(wanted || mac !== undefined || moved || !own)) return undefined
  return { times: advertiseCount ?? 3, intervalMs: advertiseMs ?? 1000 }
}
