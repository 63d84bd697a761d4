/** What the host is like, ours or not: links, routes, resolv.conf, sysctls, figures, shared tables. */

import { existsSync } from 'node:fs'
import { type PortRange, parsePorts } from '../../../address/port.ts'
import { isKernelError } from '../../../base/errors.ts'
import { outwardOf } from '../../default-route.ts'
import type { HostLink, HostRoute, HostView } from '../../kernel.ts'
import { isPortGroup, networkOf } from '../../link-groups.ts'
import { RESOLV_CONF } from '../keeper/program.ts'
import type { NetnsHandle } from '../namespaces/netns-handle.ts'
import { isAlive, isOurs } from '../ours.ts'
import { listAddresses } from '../rtnetlink/address.ts'
import { type Link, listLinks } from '../rtnetlink/link.ts'
import {
  listRoutes,
  type Route,
  RT_TABLE_MAIN,
  RT_TABLE_UNSPEC,
  RTN_UNICAST,
} from '../rtnetlink/route.ts'
import { dockerUserFamilies } from '../ruleset/docker-user.ts'
import type { Ruleset } from '../ruleset/ruleset.ts'
import type { ThreadOptions } from '../thread/operations.ts'
import { resolvConfLines } from './resolv-conf-lines.ts'
import { readSysctl } from './sysctl.ts'

/** What is under /proc/sys/net is that of the calling thread's namespace: it has to be the host's. */
const FORCE_FORWARDING = '/proc/sys/net/ipv6/conf/all/force_forwarding'

/** Without `forceForwarding`, as a kernel that has no such sysctl would show it. */
export function hostView(
  { socket }: NetnsHandle,
  ruleset: Ruleset,
  { forceForwarding, keeper }: Pick<ThreadOptions, 'forceForwarding' | 'keeper'>,
): HostView {
  const links = listLinks(socket).filter(isAlive)
  const names = new Map(links.map(({ index, name }) => [index, name]))
  const allForwarding6 = readSysctl('net/ipv6/conf/all/forwarding') === '1'
  const routes = listRoutes(socket, { table: RT_TABLE_UNSPEC })
  return {
    links: links.map((link) => hostLink(link, allForwarding6)),
    routes: routes
      .filter(({ table }) => table === RT_TABLE_MAIN)
      .flatMap((route) => hostRoutes(route, names)),
    addresses: listAddresses(socket).flatMap(({ link, address }) => {
      const name = names.get(link)
      return name === undefined ? [] : [{ link: name, address }]
    }),
    outward: outwardLinks(routes, names),
    forceForwarding6: forceForwarding && existsSync(FORCE_FORWARDING),
    allForwarding4: readSysctl('net/ipv4/ip_forward') === '1',
    allForwarding6,
    ephemeralPorts: portRanges('net/ipv4/ip_local_port_range')[0] ?? { from: 32768, to: 60999 },
    reservedPorts: portRanges('net/ipv4/ip_local_reserved_ports'),
    dockerUser: dockerUser(ruleset),
    resolver: resolvConfLines(keeper?.resolvConf ?? RESOLV_CONF),
  }
}

/**
 * IPv6 packets are forwarded if the whole host does so, or by force; the link's own `forwarding` says
 * only whether it takes part in router discovery as a router.
 */
function hostLink(link: Link, allForwarding6: boolean): HostLink {
  const { name, mtu, kind, group, forwarding4, forceForwarding6, routeLocalnet, acceptRa6 } = link
  const isWhole = kind === 'veth' && isOurs(link) && link.peerNamespaceId === undefined
  return {
    name,
    mtu,
    type: kind ?? 'device',
    ours: isOurs(link),
    ...(isOurs(link) && isPortGroup(group) ? { portOf: networkOf(group) } : {}),
    ...(isWhole ? { otherEnd: link.carrierUps ? 'used' : 'new' } : {}),
    forwarding4,
    forwarding6: allForwarding6 || forceForwarding6,
    routeLocalnet,
    acceptRa6: acceptRa6 as HostLink['acceptRa6'],
  }
}

/** `32768<tab>60999` is one; so is each part of `8080,9000-9010`. */
function portRanges(name: string): PortRange[] {
  const text = readSysctl(name)?.replace('\t', '-') ?? ''
  return text === '' ? [] : text.split(',').map(parsePorts)
}

function dockerUser(ruleset: Ruleset): HostView['dockerUser'] {
  try {
    return dockerUserFamilies(ruleset.socket)
  } catch (error) {
    // A kernel without nftables has none of its chains.
    if (isKernelError(error, 'EPROTONOSUPPORT')) return []
    throw error
  }
}

/** One for each way a route may go. One to nowhere counts as on `lo`: it claims its destination, too. */
export function hostRoutes(
  { destination, gateway, link, nextHops }: Route,
  names: ReadonlyMap<number, string>,
): HostRoute[] {
  const hops = nextHops.length > 0 ? nextHops : [{ link, gateway }]
  return hops.flatMap((hop) => {
    const name = hop.link === undefined ? 'lo' : names.get(hop.link)
    if (name === undefined) return []
    const via = hop.gateway === undefined ? {} : { gateway: hop.gateway }
    return [{ destination, link: name, ...via }]
  })
}

/** Which links the routes of all tables say lead to the world. */
export function outwardLinks(
  routes: readonly Route[],
  names: ReadonlyMap<number, string>,
): HostView['outward'] {
  const leading = routes.filter(({ type }) => type === RTN_UNICAST)
  return outwardOf(leading.flatMap((route) => hostRoutes(route, names)))
}
