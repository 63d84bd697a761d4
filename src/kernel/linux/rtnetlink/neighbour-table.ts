import { bytes, load32, string, u8, u32 } from '../netlink/codec.ts'
import type { Message } from '../netlink/message.ts'
import type { NetlinkSocket } from '../netlink/netlink-socket.ts'
import { body, padding, schema, struct } from '../netlink/schema.ts'
import type { AddressFamily } from './family.ts'

// linux/neighbour.h

const RTM_GETNEIGHTBL = 66

const NDTA_NAME = 1
const NDTA_THRESH3 = 4
const NDTA_CONFIG = 5
const NDTA_STATS = 7
/** In struct ndt_config, behind the sizes of a key and of an entry. */
const NDTC_ENTRIES = 4
/** In struct ndt_stats: how often an entry found no room. */
const NDTS_TABLE_FULLS = 80

const families: Readonly<Record<string, AddressFamily>> = { arp_cache: 4, ndisc_cache: 6 }

const tableBody = body(
  struct({ family: u8, pad: padding(3) }),
  schema({
    name: [NDTA_NAME, string],
    limit: [NDTA_THRESH3, u32],
    config: [NDTA_CONFIG, bytes],
    statistics: [NDTA_STATS, bytes],
  }),
)

export interface NeighbourTable {
  readonly family: AddressFamily
  /** Of all namespaces of the machine, permanent ones included. */
  readonly entries: number
  /** `net/ipv4/neigh/default/gc_thresh3`: so many that aren't permanent there can be. */
  readonly limit: number
  /** How many have found no room since the machine is up. */
  readonly refused: number
}

/** What is the machine's of its tables of neighbours. Equivalent to: `ip -statistics ntable show`. */
export function listNeighbourTables(socket: NetlinkSocket): NeighbourTable[] {
  const request: Message = {
    operation: 'RTM_GETNEIGHTBL',
    type: RTM_GETNEIGHTBL,
    flags: 0,
    body: tableBody.encode({}, {}),
  }
  return socket.dump(request, tableBody).flatMap(({ attributes }) => {
    const { name = '', limit, config, statistics } = attributes
    const family = families[name]
    // What is about one link only has no limit.
    if (family === undefined || limit === undefined || !config || !statistics) return []
    const entries = load32(Buffer.from(config), NDTC_ENTRIES)
    const refused = Number(Buffer.from(statistics).readBigUInt64LE(NDTS_TABLE_FULLS))
    return [{ family, limit, entries, refused }]
  })
}
