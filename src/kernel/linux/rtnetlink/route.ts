import {
  familyOf,
  type IpAddress,
  type Prefix,
  prefixAddress,
  prefixLength,
} from '../../../address/address.ts'
import { isKernelError } from '../../../base/errors.ts'
import { type Codec, i32, ipAddress, load16, malformed, u8, u16, u32 } from '../netlink/codec.ts'
import { type Message, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE } from '../netlink/message.ts'
import type { NetlinkSocket } from '../netlink/netlink-socket.ts'
import { body, schema, struct, type ValueOf } from '../netlink/schema.ts'
import { type AddressFamily, familyNumber, prefixFrom } from './family.ts'

// linux/rtnetlink.h

export const RTM_NEWROUTE = 24
export const RTM_DELROUTE = 25
export const RTM_GETROUTE = 26
export const RTNLGRP_IPV4_ROUTE = 7
export const RTNLGRP_IPV6_ROUTE = 11
/** All tables, where routes are listed. */
export const RT_TABLE_UNSPEC = 0
export const RT_TABLE_MAIN = 254
export const RTPROT_KERNEL = 2
export const RTPROT_BOOT = 3
export const RTN_UNICAST = 1

const RT_SCOPE_UNIVERSE = 0
export const RT_SCOPE_LINK = 253
const RT_SCOPE_NOWHERE = 255

const RTA_DST = 1
const RTA_OIF = 4
const RTA_GATEWAY = 5
const RTA_PRIORITY = 6
const RTA_PREFSRC = 7
const RTA_MULTIPATH = 9
const RTA_TABLE = 15
const RTA_VIA = 18

const rtmsg = struct({
  family: u8,
  destinationLength: u8,
  sourceLength: u8,
  tos: u8,
  table: u8,
  protocol: u8,
  scope: u8,
  type: u8,
  flags: u32,
})

/** RTM_…ROUTE */
export const routeBody = body(
  rtmsg,
  schema({
    destination: [RTA_DST, ipAddress],
    link: [RTA_OIF, u32],
    gateway: [RTA_GATEWAY, ipAddress],
    via: [RTA_VIA, via()],
    metric: [RTA_PRIORITY, u32],
    source: [RTA_PREFSRC, ipAddress],
    table: [RTA_TABLE, u32],
    nextHops: [RTA_MULTIPATH, nextHops()],
  }),
)

export interface NewRoute {
  /** `0.0.0.0/0` and `::/0` are the default routes. */
  readonly destination: Prefix
  readonly gateway?: IpAddress
  /** The index of the link it leaves by. */
  readonly link?: number
  readonly metric?: number
  /** Default: the main table. */
  readonly table?: number
  /** RTPROT_…: who made it. Default: RTPROT_BOOT, as with `ip`. */
  readonly protocol?: number
  /** The address packets get that don't have one yet. */
  readonly source?: IpAddress
}

/**
 * Equivalent to: `ip route add DESTINATION [via GATEWAY] [dev LINK] [metric M] [table T] [proto P] [src S]`.
 * Refused with EEXIST if there is one to that destination with that metric.
 */
export function newRoute(route: NewRoute): Message {
  return makeRoute(route, NLM_F_CREATE | NLM_F_EXCL)
}

/** Equivalent to: `ip route replace …`: as newRoute, in place of one with that destination and metric. */
export function replaceRoute(route: NewRoute): Message {
  return makeRoute(route, NLM_F_CREATE | NLM_F_REPLACE)
}

/** Equivalent to: `ip route delete …`. What is not given may be anything. Refused with ESRCH if none fits. */
export function deleteRoute(route: NewRoute): Message {
  const header = { scope: RT_SCOPE_NOWHERE, protocol: route.protocol ?? 0 }
  return message('RTM_DELROUTE', 0, route, header)
}

function makeRoute(route: NewRoute, flags: number): Message {
  return message('RTM_NEWROUTE', flags, route, {
    scope: route.gateway === undefined ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
    protocol: route.protocol ?? RTPROT_BOOT,
    type: RTN_UNICAST,
  })
}

