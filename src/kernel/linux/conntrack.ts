import { familyOf, type IpAddress } from '../../address/address.ts'
import { be16, be32, ipAddress, u8, u32 } from './netlink/codec.ts'
import type { Message } from './netlink/message.ts'
import { NFNL_SUBSYS_CTNETLINK, nfgenmsg, nfnlType } from './netlink/netfilter.ts'
import { NETLINK_NETFILTER, NetlinkSocket } from './netlink/netlink-socket.ts'
import { body, schema, type ValueOf } from './netlink/schema.ts'
import { familyNumber } from './rtnetlink/family.ts'

// linux/netfilter/nfnetlink_conntrack.h

const IPCTNL_MSG_CT_GET = 1
const IPCTNL_MSG_CT_DELETE = 2

const CTA_IP_V4_SRC = 1
const CTA_IP_V4_DST = 2
const CTA_IP_V6_SRC = 3
const CTA_IP_V6_DST = 4
const CTA_PROTO_NUM = 1
const CTA_PROTO_SRC_PORT = 2
const CTA_PROTO_DST_PORT = 3
const CTA_TUPLE_IP = 1
const CTA_TUPLE_PROTO = 2
const CTA_TUPLE_ZONE = 3
const CTA_FILTER_ORIG_FLAGS = 1
const CTA_FILTER_REPLY_FLAGS = 2
const CTA_TUPLE_ORIG = 1
const CTA_TUPLE_REPLY = 2
const CTA_ID = 12
const CTA_ZONE = 18
const CTA_FILTER = 25

// The kernel's CTA_FILTER_F_…: which parts of a tuple a dump is limited to.
const F_IP_SRC = 1 << 0
const F_IP_DST = 1 << 1
const F_PROTO_NUM = 1 << 3
const F_PROTO_SRC_PORT = 1 << 4
const F_PROTO_DST_PORT = 1 << 5

const tuple = schema({
  ip: [
    CTA_TUPLE_IP,
    schema({
      source4: [CTA_IP_V4_SRC, ipAddress],
      destination4: [CTA_IP_V4_DST, ipAddress],
      source6: [CTA_IP_V6_SRC, ipAddress],
      destination6: [CTA_IP_V6_DST, ipAddress],
    }),
  ],
  protocol: [
    CTA_TUPLE_PROTO,
    schema({
      number: [CTA_PROTO_NUM, u8],
      sourcePort: [CTA_PROTO_SRC_PORT, be16],
      destinationPort: [CTA_PROTO_DST_PORT, be16],
    }),
  ],
  zone: [CTA_TUPLE_ZONE, be16],
})

const conntrackBody = body(
  nfgenmsg,
  schema({
    original: [CTA_TUPLE_ORIG, tuple],
    reply: [CTA_TUPLE_REPLY, tuple],
    id: [CTA_ID, be32],
    zone: [CTA_ZONE, be16],
    filter: [
      CTA_FILTER,
      schema({ original: [CTA_FILTER_ORIG_FLAGS, u32], reply: [CTA_FILTER_REPLY_FLAGS, u32] }),
    ],
  }),
)

type Tuple = ValueOf<typeof tuple>
type Entry = ValueOf<typeof conntrackBody>

/** What a flow's packets look like in one direction; what is left out may be anything. */
export interface FlowFilter {
  readonly source?: IpAddress
  readonly destination?: IpAddress
  /** IPPROTO_…: 6 is TCP, 17 UDP. */
  readonly protocol?: number
  readonly sourcePort?: number
  readonly destinationPort?: number
}

/**
 * `original`: as the first packet came; `reply`: as answers come (after DNAT, their source is the
 * real server). Both: the flow fits both; neither: every flow. `address`: any of its four addresses
 * is this one.
 */
export type ConntrackFilter =
  | { readonly original?: FlowFilter; readonly reply?: FlowFilter }
  | { readonly address: IpAddress }

/**
 * Forgets the flows that fit any of the filters, in the namespace the calling thread is in, and
 * answers with their number. It walks through the whole table, so it is nothing to wait for.
 * Equivalent to: `conntrack -D --orig-src … --orig-dst … --reply-src … -p … --dport …`.
 */
