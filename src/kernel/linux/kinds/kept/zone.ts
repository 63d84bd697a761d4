import { isKernelError } from '../../../../base/errors.ts'
import type { ZoneResource } from '../../../kept-resource.ts'
import { resourceKey } from '../../../resource.ts'
import type { ApplyContext } from '../../apply/context.ts'
import type { Comparison } from '../../compare/comparison.ts'
import { differences, different, type Finding, missing } from '../../compare/finding.ts'
import { type KeptSockets, openAll } from '../../keeper/keeping.ts'
import { tableTarget } from '../../nftables/batch.ts'
import { compareTable } from '../../nftables/compare.ts'
import {
  findResolverPorts,
  openResolverSockets,
  type ResolverSockets,
  USUAL_PORTS,
} from '../../resolver/resolver-sockets.ts'
import { portsIn, type ResolverPorts, readResolverTable } from '../../resolver/resolver-table.ts'
import { zoneTable, zoneTableName } from '../../resolver/zone-table.ts'
import type { Ruleset } from '../../ruleset/ruleset.ts'
import { makeTable } from '../../ruleset/ruleset-batch.ts'
import type { Kind } from '../kind.ts'
import { compareKept } from './kept.ts'

export const zone: Kind<'zone'> = {
  apply: {
    listen: (context) => context.keeping.take(openZones(context)),
    drop({ plan, ruleset }) {
      ruleset.drop.push(...plan.remove.of('zone').map((it) => zoneTable(it, USUAL_PORTS)))
    },
  },
  compare: (comparison, resource) =>
    compareKept(comparison, resource) ?? compareWay(comparison, resource),
}

/**
 * The sockets of zones that are not kept yet, from the host's namespace, and the way to them from port
 * 53; where they are kept, only that is mended.
 */
function openZones({ transaction, machinery, plan, keeping }: ApplyContext): KeptSockets {
  const { ruleset } = machinery
  return openAll((opened) => {
    for (const zone of plan.add.of('zone')) {
      const key = resourceKey(zone)
      const before = (plan.before.get(key) as ZoneResource | undefined) ?? zone
      const lead = (ports: ResolverPorts | undefined) => {
        const there = tableOf(ruleset, before)
        const to = ports ?? findResolverPorts(zone.listen) ?? there?.ports ?? USUAL_PORTS
        makeTable(transaction, ruleset, zoneTable(zone, to), there?.definition)
      }
      transaction.attempt(key, () => {
        if (keeping.isKept(key)) return lead(undefined)
        const sockets = openIfPossible(zone)
        if (sockets === undefined) return
        opened.set(key, sockets.descriptors)
        lead(sockets.ports)
      })
    }
  })
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

/** The way to it from port 53. */
function compareWay({ machinery: { ruleset } }: Comparison, zone: ZoneResource): Finding {
  const name = zoneTableName(zone)
  const where = `table ${tableTarget(name)}`
  if (!ruleset.isThere(name)) return missing(`no ${where}`)
  const there = readResolverTable(ruleset.socket, name)
  const ports = there && portsIn(there)
  if (ports === undefined) return different(`${where} is not as we made it`)
  return differences(compareTable(ruleset.socket, ruleset.asPossible(zoneTable(zone, ports))))
}
