import {
  type Cidr,
  cidrAddress,
  cidrOf,
  familyOf,
  type IpAddress,
  prefixLength,
} from '../../../address/address.ts'
import { ipAddress, u8, u32 } from '../netlink/codec.ts'
import { type Message, NLM_F_CREATE, NLM_F_EXCL } from '../netlink/message.ts'
import type { NetlinkSocket } from '../netlink/netlink-socket.ts'
import { body, schema, struct, type ValueOf } from '../netlink/schema.ts'
import { type AddressFamily, familyNumber } from './family.ts'

// linux/if_addr.h

export const RTM_NEWADDR = 20
export const RTM_DELADDR = 21
export const RTM_GETADDR = 22
export const RTNLGRP_IPV4_IFADDR = 5
export const RTNLGRP_IPV6_IFADDR = 9

const RTM_GETMULTICAST = 58

const IFA_ADDRESS = 1
const IFA_LOCAL = 2
const IFA_MULTICAST = 7
const IFA_FLAGS = 8
const IFA_F_NODAD = 0x02
export const IFA_F_NOPREFIXROUTE = 0x200

const ifaddrmsg = struct({ family: u8, prefixLength: u8, flags: u8, scope: u8, index: u32 })

/** RTM_…ADDR */
export const addressBody = body(
  ifaddrmsg,
  schema({
    address: [IFA_ADDRESS, ipAddress],
    local: [IFA_LOCAL, ipAddress],
    flags: [IFA_FLAGS, u32],
  }),
)

/**
 * Equivalent to: `ip address add ADDRESS dev LINK` (IPv6 with `nodad`: it can be used at once).
 * Refused with EEXIST if the link has it.
 */
export function newAddress(link: number, address: Cidr): Message {
  const flags = familyOf(address) === 6 ? IFA_F_NODAD : 0
  return message('RTM_NEWADDR', NLM_F_CREATE | NLM_F_EXCL, link, address, flags)
}

/** Equivalent to: `ip address delete ADDRESS dev LINK`. Refused with EADDRNOTAVAIL if it isn't there. */
export function deleteAddress(link: number, address: Cidr): Message {
  return message('RTM_DELADDR', 0, link, address, 0)
}

function message(
  operation: 'RTM_NEWADDR' | 'RTM_DELADDR',
  flags: number,
  link: number,
  address: Cidr,
  addressFlags: number,
): Message {
  const local = cidrAddress(address)
  const header = {
    family: familyNumber(familyOf(address)),
    prefixLength: prefixLength(address),
    flags: addressFlags,
    index: link,
  }
  return {
    operation,
    type: operation === 'RTM_NEWADDR' ? RTM_NEWADDR : RTM_DELADDR,
    flags,
    body: addressBody.encode(header, { local, address: local }),
    target: `address ${address} of link #${link}`,
  }
}

export interface LinkAddress {
  /** The link's index. */
  readonly link: number
  readonly address: Cidr
  /** RT_SCOPE_…: 0 is global, 253 link, 254 host. */
  readonly scope: number
  /** IFA_F_… */
  readonly flags: number
}

/** Equivalent to: `ip address show [dev LINK]`, with -4 or -6 where a family is given. */
export function listAddresses(
  socket: NetlinkSocket,
  filter: { readonly link?: number; readonly family?: AddressFamily } = {},
): LinkAddress[] {
  const header = { family: familyNumber(filter.family), index: filter.link ?? 0 }
  const request: Message = {
    operation: 'RTM_GETADDR',
    type: RTM_GETADDR,
    flags: 0,
    body: addressBody.encode(header, {}),
  }
  return socket.dump(request, addressBody).map(toLinkAddress)
}

const groupBody = body(ifaddrmsg, schema({ group: [IFA_MULTICAST, ipAddress] }))

/** The IPv6 groups a link listens to. Equivalent to: `ip -6 maddress show dev LINK`. */
export function listMulticastGroups(socket: NetlinkSocket, link: number): IpAddress[] {
  const request: Message = {
    operation: 'RTM_GETMULTICAST',
    type: RTM_GETMULTICAST,
    flags: 0,
    body: groupBody.encode({ family: familyNumber(6), index: link }, {}),
  }
  return socket
    .dump(request, groupBody)
    .flatMap(({ attributes: { group } }) => (group === undefined ? [] : [group]))
}

/** An address from the body of RTM_NEWADDR or RTM_DELADDR. */
export function toLinkAddress({ header, attributes }: ValueOf<typeof addressBody>): LinkAddress {
  // With a peer, `address` is the peer's; IPv6 without one has no `local`.
  const address = (attributes.local ?? attributes.address) as IpAddress
  return {
    link: header.index,
    address: cidrOf(address, header.prefixLength),
    scope: header.scope,
    flags: attributes.flags ?? header.flags,
  }
}
