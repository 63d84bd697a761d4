import { familyOf } from '../../../address/address.ts'
import type { SharedTable } from '../../kernel.ts'
import type { NetnsHandle } from '../namespaces/netns-handle.ts'
import { listNeighbours } from '../rtnetlink/neighbour.ts'
import { listNeighbourTables } from '../rtnetlink/neighbour-table.ts'
import { readSysctl } from './sysctl.ts'

/** Tables that host and sandboxes share, and how full they are. */
export class SharedTables {
  readonly #netns: NetnsHandle
  /** How often there was no room before. */
  readonly #before: ReadonlyMap<4 | 6, number>

  constructor(netns: NetnsHandle) {
    this.#netns = netns
    this.#before = new Map(listNeighbourTables(netns.socket).map((it) => [it.family, it.refused]))
  }

  list(): SharedTable[] {
    const used = readSysctl('net/netfilter/nf_conntrack_count')
    const limit = readSysctl('net/netfilter/nf_conntrack_max')
    if (used === undefined || limit === undefined || limit === '0') return this.#neighbours()
    const conntrack = { table: 'conntrack', used: Number(used), limit: Number(limit) } as const
    return [...this.#neighbours(), conntrack]
  }

  #neighbours(): SharedTable[] {
    const { socket } = this.#netns
    const permanent = listNeighbours(socket).filter((it) => it.permanent)
    return listNeighbourTables(socket).map(({ family, entries, limit, refused }) => {
      const exempt = permanent.filter(({ address }) => familyOf(address) === family).length
      return {
        table: `neighbours${family}`,
        used: Math.max(0, entries - exempt),
        limit,
        refused: refused - (this.#before.get(family) ?? 0),
      }
    })
  }
}
