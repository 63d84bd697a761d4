import { familyOf } from '../../address/address.ts'
import type { SharedTable } from '../kernel.ts'
import type { Place } from './place.ts'
import { listNeighbours } from './rtnetlink/neighbour.ts'
import { listNeighbourTables } from './rtnetlink/neighbour-table.ts'
import { readSysctl } from './sysctl.ts'

/** Tables that host and sandboxes share, and how full they are. */
export function sharedTables({ socket }: Place): SharedTable[] {
  const permanent = listNeighbours(socket).filter((it) => it.permanent)
  const neighbours = listNeighbourTables(socket).map(({ family, entries, limit }): SharedTable => {
    const exempt = permanent.filter(({ address }) => familyOf(address) === family).length
    return { table: `neighbours${family}`, used: Math.max(0, entries - exempt), limit }
  })
  const used = readSysctl('net/netfilter/nf_conntrack_count')
  const limit = readSysctl('net/netfilter/nf_conntrack_max')
  if (used === undefined || limit === undefined || limit === '0') return neighbours
  return [...neighbours, { table: 'conntrack', used: Number(used), limit: Number(limit) }]
}
