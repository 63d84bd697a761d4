import { isDeepStrictEqual } from 'node:util'
import { isKernelError } from '../../../base/errors.ts'
import {
  type ElementResource,
  eachElement,
  type FlowsResource,
  resourceKey,
  type TableResource,
} from '../../resource.ts'
import type { TableDefinition } from '../../ruleset.ts'
import { Batch, tableTarget } from '../nftables/batch.ts'
import { changeElements, type ElementChange } from '../nftables/change-elements.ts'
import { compareTable } from '../nftables/compare.ts'
import { elementTarget, type Place, shapeFor } from '../nftables/element.ts'
import { listRules, listSetDefinitions } from '../nftables/list.ts'
import { assertRun } from '../nftables/run.ts'
import { ownedByAnother, type Ruleset } from '../ruleset.ts'
import { about } from '../wire-error.ts'
import { flowsChange, QuietSenders } from './flows.ts'
import type { Plan } from './plan.ts'
import type { Transaction } from './transaction.ts'

/** Tables in `add`, then all elements that come and go and all quiet senders, in one transaction. */
export function changeRuleset(transaction: Transaction, ruleset: Ruleset, plan: Plan): void {
  for (const table of plan.add.tables) {
    const key = resourceKey(table)
    const before = (plan.before.get(key) as TableResource | undefined)?.definition
    transaction.attempt(key, () => makeTable(transaction, ruleset, table.definition, before))
  }
  const flows = flowsChange(plan)
  const unknown = unknownTables(ruleset, [
    ...plan.remove.elements,
    ...flows.ended.map(({ quiet }) => quiet),
  ])
  const definitions = [...ruleset.definitions, ...unknown]
  const remove = plan.remove.elements.filter((element) => mayBeThere(ruleset, unknown, element))
  const { elements: add } = plan.add
  const ended = flows.ended.filter(({ quiet }) =>
    setsOf(quiet).every((set) => isSet(definitions, set)),
  )
  if (remove.length + add.length + ended.length + flows.begun.length === 0) return
  for (const element of remove) assertElement(transaction, definitions, element)
  for (const element of add) assertElement(transaction, ruleset.definitions, element)
  for (const begun of flows.begun) {
    transaction.attempt(resourceKey(begun), () => {
      for (const set of setsOf(begun.quiet)) shapeFor(ruleset.definitions, set)
    })
  }
  const senders = new QuietSenders(ruleset.socket, definitions, ruleset.quiet, { ...flows, ended })
  try {
    transact(transaction, ruleset, definitions, { remove, add }, senders)
  } catch (error) {
    throw aboutElement(error, definitions, [...remove, ...add])
  }
}

function transact(
  transaction: Transaction,
  ruleset: Ruleset,
  definitions: readonly TableDefinition[],
  change: ElementChange,
  senders: QuietSenders,
): void {
  const { socket } = ruleset
  const commit = (batch: Batch) => ruleset.commit(batch)
  const perform = () =>
    changeElements(socket, definitions, change, {
      compareOwners: true,
      also: (batch) => senders.write(batch),
      commit,
    })
  let done = unlessFull(perform)
  if (done === undefined) {
    senders.makeDo()
    done = perform()
  }
  const back = { remove: done.add, add: done.remove }
  transaction.onRollback(() => {
    const also = (batch: Batch) => senders.writeBack(batch)
    changeElements(socket, definitions, back, { also, commit })
  })
  const { rest } = senders
  if (rest === undefined) return
  changeElements(socket, definitions, { remove: [], add: [] }, { also: (it) => rest.write(it) })
}

/** undefined: a set had no room left. */
function unlessFull(perform: () => ElementChange): ElementChange | undefined {
  try {
    return perform()
  } catch (error) {
    if (isKernelError(error, 'ENFILE')) return undefined
    throw error
  }
}

