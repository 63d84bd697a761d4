/** Flows that the kernel tracks: which there are, and how it forgets them. */

import { familyOf, type IpAddress } from '../../../address/address.ts'
import type { PortRange } from '../../../address/port.ts'
import { be16, be32, ipAddress, u8, u32 } from '../netlink/codec.ts'
import type { Message } from '../netlink/message.ts'
import { NFNL_SUBSYS_CTNETLINK, nfgenmsg, nfnlType } from '../netlink/netfilter.ts'
import type { NetlinkSocket } from '../netlink/netlink-socket.ts'
import { body, schema, type ValueOf } from '../netlink/schema.ts'
import { familyNumber } from '../rtnetlink/family.ts'
import { type BothWays, type Flow, readFewFlows } from './few-flows.ts'

// linux/netfilter/nfnetlink_conntrack.h

const IPCTNL_MSG_CT_GET = 1
const IPCTNL_MSG_CT_DELETE = 2
const IPCTNL_MSG_CT_GET_STATS = 5

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
const CTA_STATUS = 3
const CTA_ID = 12
const CTA_ZONE = 18
const CTA_FILTER = 25
const CTA_STATUS_MASK = 26
const CTA_STATS_GLOBAL_ENTRIES = 1

const IPS_DST_NAT = 1 << 5

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
    status: [CTA_STATUS, be32],
    statusMask: [CTA_STATUS_MASK, be32],
    id: [CTA_ID, be32],
    zone: [CTA_ZONE, be16],
    filter: [
      CTA_FILTER,
      schema({ original: [CTA_FILTER_ORIG_FLAGS, u32], reply: [CTA_FILTER_REPLY_FLAGS, u32] }),
    ],
  }),
)

const statisticsBody = body(nfgenmsg, schema({ entries: [CTA_STATS_GLOBAL_ENTRIES, be32] }))

type Tuple = ValueOf<typeof tuple>
type Entry = ValueOf<typeof conntrackBody>

/** What a flow's packets look like in one direction; what is left out may be anything. */
export interface FlowFilter {
  readonly source?: IpAddress
  readonly destination?: IpAddress
  /** IPPROTO_…: 6 is TCP, 17 UDP. */
  readonly protocol?: number
  readonly sourcePort?: number | PortRange
  readonly destinationPort?: number | PortRange
}

/**
 * `original`: as the first packet came; `reply`: as answers come (after DNAT, their source is the
 * real server). Both: the flow fits both; neither: every flow. `translated`: only flows whose
 * destination was changed (DNAT), or only those where it was not. `address`: any of its four addresses
 * is this one.
 */
export type ConntrackFilter =
  | {
      readonly original?: FlowFilter
      readonly reply?: FlowFilter
      readonly translated?: boolean
    }
  | { readonly address: IpAddress }

/**
 * Forgets the flows that fit any of the filters, in the namespace the calling thread is in, which is
 * that of the socket (of NETLINK_NETFILTER), and
 * answers with their number. Unless there are few flows, of which none fits, it walks through the table
 * that all namespaces share, so it is nothing to wait for.
 * Equivalent to: `conntrack -D --orig-src … --orig-dst … --reply-src … -p … --dport …`.
 */