function message(
  operation: 'RTM_NEWROUTE' | 'RTM_DELROUTE',
  flags: number,
  { destination, gateway, link, metric, source, table = RT_TABLE_MAIN }: NewRoute,
  header: { readonly scope: number; readonly protocol: number; readonly type?: number },
): Message {
  const length = prefixLength(destination)
  const head = {
    ...header,
    family: familyNumber(familyOf(destination)),
    destinationLength: length,
    table: shortTable(table),
  }
  const attributes = {
    destination: length === 0 ? undefined : prefixAddress(destination),
    gateway,
    link,
    metric,
    source,
    table: table > 255 ? table : undefined,
  }
  return {
    operation,
    type: operation === 'RTM_NEWROUTE' ? RTM_NEWROUTE : RTM_DELROUTE,
    flags,
    body: routeBody.encode(head, attributes),
    target: `route ${destination}${gateway === undefined ? '' : ` via ${gateway}`}`,
  }
}

export interface NextHop {
  /** The index of the link. */
  readonly link: number
  readonly gateway: IpAddress | undefined
}

export interface Route {
  readonly destination: Prefix
  readonly gateway: IpAddress | undefined
  /** The index of the link it leaves by; undefined for routes to nowhere and with several next hops. */
  readonly link: number | undefined
  readonly metric: number
  readonly table: number
  readonly protocol: number
  /** RTN_UNICAST, RTN_LOCAL … */
  readonly type: number
  readonly scope: number
  /** The address packets get that don't have one yet. */
  readonly source: IpAddress | undefined
  /** Several ways to one destination. */
  readonly nextHops: readonly NextHop[]
}

export interface RouteFilter {
  /** Default: both. */
  readonly family?: AddressFamily
  /** Default: the main table. */
  readonly table?: number
  readonly link?: number
  readonly protocol?: number
}

/** Equivalent to: `ip route show [table T] [dev LINK] [proto P]`, with -4 or -6 where a family is given. */
export function listRoutes(socket: NetlinkSocket, filter: RouteFilter = {}): Route[] {
  const { table = RT_TABLE_MAIN, link, protocol = 0 } = filter
  const families: readonly AddressFamily[] = filter.family === undefined ? [4, 6] : [filter.family]
  return families.flatMap((family) => {
    const header = { family: familyNumber(family), table: shortTable(table), protocol }
    const request: Message = {
      operation: 'RTM_GETROUTE',
      type: RTM_GETROUTE,
      flags: 0,
      body: routeBody.encode(header, { table, link }),
    }
    try {
      return socket.dump(request, routeBody).map(toRoute)
    } catch (error) {
      // A table comes into being with its first route.
      if (isKernelError(error, 'ENOENT')) return []
      throw error
    }
  })
}

/** A route from the body of RTM_NEWROUTE or RTM_DELROUTE. */
export function toRoute({ header, attributes }: ValueOf<typeof routeBody>): Route {
  const { destination, gateway, via: viaAddress, link, source } = attributes
  return {
    destination: prefixFrom(destination, header.destinationLength, header.family),
    gateway: gateway ?? viaAddress,
    link,
    metric: attributes.metric ?? 0,
    table: attributes.table ?? header.table,
    protocol: header.protocol,
    type: header.type,
    scope: header.scope,
    source,
    nextHops: attributes.nextHops ?? [],
  }
}

/** `rtm_table` has eight bits; 0 sends the kernel to RTA_TABLE. */
function shortTable(table: number): number {
  return table > 255 ? 0 : table
}

/** `struct rtvia`: a gateway of the other family. */
function via(): Codec<IpAddress> {
  return {
    write(writer, value) {
      writer.u16(familyNumber(familyOf(value)))
      ipAddress.write(writer, value)
    },
    read: (buffer, start, end) => ipAddress.read(buffer, Math.min(start + 2, end), end),
  }
}

/** `struct rtnexthop` with attributes behind each. */
function nextHops(): Codec<readonly NextHop[]> {
  const hop = body(
    struct({ length: u16, flags: u8, hops: u8, link: i32 }),
    schema({ gateway: [RTA_GATEWAY, ipAddress], via: [RTA_VIA, via()] }),
  )
  return {
    write(writer, hops) {
      for (const { link, gateway } of hops) {
        const start = writer.length
        hop.write(writer, {
          header: { length: 0, flags: 0, hops: 0, link },
          attributes: { gateway },
        })
        writer.patch16(start, writer.length - start)
      }
    },
    read(buffer, start, end) {
      const hops: NextHop[] = []
      for (let at = start; at < end; ) {
        const length = at + 2 <= end ? load16(buffer, at) : 0
        if (length < 8 || at + length > end) throw malformed(`a next hop of ${length} bytes`)
        const { header, attributes } = hop.read(buffer, at, at + length)
        hops.push({ link: header.link, gateway: attributes.gateway ?? attributes.via })
        at += (length + 3) & ~3
      }
      return hops
    },
  }
}