function assertElement(
  transaction: Transaction,
  definitions: readonly TableDefinition[],
  element: ElementResource,
): void {
  transaction.attempt(resourceKey(element), () => {
    assertRun(shapeFor(definitions, element), element)
  })
}

/**
 * Tables in `remove`, all at once. The last thing of a change: nothing could bring back what
 * others, and packets, have put into them.
 */
export function removeTables(ruleset: Ruleset, tables: readonly TableDefinition[]): void {
  if (tables.length === 0) return
  const there = tables.filter((definition) => ruleset.isThere(definition))
  const batch = new Batch()
  for (const definition of there) {
    // One that isn't ours alone goes only if nobody has written anything into it.
    const isFree = definition.owned || listRules(ruleset.socket, definition).length === 0
    if (isFree) batch.deleteTable(definition)
  }
  batch.commit(ruleset.socket)
  for (const definition of tables) ruleset.forget(definition)
}

/**
 * `before`: what it comes back to when the change fails; without, it stays as it has become. One that is
 * to be as before, and is so, is not written again.
 */
export function makeTable(
  transaction: Transaction,
  ruleset: Ruleset,
  definition: TableDefinition,
  before: TableDefinition | undefined,
): void {
  const known = ruleset.definition(definition)
  const wanted = ruleset.asPossible(definition)
  const found = ruleset.find(definition)
  const isSo = found !== undefined && compareTable(ruleset.socket, wanted).length === 0
  const stays = isSo && !ruleset.isAnothers(found) && isDeepStrictEqual(before, definition)
  if (!isSo) {
    transaction.onRollback(() => {
      if (found === undefined) removeTables(ruleset, [definition])
      else if (before !== undefined) ruleset.make(before)
    })
  }
  if (stays) ruleset.remember(definition)
  else ruleset.make(definition)
  if (known === undefined) transaction.onRollback(() => ruleset.forget(definition))
}

/**
 * Tables that nobody has described to this engine, as they are: their state is lost, but what was put
 * into them must go. One that an engine has left belongs to no socket, so it can be changed.
 */
function unknownTables(
  ruleset: Ruleset,
  places: readonly Pick<Place, 'family' | 'table'>[],
): TableDefinition[] {
  const tables = new Map<string, TableDefinition>()
  for (const { family, table } of places) {
    const place = { family, name: table }
    const target = tableTarget(place)
    if (tables.has(target) || ruleset.definition(place) !== undefined) continue
    const there = ruleset.find(place)
    if (there !== undefined && ruleset.isAnothers(there)) throw ownedByAnother(place)
    const sets = there === undefined ? [] : listSetDefinitions(ruleset.socket, place)
    tables.set(target, { ...place, owned: there?.owned ?? false, sets, chains: [] })
  }
  return [...tables.values()]
}

/** What is in a table or set that isn't there is gone. */
function mayBeThere(
  ruleset: Ruleset,
  unknown: readonly TableDefinition[],
  element: ElementResource,
): boolean {
  const { family, table } = element
  return ruleset.definition({ family, name: table }) !== undefined || isSet(unknown, element)
}

function isSet(definitions: readonly TableDefinition[], { family, table, set }: Place): boolean {
  const found = definitions.find((it) => it.family === family && it.name === table)
  return found?.sets.some(({ name }) => name === set) ?? false
}

/** Where quiet senders are kept. */
function setsOf({ family, table, set, ranges }: FlowsResource['quiet']): readonly Place[] {
  return [set, ranges].map((name) => ({ family, table, set: name }))
}

function aboutElement(
  error: unknown,
  definitions: readonly TableDefinition[],
  elements: readonly ElementResource[],
): unknown {
  if (!isKernelError(error)) return error
  const element = elements.find((candidate) => {
    const shape = shapeFor(definitions, candidate)
    return eachElement(candidate).some((one) => elementTarget(shape, one) === error.target)
  })
  return element === undefined ? error : about(error, resourceKey(element))
}
