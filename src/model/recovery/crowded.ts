import type { SharedTable } from '../../kernel/kernel.ts'
import type { Engine } from '../engine.ts'

/** A table that all share and that will be full soon: the sentence, and the command for more room. */
interface Crowded {
  readonly detail: string
  readonly remedy: string
}

/** From here on it is told: who is new may soon find no room. */
const MUCH = 0.8

/** What any one sandbox could use up for all, as long as there is something of ours. */
export async function crowdedTables({ kernel, state }: Engine): Promise<Crowded[]> {
  const joined = state.endpoints.all().filter((endpoint) => endpoint.joined !== undefined)
  if (joined.length === 0) return []
  const tables = await kernel.sharedTables()
  return tables.flatMap((shared) => {
    const { table, used, limit, refused } = shared
    // Each sandbox remembers at least its gateway, in the same table.
    const family = table === 'neighbours4' ? 'ipv4' : table === 'neighbours6' ? 'ipv6' : undefined
    const expected = family ? joined.filter((endpoint) => endpoint[family]).length : 0
    const isMuch = Math.max(used, expected) > MUCH * limit
    // A table of neighbours is often nearly full of old ones, which the kernel drops when it needs the room.
    const isHarmless = expected <= MUCH * limit && refused === 0
    return isMuch && !isHarmless ? [crowded(shared, Math.max(used, expected))] : []
  })
}

function crowded({ table, limit }: SharedTable, used: number): Crowded {
  if (table === 'conntrack') {
    return {
      detail: `${used} of ${limit} connections are tracked: when there is no more room, new ones are dropped`,
      remedy: `sysctl -w net.netfilter.nf_conntrack_max=${4 * limit}`,
    }
  }
  const version = table === 'neighbours4' ? 'ipv4' : 'ipv6'
  const words = version === 'ipv4' ? 'IPv4' : 'IPv6'
  return {
    detail: `there are, or are to be, ${used} of ${limit} ${words} neighbours on the whole machine: when there is no more room, host and sandboxes find no new ones`,
    remedy: `sysctl -w net.${version}.neigh.default.gc_thresh3=${4 * Math.max(limit, used)}`,
  }
}
