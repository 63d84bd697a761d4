import type { Change } from '../../kernel.ts'
import { bringUp } from '../kinds/address/addressing.ts'
import { awaitNeighbourDiscovery } from '../kinds/address/neighbour-discovery.ts'
import { announce } from '../kinds/announcement/announcement.ts'
import { changeConsents } from '../kinds/consent/consent.ts'
import { changeFiles, removeFiles } from '../kinds/file/file.ts'
import { borrowLinks } from '../kinds/lent-link.ts'
import { Keeping } from '../kinds/names/keeping.ts'
import { makeNamespaces, removeNamespaces } from '../kinds/namespace.ts'
import { changeRates } from '../kinds/rate/rate.ts'
import { openRelays } from '../kinds/relay.ts'
import { addReservations, refuseTaken, removeReservations } from '../kinds/reservation.ts'
import { openResolvers } from '../kinds/resolver/resolver.ts'
import { restoreSysctls, writeSysctls } from '../kinds/sysctl.ts'
import { changeRuleset, removeTables } from '../kinds/table/table.ts'
import { makeBridges, makeVeths, settleCarriers } from '../kinds/veth/make-links.ts'
import { openZones, zoneTables } from '../kinds/zone/zone.ts'
import { Places } from '../namespaces/place.ts'
import type { Doomed } from '../thread/operations.ts'
import type { Machinery } from './machinery.ts'
import { type Plan, planOf } from './plan.ts'
import { takeAway } from './take-away.ts'
import { Transaction } from './transaction.ts'

/** What became of a change. There may be something to delete even if it failed. */
export interface Outcome {
  readonly doomed: Doomed
  /** Endpoints whose names may not be known everywhere yet. */
  readonly late: readonly string[]
  readonly error?: unknown
}

/**
 * Makes a change true, or undoes what was done of it. What comes goes from the outside in, so that
 * nothing can be reached before its firewall is there; what goes, the other way.
 */
export function apply(machinery: Machinery, change: Change): Outcome {
  const places = new Places(machinery.namespaces, machinery.host)
  const transaction = new Transaction(places)
  const plan = planOf(change)
  const keeping = new Keeping(transaction, machinery.keeper, plan)
  try {
    perform(machinery, transaction, plan, keeping)
    return { doomed: transaction.doomed, late: keeping.late }
  } catch (error) {
    transaction.rollback()
    return { doomed: transaction.doomed, late: [], error }
  } finally {
    keeping.close()
    places.close()
  }
}

function perform(
  machinery: Machinery,
  transaction: Transaction,
  plan: Plan,
  keeping: Keeping,
): void {
  const { namespaces, stock, ruleset } = machinery
  const { add, remove } = plan
  keeping.prepare()
  refuseTaken(machinery, plan)
  keeping.tellEarly()
  // Before their ports are reserved, which would keep us off as well.
  keeping.take(openRelays(transaction, machinery, plan))
  const dyingLinks = takeAway(transaction, plan)
  // Forwarding ends before the firewall forgets what it is for.
  restoreSysctls(transaction, namespaces, plan)
  addReservations(transaction, machinery, plan)
  changeRuleset(transaction, ruleset, plan)
  makeNamespaces(transaction, stock, add.namespaces)
  const isKept = (key: string) => keeping.isKept(key)
  keeping.take(openResolvers(transaction, machinery, plan, isKept))
  keeping.take(openZones(transaction, machinery, plan, isKept))
  keeping.tell()
  changeFiles(transaction, machinery.hindrances, plan)
  makeBridges(transaction, add.bridges)
  makeVeths(transaction, plan)
  borrowLinks(transaction, add.lentLinks)
  writeSysctls(transaction, namespaces, plan)
  bringUp(transaction, plan)
  changeRates(transaction, plan)
  settleCarriers(transaction, add.veths)
  awaitNeighbourDiscovery(transaction, add.addresses)
  announce(transaction, machinery, plan)
  changeConsents(transaction, ruleset, plan)
  keeping.hear()
  removeReservations(transaction, machinery, plan)
  removeNamespaces(transaction, remove.namespaces, dyingLinks)
  removeFiles(transaction, machinery.hindrances, plan)
  keeping.beforeRelease()
  removeTables(ruleset, [...remove.tables.map((it) => it.definition), ...zoneTables(plan)])
  keeping.release()
}
