import { isKernelError } from '../../../base/errors.ts'
import { isDefaultRoute } from '../../default-route.ts'
import type { HostRoute, KernelEvent } from '../../kernel.ts'
import { hostRoutes } from '../host/host-view.ts'
import { NFNLGRP_NFTABLES } from '../netlink/netfilter.ts'
import {
  NETLINK_NETFILTER,
  NETLINK_ROUTE,
  NetlinkSocket,
  type Notification,
} from '../netlink/netlink-socket.ts'
import { isAlive, isOurs, ROUTE_PROTOCOL } from '../ours.ts'
import {
  addressBody,
  RTM_DELADDR,
  RTM_NEWADDR,
  RTNLGRP_IPV4_IFADDR,
  RTNLGRP_IPV6_IFADDR,
  toLinkAddress,
} from '../rtnetlink/address.ts'
import {
  getLink,
  type Link,
  listLinks,
  RTM_DELLINK,
  RTM_NEWLINK,
  RTNLGRP_LINK,
} from '../rtnetlink/link.ts'
import { readLinkName } from '../rtnetlink/link-name.ts'
import {
  netconfBody,
  RTM_NEWNETCONF,
  RTNLGRP_IPV4_NETCONF,
  RTNLGRP_IPV6_NETCONF,
  toForwardingChange,
} from '../rtnetlink/netconf.ts'
import {
  RT_TABLE_MAIN,
  RTM_DELROUTE,
  RTM_NEWROUTE,
  RTN_UNICAST,
  RTNLGRP_IPV4_ROUTE,
  RTNLGRP_IPV6_ROUTE,
  routeBody,
  toRoute,
} from '../rtnetlink/route.ts'
import type { RulesetPort } from '../ruleset/ruleset-port.ts'
import { RulesetEvents } from './ruleset-events.ts'

const ROUTE_GROUPS = [
  RTNLGRP_LINK,
  RTNLGRP_IPV4_IFADDR,
  RTNLGRP_IPV6_IFADDR,
  RTNLGRP_IPV4_ROUTE,
  RTNLGRP_IPV6_ROUTE,
  RTNLGRP_IPV4_NETCONF,
  RTNLGRP_IPV6_NETCONF,
]

type NamedLink = Pick<Link, 'index' | 'name' | 'group'>

/** Listens to the host's multicast groups and says it in the door's words. */
export class HostEvents {
  readonly #routes = new NetlinkSocket(NETLINK_ROUTE)
  readonly #ruleset = rulesetSocket()
  readonly #rulesetEvents: RulesetEvents
  /** What the links are called that messages name by index. */
  #links: Map<number, NamedLink>

  /**
   * Made in the host's namespace. `request` is another socket there, for questions; what comes by `ours`
   * isn't told.
   */
  constructor(request: NetlinkSocket, ours: RulesetPort) {
    this.#rulesetEvents = new RulesetEvents(ours)
    for (const group of ROUTE_GROUPS) this.#routes.join(group)
    this.#links = linkTable(request)
  }

  /** What has to be waited on; when one is readable, `read` has something. */
  get descriptors(): readonly number[] {
    return [this.#routes, this.#ruleset].flatMap((socket) => (socket ? [socket.fd] : []))
  }

  /** The one of them that hears of the ruleset, if this kernel has nftables. */
  get ruleset(): number | undefined {
    return this.#ruleset?.fd
  }

  read(request: NetlinkSocket): KernelEvent[] {
    const network = this.#routes.receive()
    const ruleset = this.#ruleset?.receive()
    const events = [
      ...network.notifications.flatMap((notification) =>
        this.#networkEvents(request, notification),
      ),
      ...this.#rulesetEvents.of(ruleset?.notifications ?? []),
    ]
    if (!network.overrun && !ruleset?.overrun) return events
    this.#links = linkTable(request)
    return [...events, { type: 'resync' }]
  }

  close(): void {
    this.#routes.close()
    this.#ruleset?.close()
  }

  #networkEvents(request: NetlinkSocket, { header, body }: Notification): KernelEvent[] {
    switch (header.type) {
      case RTM_NEWLINK:
      case RTM_DELLINK:
        return this.#linkEvents(header.type, body)
      case RTM_NEWADDR:
      case RTM_DELADDR:
        return this.#addressEvents(header.type, body)
      case RTM_NEWROUTE:
      case RTM_DELROUTE:
        return this.#routeEvents(header.type, body)
      case RTM_NEWNETCONF:
        return this.#forwardingEvents(request, body)
      default:
        return []
    }
  }

