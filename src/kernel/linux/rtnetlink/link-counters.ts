import { type Codec, load32, malformed } from '../netlink/codec.ts'
import type { NetlinkSocket } from '../netlink/netlink-socket.ts'
import { forEachAttribute } from '../netlink/schema.ts'
import { everyLink } from './link.ts'
import { IFLA_GROUP, IFLA_IFNAME, ifinfomsg } from './link-schema.ts'

// linux/if_link.h
const IFLA_STATS64 = 23

// Members of `struct rtnl_link_stats64`, counted from 0.
const RX_PACKETS = 0
const TX_PACKETS = 1
const RX_BYTES = 2
const TX_BYTES = 3
const RX_ERRORS = 4
const TX_ERRORS = 5
const RX_DROPPED = 6
const TX_DROPPED = 7
const LEAST_BYTES = 8 * (TX_DROPPED + 1)

/** What a link has counted since it was made. */
interface LinkCounters {
  readonly name: string
  readonly group: number
  readonly received: Counters
  readonly sent: Counters
}

interface Counters {
  readonly bytes: number
  readonly packets: number
  readonly dropped: number
  readonly errors: number
}

/** Equivalent to: `ip -statistics link show`. */
export function listCounters(socket: NetlinkSocket): LinkCounters[] {
  return socket.dump(everyLink(), counted)
}

/**
 * The body of RTM_NEWLINK. There may be thousands, and each says a lot more than these: they are read
 * without a schema, which would keep all the rest.
 */
export const counted: Pick<Codec<LinkCounters>, 'read'> = {
  read(buffer, start, end) {
    let name = ''
    let group = 0
    let counters = -1
    if (end - start < ifinfomsg.size) throw malformed(`a link in ${end - start} bytes`)
    forEachAttribute(buffer, start + ifinfomsg.size, end, (id, from, to) => {
      if (id === IFLA_IFNAME) name = buffer.toString('utf8', from, to - 1)
      else if (id === IFLA_GROUP && to - from === 4) group = load32(buffer, from)
      else if (id === IFLA_STATS64 && to - from >= LEAST_BYTES) counters = from
    })
    if (counters < 0) throw malformed(`link ${name} without counters`)
    const at = (member: number) => loadCount(buffer, counters + 8 * member)
    return {
      name,
      group,
      received: {
        bytes: at(RX_BYTES),
        packets: at(RX_PACKETS),
        dropped: at(RX_DROPPED),
        errors: at(RX_ERRORS),
      },
      sent: {
        bytes: at(TX_BYTES),
        packets: at(TX_PACKETS),
        dropped: at(TX_DROPPED),
        errors: at(TX_ERRORS),
      },
    }
  },
}

/** Exact up to 9 petabytes. */
function loadCount(buffer: Buffer, at: number): number {
  return load32(buffer, at) + load32(buffer, at + 4) * 2 ** 32
}
