import { existsSync } from 'node:fs'
import type { HostLink, HostRoute, HostView } from '../kernel.ts'
import { CONDEMNED_GROUP, DYING_GROUP, LINK_GROUP } from './ours.ts'
import type { Place } from './place.ts'
import { listAddresses } from './rtnetlink/address.ts'
import { type Link, listLinks } from './rtnetlink/link.ts'
import { forwardingLinks } from './rtnetlink/netconf.ts'
import { listRoutes, type Route } from './rtnetlink/route.ts'

/** What is under /proc/sys/net is that of the calling thread's namespace: it has to be the host's. */
const FORCE_FORWARDING = '/proc/sys/net/ipv6/conf/all/force_forwarding'

export function hostView({ socket }: Place): HostView {
  const links = listLinks(socket).filter(isAlive)
  const forwarding4 = forwardingLinks(socket, 4)
  const forwarding6 = forwardingLinks(socket, 6)
  const names = new Map(links.map(({ index, name }) => [index, name]))
  return {
    links: links.map(
      ({ index, name, mtu, kind, group }): HostLink => ({
        name,
        mtu,
        type: kind ?? 'device',
        ours: group === LINK_GROUP,
        forwarding4: forwarding4.has(index),
        forwarding6: forwarding6.has(index),
        routeLocalnet: false,
        acceptRa6: 0,
      }),
    ),
    routes: listRoutes(socket).flatMap((route) => hostRoutes(route, names)),
    addresses: listAddresses(socket).flatMap(({ link, address }) => {
      const name = names.get(link)
      return name === undefined ? [] : [{ link: name, address }]
    }),
    forceForwarding6: existsSync(FORCE_FORWARDING),
    allForwarding6: false,
    ephemeralPorts: { from: 32768, to: 60999 },
    reservedPorts: [],
    dockerUser: [],
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

export function isAlive({ group }: Link): boolean {
  return group !== CONDEMNED_GROUP && group !== DYING_GROUP
}
