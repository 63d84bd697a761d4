import { cidrAddress, contains, familyOf, parsePrefix } from '../../../address/address.ts'
import { LINK_GROUP } from '../../link-groups.ts'
import { outwardLinks } from '../host/host-view.ts'
import type { NetlinkSocket } from '../netlink/netlink-socket.ts'
import { isAlive } from '../ours.ts'
import { listAddresses } from '../rtnetlink/address.ts'
import { listLinks } from '../rtnetlink/link.ts'
import { listRoutes, RT_TABLE_UNSPEC } from '../rtnetlink/route.ts'

interface LinkOf {
  readonly family: 4 | 6
  readonly link: string
}

/** What there is to be reached from our bridges. */
export interface Surroundings {
  /** Bridges of ours. */
  readonly bridges: readonly string[]
  /** Those of them from which packets go elsewhere. */
  readonly leaving: readonly LinkOf[]
  /** Links that lead to the world. */
  readonly outward: readonly LinkOf[]
  /**
   * Links with an address and no way to the world: a LAN, a VPN. Without the bridges of others: whose
   * containers and machines are there, and who may reach them, is not known.
   */
  readonly local: readonly LinkOf[]
}

const linkLocal = parsePrefix('fe80::/10')

export function surroundings(socket: NetlinkSocket, leaving: readonly string[]): Surroundings {
  const links = listLinks(socket).filter(isAlive)
  const names = new Map(links.map(({ index, name }) => [index, name]))
  const ours = links.filter(({ kind, group }) => kind === 'bridge' && group === LINK_GROUP)
  const outward = outwardLinks(listRoutes(socket, { table: RT_TABLE_UNSPEC }), names)
  const isOutward = ({ family, link }: LinkOf) =>
    outward.some((each) => each.family === family && each.link === link)
  const others = new Set(links.filter(({ kind }) => kind !== 'bridge').map(({ name }) => name))
  const addressed = withAddresses(socket, names)
  return {
    bridges: ours.map(({ name }) => name),
    leaving: addressed.filter(({ link }) => leaving.includes(link)),
    outward,
    local: addressed.filter((each) => others.has(each.link) && !isOutward(each)),
  }
}

function withAddresses(socket: NetlinkSocket, names: ReadonlyMap<number, string>): LinkOf[] {
  const found = new Map<string, LinkOf>()
  for (const { link: index, address } of listAddresses(socket)) {
    const link = names.get(index)
    const family = familyOf(address)
    if (link === undefined || link === 'lo' || contains(linkLocal, cidrAddress(address))) continue
    found.set(`${family} ${link}`, { family, link })
  }
  return [...found.values()]
}
