import { cidrAddress } from '../../address/address.ts'
import type { Senders } from '../../firewall/senders.ts'
import type { EndpointSpec, NetworkSpec } from '../driver.ts'
import { addressesOf, hasIpv6, macOf } from './attachment.ts'
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
    // Without an address from us, it gets one from somebody else.
    anyAddress: addresses === 'any' || (!endpoint.ipv4 && !endpoint.ipv6),
    hasIpv6: hasIpv6(network, endpoint),
    anyProtocol: optionsOf(network).vlan,
  }
}
