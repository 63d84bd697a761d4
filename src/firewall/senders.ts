import { familyOf, type IpAddress } from '../address/address.ts'
import { linkLocalOf } from '../address/link-local.ts'
import type { MacAddress } from '../address/mac.ts'
import type { EndpointId } from '../base/id.ts'
import type { ElementResource } from '../kernel/resource.ts'
import { bridgeElement } from './elements.ts'

/** What an endpoint may send from. */
export interface Senders {
  readonly mac: MacAddress
  /** Its own, and others that it was given. */
  readonly addresses: readonly IpAddress[]
  /** Besides its own. */
  readonly macs: readonly MacAddress[]
  readonly anyMac: boolean
  readonly anyAddress: boolean
  /** false: nothing of IPv6 comes from it or gets to it, so it has no address of its link either. */
  readonly hasIpv6: boolean
  /** What is no IP, too, or behind several VLAN tags. */
  readonly anyProtocol: boolean
}

/** For a usual endpoint two elements, or four with IPv6. */
export function senderElements(
  owner: EndpointId,
  port: string,
  senders: Senders,
): ElementResource[] {
  const { mac, macs, anyMac, anyAddress, hasIpv6, anyProtocol } = senders
  const element = (set: string, ...key: string[]) => bridgeElement(set, [port, ...key], owner)
  const others = macs.filter((each) => each !== mac)
  const ofLink = (each: MacAddress) => (hasIpv6 ? [linkLocalOf(each)] : [])
  const addresses = [...new Set([...senders.addresses, ...ofLink(mac)])]
  // Where there is more than one MAC, any of them goes with any of the addresses.
  const shared = anyMac || others.length > 0 ? addresses.concat(others.flatMap(ofLink)) : []
  return [
    ...[mac, ...others].map((each) => element('macs', each)),
    ...addresses.map((address) => element(`senders${familyOf(address)}`, mac, address)),
    ...[...new Set(shared)].map((address) => element(`addresses${familyOf(address)}`, address)),
    ...(anyMac ? [element('any_mac')] : []),
    ...(anyAddress ? [element('any_address')] : []),
    ...(anyProtocol ? [element('any_protocol')] : []),
  ]
}
