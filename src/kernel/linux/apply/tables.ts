import { isKernelError } from '../../../base/errors.ts'
import { type ElementResource, resourceKey, type TableResource } from '../../resource.ts'
import type { TableDefinition } from '../../ruleset.ts'
import { Batch, tableTarget } from '../nftables/batch.ts'
import { changeElements } from '../nftables/change-elements.ts'
import { compareTable } from '../nftables/compare.ts'
import { elementTarget, shapeFor } from '../nftables/element.ts'
import { listRules, listSetDefinitions } from '../nftables/list.ts'
import { ownedByAnother, type Ruleset } from '../ruleset.ts'
import { about } from '../wire-error.ts'
import type { Plan } from './plan.ts'
import type { Transaction } from './transaction.ts'

/** Tables in `add`, then all elements that come and go, in one transaction. */
export function changeRuleset(transaction: Transaction, ruleset: Ruleset, plan: Plan): void {
  for (const table of plan.add.tables) {
    const key = resourceKey(table)
    transaction.attempt(key, () => makeTable(transaction, ruleset, plan, table, key))
  }
  const unknown = unknownTables(ruleset, plan.remove.elements)
  const definitions = [...ruleset.definitions, ...unknown]
  const remove = plan.remove.elements.filter((element) => mayBeThere(ruleset, unknown, element))
  const { elements: add } = plan.add
  if (remove.length + add.length === 0) return
  for (const element of remove) {
    transaction.attempt(resourceKey(element), () => shapeFor(definitions, element))
  }
  for (const element of add) {
    transaction.attempt(resourceKey(element), () => shapeFor(ruleset.definitions, element))
  }
  try {
    const change = { remove, add }
    const done = changeElements(ruleset.socket, definitions, change, { compareOwners: true })
    transaction.onRollback(() => {
      changeElements(ruleset.socket, definitions, { remove: done.add, add: done.remove })
    })
  } catch (error) {
    throw aboutElement(error, definitions, [...remove, ...add])
  }
}

/**
 * Tables in `remove`, all at once. The last thing of a change: nothing could bring back what
 * others, and packets, have put into them.
 */
export function removeTables(ruleset: Ruleset, tables: readonly TableResource[]): void {
  if (tables.length === 0) return
  const there = tables.filter(({ definition }) => ruleset.isThere(definition))
  const batch = new Batch()
  for (const { definition } of there) {
    // One that isn't ours alone goes only if nobody has written anything into it.
    const isFree = definition.owned || listRules(ruleset.socket, definition).length === 0
    if (isFree) batch.deleteTable(definition)
  }
  batch.commit(ruleset.socket)
  for (const { definition } of tables) ruleset.forget(definition)
}

function makeTable(
  transaction: Transaction,
  ruleset: Ruleset,
  plan: Plan,
  { definition }: TableResource,
  key: string,
): void {
  const known = ruleset.definition(definition)
  const before = (plan.before.get(key) as TableResource | undefined)?.definition
  const wanted = ruleset.asPossible(definition)
  const existed = ruleset.isThere(definition)
  if (!existed || compareTable(ruleset.socket, wanted).length > 0) {
    transaction.onRollback(() => {
      if (!existed) removeTables(ruleset, [{ kind: 'table', definition }])
      else if (before !== undefined) ruleset.make(before)
    })
  }
  ruleset.make(definition)
  if (known === undefined) transaction.onRollback(() => ruleset.forget(definition))
}

/**
 * Tables that nobody has described to this engine, as they are: their state is lost, but what was put
 * into them must go. One that an engine has left belongs to no socket, so it can be changed.
 */
function unknownTables(ruleset: Ruleset, elements: readonly ElementResource[]): TableDefinition[] {
  const tables = new Map<string, TableDefinition>()
  for (const { family, table } of elements) {
    const place = { family, name: table }
    const target = tableTarget(place)
    if (tables.has(target) || ruleset.definition(place) !== undefined) continue
    const there = ruleset.find(place)
    if (there?.hasOwner) throw ownedByAnother(place)
    const sets = there === undefined ? [] : listSetDefinitions(ruleset.socket, place)
    tables.set(target, { ...place, owned: there?.owned ?? false, sets, chains: [] })
  }
  return [...tables.values()]
}

/** What is in a table or set that isn't there is gone. */
function mayBeThere(
  ruleset: Ruleset,
  unknown: readonly TableDefinition[],
  { family, table, set }: ElementResource,
): boolean {
  if (ruleset.definition({ family, name: table }) !== undefined) return true
  const found = unknown.find((it) => it.family === family && it.name === table)
  return found?.sets.some(({ name }) => name === set) ?? false
}

function aboutElement(
  error: unknown,
  definitions: readonly TableDefinition[],
  elements: readonly ElementResource[],
): unknown {
  if (!isKernelError(error)) return error
  const element = elements.find(
    (candidate) => elementTarget(shapeFor(definitions, candidate), candidate) === error.target,
  )
  return element === undefined ? error : about(error, resourceKey(element))
}
