import { findLink } from '../links/own-link.ts'
import type { NetnsHandle } from '../namespaces/netns-handle.ts'
import { isAlive, ROUTE_PROTOCOL } from '../ours.ts'
import { type LinkAddress, listAddresses } from '../rtnetlink/address.ts'
import { type Link, listLinks } from '../rtnetlink/link.ts'
import { listRoutes, type Route, RTPROT_KERNEL } from '../rtnetlink/route.ts'

/** What there is in one namespace. */
export interface Contents {
  readonly netns: NetnsHandle
  readonly links: ReadonlyMap<string, Link>
  readonly addresses: readonly LinkAddress[]
  readonly routes: ReadonlyMap<string, readonly Route[]>
  /** There is so much in it that something of ours may be there and not have been seen. */
  readonly isCut: boolean
}

/** `wanted`: links that are looked for. Where there are too many others, it is asked for these. */
export function readContents(netns: NetnsHandle, wanted: ReadonlySet<string>): Contents {
  const { socket } = netns
  let isCut = false
  const read = <T>(all: () => T[], few: () => T[]): T[] => {
    const found = all()
    if (!socket.takeCut()) return found
    const some = few()
    isCut = socket.takeCut() || isCut
    return some
  }
  const links = read(
    () => listLinks(socket),
    () => [...wanted].flatMap((name) => linkAt(netns, name)),
  ).filter(isAlive)
  const addresses = read(
    () => listAddresses(socket),
    () => links.flatMap(({ index, name }) => (wanted.has(name) ? onLink(netns, index) : [])),
  )
  const routes = read(
    () => listRoutes(socket),
    () => [ROUTE_PROTOCOL, RTPROT_KERNEL].flatMap((protocol) => listRoutes(socket, { protocol })),
  )
  return {
    netns,
    links: new Map(links.map((link) => [link.name, link])),
    addresses,
    routes: byDestination(routes),
    isCut,
  }
}

function linkAt(netns: NetnsHandle, name: string): Link[] {
  const index = netns.findIndex(name)
  const link = index === undefined ? undefined : findLink(netns, index)
  return link === undefined ? [] : [link]
}

function onLink({ socket }: NetnsHandle, link: number): LinkAddress[] {
  return listAddresses(socket, { link })
}

/** undefined: it is of no link, or of none in particular. */
export function linkOfSysctl(name: string): string | undefined {
  const link = /^net\/ipv[46]\/(?:conf|neigh)\/([^/]+)\//.exec(name)?.[1]
  return link === 'all' || link === 'default' ? undefined : link
}

function byDestination(routes: readonly Route[]): Map<string, Route[]> {
  const map = new Map<string, Route[]>()
  for (const route of routes) {
    const list = map.get(route.destination)
    if (list === undefined) map.set(route.destination, [route])
    else list.push(route)
  }
  return map
}
