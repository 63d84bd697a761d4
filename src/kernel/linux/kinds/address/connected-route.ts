import {
  bitsOf,
  cidrAddress,
  cidrPrefix,
  familyOf,
  prefixLength,
} from '../../../../address/address.ts'
import { IFA_F_NOPREFIXROUTE, type LinkAddress } from '../../rtnetlink/address.ts'
import type { Link } from '../../rtnetlink/link.ts'
import { type NewRoute, type Route, RTPROT_KERNEL } from '../../rtnetlink/route.ts'

/** What the kernel gives IPv6 routes of its own. */
const IP6_RT_PRIO_ADDRCONF = 256

/**
 * The route to its neighbours that an address brings with it, where there is none: another process has removed
 * it. The kernel makes it but once, and whatever leads by a gateway needs it.
 */
export function lackedRoute(
  { address, flags }: LinkAddress,
  { index, up, master }: Link,
  routesTo: (destination: Route['destination']) => readonly Route[],
): NewRoute | undefined {
  // The kernel makes it when the link comes up. In a VRF it is in that one's table.
  if (!up || master !== undefined || (flags & IFA_F_NOPREFIXROUTE) !== 0) return undefined
  const family = familyOf(address)
  if (prefixLength(address) === bitsOf(family)) return undefined
  const destination = cidrPrefix(address)
  if (routesTo(destination).some(({ link }) => link === index)) return undefined
  return {
    destination,
    link: index,
    protocol: RTPROT_KERNEL,
    // With it the kernel knows the route again, and removes it with the address.
    ...(family === 4 ? { source: cidrAddress(address) } : { metric: IP6_RT_PRIO_ADDRCONF }),
  }
}
