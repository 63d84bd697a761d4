import type { MacAddress } from '../../address/address.ts'
import type { EndpointAddresses } from '../network/addresses.ts'
import type { EndpointRecord } from '../records.ts'
import type { NetworkState } from '../state.ts'

/**
 * Neighbours remember the MAC of an address for a while. One that is derived from the address is the
 * next endpoint's too; one that a user gave isn't, so it is kept in mind.
 */
export function rememberMac({ givenMacs }: NetworkState, endpoint: EndpointRecord): void {
  const { mac, ipv4, ipv6 } = endpoint
  for (const address of [ipv4, ipv6]) {
    if (address === undefined) continue
    if (mac === undefined) givenMacs.delete(address)
    else givenMacs.set(address, mac)
  }
}

/** Whether one of the addresses was last used with another MAC that was given. */
export function hasMoved(
  { givenMacs }: NetworkState,
  { ipv4, ipv6 }: EndpointAddresses,
  mac: MacAddress | undefined,
): boolean {
  if (givenMacs.size === 0) return false
  return [ipv4, ipv6].some((address) => {
    const before = address && givenMacs.get(address)
    return before !== undefined && before !== mac
  })
}
