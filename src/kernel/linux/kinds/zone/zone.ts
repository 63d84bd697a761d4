import { isKernelError } from '../../../../base/errors.ts'
import type { ZoneResource } from '../../../kept-resource.ts'
import { resourceKey } from '../../../resource.ts'
import type { TableDefinition } from '../../../ruleset.ts'
import type { Machinery } from '../../apply/machinery.ts'
import type { Plan } from '../../apply/plan.ts'
import type { Transaction } from '../../apply/transaction.ts'
import { close } from '../../ffi/file.ts'
import type { Ruleset } from '../../ruleset/ruleset.ts'
import type { KeptSockets } from '../names/keeping.ts'
import {
  findResolverPorts,
  openResolverSockets,
  type ResolverSockets,
  USUAL_PORTS,
} from '../resolver/resolver-sockets.ts'
import { portsIn, type ResolverPorts, readResolverTable } from '../resolver/resolver-table.ts'
import { makeTable } from '../table/table.ts'
import { zoneTable } from './zone-table.ts'

/**
 * The sockets of zones that nobody keeps yet, from the host's namespace, and the way to them from port
 * 53; where they are kept, only that is mended.
 */
export function openZones(
  transaction: Transaction,
  { ruleset }: Machinery,
  plan: Plan,
  isKept: (key: string) => boolean,
): KeptSockets {
  const opened = new Map<string, readonly number[]>()
  try {
    for (const zone of plan.add.zones) {
      const key = resourceKey(zone)
      const before = (plan.before.get(key) as ZoneResource | undefined) ?? zone
      const lead = (ports: ResolverPorts | undefined) => {
        const there = tableOf(ruleset, before)
        const to = ports ?? findResolverPorts(zone.listen) ?? there?.ports ?? USUAL_PORTS
        makeTable(transaction, ruleset, zoneTable(zone, to), there?.definition)
      }
      transaction.attempt(key, () => {
        if (isKept(key)) return lead(undefined)
        const sockets = openIfPossible(zone)
        if (sockets === undefined) return
        opened.set(key, sockets.descriptors)
        lead(sockets.ports)
      })
    }
    return opened
  } catch (error) {
    for (const fd of [...opened.values()].flat()) close(fd)
    throw error
  }
}

/** The tables of zones that go. */
export function zoneTables({ remove }: Plan): readonly TableDefinition[] {
  return remove.zones.map((zone) => zoneTable(zone, USUAL_PORTS))
}

/** What leads to a zone now. */
function tableOf(ruleset: Ruleset, zone: ZoneResource) {
  const there = readResolverTable(ruleset.socket, zoneTable(zone, USUAL_PORTS))
  const ports = there && portsIn(there)
  return ports && { ports, definition: zoneTable(zone, ports) }
}

// It is no address of this host, all ports are taken, or others may not listen there.
const notToBeHad = ['EADDRNOTAVAIL', 'EAFNOSUPPORT', 'EADDRINUSE', 'EACCES']

function openIfPossible({ listen }: ZoneResource): ResolverSockets | undefined {
  try {
    return openResolverSockets(listen)
  } catch (error) {
    if (notToBeHad.some((errno) => isKernelError(error, errno))) return undefined
    throw error
  }
}