export function flushConntrack(filters: readonly ConntrackFilter[]): number {
  if (filters.length === 0) return 0
  // Its own socket: the table's owner must not wait behind a long dump.
  using socket = new NetlinkSocket(NETLINK_NETFILTER)
  const entries = socket
    .dump(dumpRequest(filters), conntrackBody)
    .filter((entry) => filters.some((filter) => matches(filter, entry)))
  let deleted = entries.length
  // A few at a time, so that the answers fit in the socket's receive buffer whatever they are.
  for (let at = 0; at < entries.length; at += CHUNK) {
    for (const { error } of socket.requestAll(entries.slice(at, at + CHUNK).map(deletion))) {
      if (error.errno !== 'ENOENT') throw error
      deleted -= 1
    }
  }
  return deleted
}

const CHUNK = 256

function dumpRequest(filters: readonly ConntrackFilter[]): Message {
  return {
    operation: 'IPCTNL_MSG_CT_GET',
    type: nfnlType(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET),
    flags: 0,
    body: dumpBody(filters),
  }
}

/**
 * Lets the kernel do the choosing where it can: one filter whose family is known. Of IPv6 addresses it
 * gives those that are *not* the wanted ones (Linux 6.18), so there it is asked for the family only.
 */
function dumpBody(filters: readonly ConntrackFilter[]): Uint8Array {
  const [filter] = filters
  if (filters.length > 1 || filter === undefined) return conntrackBody.encode({}, {})
  if ('address' in filter) {
    return conntrackBody.encode({ family: familyNumber(familyOf(filter.address)) }, {})
  }
  const { original = {}, reply = {} } = filter
  const known = original.source ?? original.destination ?? reply.source ?? reply.destination
  if (known === undefined) return conntrackBody.encode({}, {})
  const header = { family: familyNumber(familyOf(known)) }
  if (familyOf(known) === 6) return conntrackBody.encode(header, {})
  return conntrackBody.encode(header, {
    original: tupleOf(original),
    reply: tupleOf(reply),
    filter: { original: filterFlags(original), reply: filterFlags(reply) },
  })
}

function tupleOf(flow: FlowFilter): Tuple {
  const { source, destination, protocol: number, sourcePort, destinationPort } = flow
  return {
    ip: { source4: source, destination4: destination },
    protocol: { number, sourcePort, destinationPort },
  }
}

function filterFlags(flow: FlowFilter): number {
  // Without its protocol the kernel can't tell what a port is.
  const ports = flow.protocol !== undefined
  return (
    (flow.source === undefined ? 0 : F_IP_SRC) |
    (flow.destination === undefined ? 0 : F_IP_DST) |
    (flow.protocol === undefined ? 0 : F_PROTO_NUM) |
    (ports && flow.sourcePort !== undefined ? F_PROTO_SRC_PORT : 0) |
    (ports && flow.destinationPort !== undefined ? F_PROTO_DST_PORT : 0)
  )
}

function matches(filter: ConntrackFilter, { attributes }: Entry): boolean {
  const original = flowOf(attributes.original)
  const reply = flowOf(attributes.reply)
  if ('address' in filter) {
    const { address } = filter
    return [original.source, original.destination, reply.source, reply.destination].includes(
      address,
    )
  }
  return fits(filter.original ?? {}, original) && fits(filter.reply ?? {}, reply)
}

function fits(wanted: FlowFilter, flow: FlowFilter): boolean {
  return (Object.keys(wanted) as (keyof FlowFilter)[]).every(
    (key) => wanted[key] === undefined || wanted[key] === flow[key],
  )
}

function flowOf(value: Tuple | undefined): FlowFilter {
  const { ip = {}, protocol = {} } = value ?? {}
  return {
    source: ip.source4 ?? ip.source6,
    destination: ip.destination4 ?? ip.destination6,
    protocol: protocol.number,
    sourcePort: protocol.sourcePort,
    destinationPort: protocol.destinationPort,
  }
}

/** With its id, so that a new flow of the same tuple is left alone. */
function deletion({ header, attributes }: Entry): Message {
  const { original, id, zone } = attributes
  const { source, destination } = flowOf(original)
  return {
    operation: 'IPCTNL_MSG_CT_DELETE',
    type: nfnlType(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE),
    flags: 0,
    body: conntrackBody.encode({ family: header.family }, { original, id, zone }),
    target: `flow ${source} → ${destination}`,
  }
}
