import { i32, u8 } from '../netlink/codec.ts'
import type { Message } from '../netlink/message.ts'
import type { NetlinkSocket } from '../netlink/netlink-socket.ts'
import { body, schema, struct } from '../netlink/schema.ts'
import { type AddressFamily, familyNumber } from './family.ts'

// linux/netconf.h

const RTM_GETNETCONF = 82

const NETCONFA_IFINDEX = 1
const NETCONFA_FORWARDING = 2

const netconfBody = body(
  struct({ family: u8 }),
  schema({ link: [NETCONFA_IFINDEX, i32], forwarding: [NETCONFA_FORWARDING, i32] }),
)

/**
 * The indexes of the links whose packets are forwarded. Those for `all` and `default` are negative.
 * Equivalent to: `ip netconf show`, with -4 or -6.
 */
export function forwardingLinks(socket: NetlinkSocket, family: AddressFamily): ReadonlySet<number> {
  const request: Message = {
    operation: 'RTM_GETNETCONF',
    type: RTM_GETNETCONF,
    flags: 0,
    body: netconfBody.encode({ family: familyNumber(family) }, {}),
  }
  const links = socket.dump(request, netconfBody).map(({ attributes }) => attributes)
  return new Set(links.flatMap(({ link, forwarding }) => (forwarding && link ? [link] : [])))
}
