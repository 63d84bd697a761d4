import { familyOf, type IpAddress, type MacAddress } from '../../../address/address.ts'
import { i32, ipAddress, macAddress, u8, u16, u32 } from '../netlink/codec.ts'
import { type Message, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE } from '../netlink/message.ts'
import type { NetlinkSocket } from '../netlink/netlink-socket.ts'
import { body, padding, schema, struct, type ValueOf } from '../netlink/schema.ts'
import { type AddressFamily, familyNumber } from './family.ts'

// linux/neighbour.h

export const RTM_NEWNEIGH = 28
export const RTM_DELNEIGH = 29
export const RTM_GETNEIGH = 30

const NDA_DST = 1
const NDA_LLADDR = 2
const NDA_IFINDEX = 8
const NDA_MASTER = 9
const NDA_PROTOCOL = 12
export const NUD_REACHABLE = 0x02
export const NUD_NOARP = 0x40
export const NUD_PERMANENT = 0x80
const NTF_USE = 0x01

const ndmsg = struct({
  family: u8,
  pad: padding(3),
  link: i32,
  state: u16,
  flags: u8,
  type: u8,
})

/** RTM_…NEIGH */
export const neighbourBody = body(
  ndmsg,
  schema({
    address: [NDA_DST, ipAddress],
    mac: [NDA_LLADDR, macAddress],
    link: [NDA_IFINDEX, u32],
    master: [NDA_MASTER, u32],
    protocol: [NDA_PROTOCOL, u8],
  }),
)

/**
 * Equivalent to: `ip neighbour add ADDRESS lladdr MAC dev LINK nud permanent [protocol PROTOCOL]`. Refused with
 * EEXIST if there is one, though it be one that was asked for.
 */
export function newNeighbour(
  link: number,
  address: IpAddress,
  mac: MacAddress,
  protocol?: number,
): Message {
  const message = replaceNeighbour(link, address, mac, protocol)
  return { ...message, flags: NLM_F_CREATE | NLM_F_EXCL }
}

/** Equivalent to: `ip neighbour replace ADDRESS lladdr MAC dev LINK nud permanent [protocol PROTOCOL]`. */
export function replaceNeighbour(
  link: number,
  address: IpAddress,
  mac: MacAddress,
  protocol?: number,
): Message {
  return {
    operation: 'RTM_NEWNEIGH',
    type: RTM_NEWNEIGH,
    flags: NLM_F_CREATE | NLM_F_REPLACE,
    body: neighbourBody.encode(
      { family: familyNumber(familyOf(address)), link, state: NUD_PERMANENT },
      { address, mac, protocol },
    ),
    target: `neighbour ${address} of link #${link}`,
  }
}

/**
 * Asks the link who has this address, as if a packet had to go there. Equivalent to:
 * `ip neighbour add ADDRESS dev LINK use`.
 */
export function solicitNeighbour(link: number, address: IpAddress): Message {
  return {
    operation: 'RTM_NEWNEIGH',
    type: RTM_NEWNEIGH,
    flags: NLM_F_CREATE,
    body: neighbourBody.encode(
      { family: familyNumber(familyOf(address)), link, flags: NTF_USE },
      { address },
    ),
    target: `neighbour ${address} of link #${link}`,
  }
}

/** Equivalent to: `ip neighbour delete ADDRESS dev LINK`. Refused with ENOENT if there is none. */
export function deleteNeighbour(link: number, address: IpAddress): Message {
  return {
    operation: 'RTM_DELNEIGH',
    type: RTM_DELNEIGH,
    flags: 0,
    body: neighbourBody.encode({ family: familyNumber(familyOf(address)), link }, { address }),
    target: `neighbour ${address} of link #${link}`,
  }
}

export interface Neighbour {
  /** The link's index. */
  readonly link: number
  readonly address: IpAddress
  /** Undefined while there was no answer. */
  readonly mac: MacAddress | undefined
  /** NUD_… */
  readonly state: number
  readonly permanent: boolean
  /** Whose it is, as a number; undefined where it was not said (or the kernel can't, before 5.0). */
  readonly protocol: number | undefined
}

/** Equivalent to: `ip neighbour show [dev LINK] nud all`, with -4 or -6 where a family is given. */
export function listNeighbours(
  socket: NetlinkSocket,
  filter: { readonly link?: number; readonly family?: AddressFamily } = {},
): Neighbour[] {
  const request: Message = {
    operation: 'RTM_GETNEIGH',
    type: RTM_GETNEIGH,
    flags: 0,
    body: neighbourBody.encode({ family: familyNumber(filter.family) }, { link: filter.link }),
  }
  return socket
    .dump(request, neighbourBody)
    .filter(({ attributes }) => attributes.address !== undefined)
    .map(toNeighbour)
}

function toNeighbour({ header, attributes }: ValueOf<typeof neighbourBody>): Neighbour {
  return {
    link: header.link,
    address: attributes.address!,
    mac: attributes.mac,
    state: header.state,
    permanent: (header.state & NUD_PERMANENT) !== 0,
    protocol: attributes.protocol,
  }
}
