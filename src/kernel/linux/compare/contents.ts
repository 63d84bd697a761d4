import { findLink } from '../links/own-link.ts'
import type { Place } from '../namespaces/place.ts'
import { isAlive, ROUTE_PROTOCOL } from '../ours.ts'
import { type LinkAddress, listAddresses } from '../rtnetlink/address.ts'
import { type Link, listLinks } from '../rtnetlink/link.ts'
import { listRoutes, type Route, RTPROT_KERNEL } from '../rtnetlink/route.ts'

/** What there is in one namespace. */
export interface Contents {
  readonly place: Place
  readonly links: ReadonlyMap<string, Link>
  readonly addresses: readonly LinkAddress[]
  readonly routes: ReadonlyMap<string, readonly Route[]>
  /** There is so much in it that something of ours may be there and not have been seen. */
  readonly isCut: boolean
}

/** `wanted`: links that are looked for. Where there are too many others, it is asked for these. */
export function readContents(place: Place, wanted: ReadonlySet<string>): Contents {
  const { socket } = place
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
    () => [...wanted].flatMap((name) => linkAt(place, name)),
  ).filter(isAlive)
  const addresses = read(
    () => listAddresses(socket),
    () => links.flatMap(({ index, name }) => (wanted.has(name) ? onLink(place, index) : [])),
  )
  const routes = read(
    () => listRoutes(socket),
    () => [ROUTE_PROTOCOL, RTPROT_KERNEL].flatMap((protocol) => listRoutes(socket, { protocol })),
  )
  return {
    place,
    links: new Map(links.map((link) => [link.name, link])),
    addresses,
    routes: byDestination(routes),
    isCut,
  }
}

function linkAt(place: Place, name: string): Link[] {
  const index = place.findIndex(name)
  const link = index === undefined ? undefined : findLink(place, index)
  return link === undefined ? [] : [link]
}

function onLink({ socket }: Place, link: number): LinkAddress[] {
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