  #linkEvents(type: number, body: Buffer): KernelEvent[] {
    const link = readLinkName(body)
    // Messages of family AF_BRIDGE are about ports: leaving a bridge isn't going.
    if (link.family !== 0) return []
    const before = this.#links.get(link.index)
    const gone = (name: string): KernelEvent => ({ type: 'link', change: 'gone', name })
    if (type === RTM_DELLINK) {
      this.#links.delete(link.index)
      return isAlive(link) ? [gone(link.name)] : []
    }
    this.#links.set(link.index, link)
    const renamed = before !== undefined && before.name !== link.name && isAlive(before)
    return [
      ...(renamed ? [gone(before.name)] : []),
      ...(isForeign(link) ? [{ type: 'link', change: 'set', name: link.name } as const] : []),
    ]
  }

  #addressEvents(type: number, body: Buffer): KernelEvent[] {
    const { link: index, address } = toLinkAddress(addressBody.decode(body))
    const link = this.#links.get(index)
    if (link === undefined || !isAlive(link)) return []
    if (type === RTM_DELADDR) return [{ type: 'address', change: 'gone', link: link.name, address }]
    return isForeign(link) ? [{ type: 'address', change: 'set', link: link.name, address }] : []
  }

  #forwardingEvents(request: NetlinkSocket, body: Buffer): KernelEvent[] {
    const change = toForwardingChange(netconfBody.decode(body))
    const link = change && this.#links.get(change.link)
    if (change === undefined || link === undefined || !isAlive(link)) return []
    const { family, on = isForced(request, link) } = change
    if (on && !isForeign(link)) return []
    return [{ type: 'forwarding', link: link.name, family, on }]
  }

  #routeEvents(type: number, body: Buffer): KernelEvent[] {
    const route = toRoute(routeBody.decode(body))
    const matters = route.table === RT_TABLE_MAIN || isDefaultRoute(route.destination)
    if (!matters || route.type !== RTN_UNICAST) return []
    const isSet = type === RTM_NEWROUTE
    if (isSet && route.protocol === ROUTE_PROTOCOL) return []
    const eligible = [...this.#links.values()].filter(isSet ? isForeign : isAlive)
    const names = new Map(eligible.map(({ index, name }) => [index, name]))
    const change = isSet ? 'set' : 'gone'
    return hostRoutes(route, names).map((it: HostRoute) => ({ type: 'route', change, route: it }))
  }
}

function isForeign(link: NamedLink): boolean {
  return !isOurs(link) && isAlive(link)
}

function isForced(request: NetlinkSocket, { index }: NamedLink): boolean {
  try {
    return getLink(request, index).forceForwarding6
  } catch (error) {
    if (isKernelError(error, 'ENODEV')) return false
    throw error
  }
}

function linkTable(request: NetlinkSocket): Map<number, NamedLink> {
  return new Map(listLinks(request).map((link) => [link.index, link]))
}

/** undefined: this kernel has no nftables. */
function rulesetSocket(): NetlinkSocket | undefined {
  try {
    const socket = new NetlinkSocket(NETLINK_NETFILTER)
    socket.join(NFNLGRP_NFTABLES)
    return socket
  } catch (error) {
    if (isKernelError(error, 'EPROTONOSUPPORT')) return undefined
    throw error
  }
}
