import { cidrAddress, contains, familyOf } from '../../address/address.ts'
import { hostElement } from '../../firewall/elements.ts'
import type { Senders } from '../../firewall/senders.ts'
import type { ElementResource } from '../../kernel/resource.ts'
import type { EndpointSpec, NetworkSpec } from '../driver.ts'
import { addressesOf, hasIpv6, macOf } from './attachment.ts'
import { auxGateway } from './gateways.ts'
import { bridgeName } from './names.ts'
import { optionsOf } from './options.ts'

/** What an endpoint may send from: its own, and what it was given besides. */
export function sendersOf(network: NetworkSpec, endpoint: EndpointSpec): Senders {
  const { macs = [], addresses = [] } = endpoint
  const own = addressesOf(network, endpoint).map(cidrAddress)
  return {
    mac: macOf(network, endpoint),
    macs: macs === 'any' ? [] : macs,
    anyMac: macs === 'any',
    addresses: addresses === 'any' ? own : [...own, ...addresses],
    // Without an address from us, it gets one from another program.
    anyAddress: addresses === 'any' || (!endpoint.ipv4 && !endpoint.ipv6),
    hasIpv6: hasIpv6(network, endpoint),
    anyProtocol: optionsOf(network).vlan,
  }
}

/**
 * Addresses outside of the subnet that were given to an endpoint may come from the bridge. They are the network's, so
 * that several endpoints can have the same.
 */
export function givenSources(
  network: NetworkSpec,
  { addresses = [] }: EndpointSpec,
): ElementResource[] {
  if (addresses === 'any') return []
  return addresses.flatMap((address) => {
    const family = familyOf(address)
    const subnet = (family === 4 ? network.ipv4 : network.ipv6)?.subnet
    if (subnet === undefined || hasForeignRouters(network, family)) return []
    if (contains(subnet, address)) return []
    return [hostElement(`sources${family}`, [bridgeName(network), address], network.id)]
  })
}

/** Whether there may be anything on the bridge, routers included: what comes by them has any sender. */
export function hasForeignRouters(network: NetworkSpec, family: 4 | 6): boolean {
  const { own, inhibit4 } = optionsOf(network)
  return !own || (family === 4 && inhibit4) || auxGateway(network, family) !== undefined
}