export function flushConntrack(socket: NetlinkSocket, filters: readonly ConntrackFilter[]): number {
  if (filters.length === 0) return 0
  if (isNothingThere(socket, filters)) return 0
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

/** Whether no flow fits, where that can be told without the long walk. */
function isNothingThere(socket: NetlinkSocket, filters: readonly ConntrackFilter[]): boolean {
  if (countFlows(socket) === 0) return true
  const flows = readFewFlows()
  if (flows === undefined || flows.some((flow) => filters.some((filter) => mayFit(filter, flow)))) {
    return false
  }
  // One that isn't in the table yet counts already: its first packet is under way.
  return countFlows(socket) === flows.length
}

/**
 * How many flows there are in the socket's namespace. A packet's flow counts from before the packet is
 * translated, so what is counted after a change is all to which what has gone may still apply.
 * Equivalent to: `conntrack -C`.
 */
function countFlows(socket: NetlinkSocket): number | undefined {
  const question: Message = {
    operation: 'IPCTNL_MSG_CT_GET_STATS',
    type: nfnlType(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET_STATS),
    flags: 0,
    body: statisticsBody.encode({}, {}),
  }
  return socket.get(question, statisticsBody).attributes.entries
}

function dumpRequest(filters: readonly ConntrackFilter[]): Message {
  return {
    operation: 'IPCTNL_MSG_CT_GET',
    type: nfnlType(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET),
    flags: 0,
    body: dumpBody(filters),
  }
}

/**
 * Lets the kernel do the choosing as far as it can: it leaves out what isn't translated, and of one
 * family what doesn't fit the one filter. Of several filters, what they have in common.
 */
function dumpBody(filters: readonly ConntrackFilter[]): Uint8Array {
  const translated = filters.every((filter) => 'translated' in filter && filter.translated)
  const status = translated ? { status: IPS_DST_NAT, statusMask: IPS_DST_NAT } : {}
  const families = new Set(filters.map(familyOfFilter))
  const [family] = families
  if (families.size > 1 || family === undefined) return conntrackBody.encode({}, status)
  const header = { family: familyNumber(family) }
  const original = common(filters.map((filter) => ('address' in filter ? {} : filter.original)))
  const reply = common(filters.map((filter) => ('address' in filter ? {} : filter.reply)))
  const flags = { original: filterFlags(original, family), reply: filterFlags(reply, family) }
  if ((flags.original | flags.reply) === 0) return conntrackBody.encode(header, status)
  return conntrackBody.encode(header, {
    ...status,
    original: tupleOf(original, family),
    reply: tupleOf(reply, family),
    filter: flags,
  })
}

function familyOfFilter(filter: ConntrackFilter): 4 | 6 | undefined {
  if ('address' in filter) return familyOf(filter.address)
  const { original = {}, reply = {} } = filter
  const known = original.source ?? original.destination ?? reply.source ?? reply.destination
  return known && familyOf(known)
}

function common([first = {}, ...others]: readonly (FlowFilter | undefined)[]): FlowFilter {
  const same = Object.entries(first).filter(([key, value]) =>
    others.every((other) => other?.[key as keyof FlowFilter] === value),
  )
  return Object.fromEntries(same)
}

function tupleOf(flow: FlowFilter, family: 4 | 6): Tuple {
  const { source, destination, protocol: number, sourcePort, destinationPort } = flow
  const ip = family === 4 ? { source4: source, destination4: destination } : undefined
  return {
    ip,
    protocol: {
      number,
      sourcePort: single(sourcePort),
      destinationPort: single(destinationPort),
    },
  }
}

/** Of IPv6 addresses the kernel gives those that are *not* the wanted ones (Linux 6.18). */
function filterFlags(flow: FlowFilter, family: 4 | 6): number {
  // Without its protocol the kernel can't tell what a port is.
  const ports = flow.protocol !== undefined
  return (
    (flow.source === undefined || family === 6 ? 0 : F_IP_SRC) |
    (flow.destination === undefined || family === 6 ? 0 : F_IP_DST) |
    (flow.protocol === undefined ? 0 : F_PROTO_NUM) |
    (ports && single(flow.sourcePort) !== undefined ? F_PROTO_SRC_PORT : 0) |
    (ports && single(flow.destinationPort) !== undefined ? F_PROTO_DST_PORT : 0)
  )
}

function single(port: number | PortRange | undefined): number | undefined {
  if (typeof port === 'object') return port.from === port.to ? port.from : undefined
  return port
}

function matches(filter: ConntrackFilter, { attributes }: Entry): boolean {
  const isTranslated = ((attributes.status ?? 0) & IPS_DST_NAT) !== 0
  const { translated = isTranslated } = 'address' in filter ? {} : filter
  if (translated !== isTranslated) return false
  return mayFit(filter, { original: flowOf(attributes.original), reply: flowOf(attributes.reply) })
}

/** Whether it fits, as far as can be seen from its addresses and ports. */
function mayFit(filter: ConntrackFilter, { original, reply }: BothWays): boolean {
  if ('address' in filter) {
    const { address } = filter
    return [original.source, original.destination, reply.source, reply.destination].includes(
      address,
    )
  }
  return fits(filter.original ?? {}, original) && fits(filter.reply ?? {}, reply)
}

function fits(wanted: FlowFilter, flow: Flow): boolean {
  const isPort = (port: number | undefined, asked: FlowFilter['sourcePort']) =>
    typeof asked === 'object'
      ? port !== undefined && asked.from <= port && port <= asked.to
      : asked === undefined || port === asked
  return (
    (wanted.source === undefined || flow.source === wanted.source) &&
    (wanted.destination === undefined || flow.destination === wanted.destination) &&
    (wanted.protocol === undefined || flow.protocol === wanted.protocol) &&
    isPort(flow.sourcePort, wanted.sourcePort) &&
    isPort(flow.destinationPort, wanted.destinationPort)
  )
}

function flowOf(value: Tuple | undefined): Flow {
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
