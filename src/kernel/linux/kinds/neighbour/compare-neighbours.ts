import type { Difference } from '../../../kernel.ts'
import type { FdbResource, NeighbourResource } from '../../../resource.ts'
import type { NetlinkSocket } from '../../netlink/netlink-socket.ts'
import { ROUTE_PROTOCOL } from '../../ours.ts'
import { type FdbEntry, listFdb } from '../../rtnetlink/fdb.ts'
import type { Link } from '../../rtnetlink/link.ts'
import { listNeighbours, type Neighbour } from '../../rtnetlink/neighbour.ts'

type Finding = Omit<Difference, 'resource'> | undefined

/** Compares the host's neighbours, and where its bridges have MACs; each table is listed once. */
export class NeighbourComparison {
  readonly #socket: NetlinkSocket
  readonly #links: ReadonlyMap<string, Link>
  readonly #elsewhere: ReadonlySet<string>
  /** By link and address. */
  #neighbours: ReadonlyMap<string, Neighbour> | undefined
  /** By MAC, for each bridge. */
  readonly #fdbs = new Map<number, ReadonlyMap<string, FdbEntry>>()

  /** `elsewhere`: links that may be gone, and nothing is missing. */
  constructor(
    socket: NetlinkSocket,
    links: ReadonlyMap<string, Link>,
    elsewhere: ReadonlySet<string>,
  ) {
    this.#socket = socket
    this.#links = links
    this.#elsewhere = elsewhere
  }

  neighbour({ link, address, mac }: NeighbourResource): Finding {
    const index = this.#links.get(link)?.index
    this.#neighbours ??= new Map(
      listNeighbours(this.#socket).map((it) => [`${it.link} ${it.address}`, it]),
    )
    const found = this.#neighbours.get(`${index} ${address}`)
    if (index === undefined || !found?.permanent) {
      return { state: 'missing', detail: `no permanent neighbour ${address} on ${link}` }
    }
    if (found.mac !== mac) {
      const detail = `neighbour ${address} on ${link} has address ${found.mac}, not ${mac}`
      return { state: 'different', detail }
    }
    // A kernel that can't keep whose it is says nothing.
    if (found.protocol === undefined || found.protocol === ROUTE_PROTOCOL) return undefined
    return { state: 'different', detail: `neighbour ${address} on ${link} isn't ours` }
  }

  fdb({ link, bridge, mac }: FdbResource): Finding {
    const port = this.#links.get(link)
    if (port === undefined && this.#elsewhere.has(link)) return undefined
    const master = this.#links.get(bridge)?.index
    const isPort = master !== undefined && port?.master === master
    const found = isPort ? this.#of(master).get(mac) : undefined
    if (found === undefined || found.port !== port?.index || !found.fixed) {
      const detail = `bridge ${bridge} has no fixed entry for ${mac} at ${link}`
      return { state: 'missing', detail }
    }
    return undefined
  }

  #of(bridge: number): ReadonlyMap<string, FdbEntry> {
    let all = this.#fdbs.get(bridge)
    if (all === undefined) {
      all = new Map(listFdb(this.#socket, bridge).map((entry) => [entry.mac, entry]))
      this.#fdbs.set(bridge, all)
    }
    return all
  }
}
