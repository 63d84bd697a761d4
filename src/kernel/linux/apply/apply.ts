import type { Change } from '../../kernel.ts'
import type { Announcer } from '../announcer.ts'
import type { Namespaces } from '../namespace.ts'
import type { NamespaceStock } from '../namespace-stock.ts'
import type { OpenRelays } from '../open-relays.ts'
import type { Doomed } from '../operations.ts'
import { type Place, Places } from '../place.ts'
import type { PortReservations } from '../port-reservations.ts'
import type { Ruleset } from '../ruleset.ts'
import { bringUp } from './addressing.ts'
import { announce } from './announcements.ts'
import { changeConsents } from './consents.ts'
import { makeBridges, makeVeths, settleCarriers } from './make-links.ts'
import { makeNamespaces, removeNamespaces } from './namespaces.ts'
import { awaitNeighbourDiscovery } from './neighbour-discovery.ts'
import { planOf } from './plan.ts'
import { changeRates } from './rates.ts'
import { openRelays } from './relays.ts'
import { addReservations, refuseTaken, removeReservations } from './reservations.ts'
import { restoreSysctls, writeSysctls } from './sysctls.ts'
import { changeRuleset, removeTables } from './tables.ts'
import { takeAway } from './take-away.ts'
import { Transaction } from './transaction.ts'

export interface Machinery {
  readonly namespaces: Namespaces
  readonly stock: NamespaceStock
  readonly host: Place
  readonly ruleset: Ruleset
  readonly reservations: PortReservations
  readonly announcer: Announcer
  readonly relays: OpenRelays
}

/** What became of a change. There may be something to delete even if it failed. */
export interface Outcome {
  readonly doomed: Doomed
  /** Sockets of the new relays, in the order of the change. */
  readonly sockets: readonly number[]
  readonly error?: unknown
}

/**
 * Makes a change true, or undoes what was done of it. What comes goes from the outside in, so that
 * nothing can be reached before its firewall is there; what goes, the other way.
 */
export function apply(machinery: Machinery, change: Change): Outcome {
  const places = new Places(machinery.namespaces, machinery.host)
  const transaction = new Transaction(places)
  try {
    const sockets = perform(machinery, transaction, change)
    return { doomed: transaction.doomed, sockets }
  } catch (error) {
    transaction.rollback()
    return { doomed: transaction.doomed, sockets: [], error }
  } finally {
    places.close()
  }
}

function perform(
  machinery: Machinery,
  transaction: Transaction,
  change: Change,
): readonly number[] {
  const { namespaces, stock, ruleset } = machinery
  const plan = planOf(change)
  const { add, remove } = plan
  refuseTaken(machinery, plan)
  // Before their ports are reserved, which would keep us off as well.
  const sockets = openRelays(transaction, machinery, plan)
  const dyingLinks = takeAway(transaction, plan)
  // Forwarding ends before the firewall forgets what it is for.
  restoreSysctls(transaction, namespaces, plan)
  addReservations(transaction, machinery, plan)
  changeRuleset(transaction, ruleset, plan)
  makeNamespaces(transaction, stock, add.namespaces)
  makeBridges(transaction, add.bridges)
  makeVeths(transaction, add.veths)
  writeSysctls(transaction, namespaces, plan)
  bringUp(transaction, plan)
  changeRates(transaction, plan)
  settleCarriers(transaction, add.veths)
  awaitNeighbourDiscovery(transaction, add.addresses)
  announce(transaction, machinery, plan)
  changeConsents(transaction, ruleset, plan)
  removeReservations(transaction, machinery, plan)
  removeNamespaces(transaction, remove.namespaces, dyingLinks)
  removeTables(ruleset, remove.tables)
  return sockets
}
