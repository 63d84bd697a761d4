import { isKernelError } from '../../../base/errors.ts'
import { type ElementResource, resourceKey, type TableResource } from '../../resource.ts'
import { Batch } from '../nftables/batch.ts'
import { changeElements } from '../nftables/change-elements.ts'
import { compareTable } from '../nftables/compare.ts'
import { elementTarget, shapeFor } from '../nftables/element.ts'
import { listRules } from '../nftables/list.ts'
import type { Ruleset } from '../ruleset.ts'
import { about } from '../wire-error.ts'
import type { Plan } from './plan.ts'
import type { Transaction } from './transaction.ts'

/** Tables in `add`, then all elements that come and go, in one transaction. */
export function changeRuleset(transaction: Transaction, ruleset: Ruleset, plan: Plan): void {
  for (const table of plan.add.tables) {
    const key = resourceKey(table)
    transaction.attempt(key, () => makeTable(transaction, ruleset, plan, table, key))
  }
  const remove = plan.remove.elements.filter((element) => mayBeThere(ruleset, element))
  const { elements: add } = plan.add
  if (remove.length + add.length === 0) return
  for (const element of [...remove, ...add]) {
    transaction.attempt(resourceKey(element), () => shapeFor(ruleset.definitions, element))
  }
  try {
    const done = changeElements(
      ruleset.socket,
      ruleset.definitions,
      { remove, add },
      { compareOwners: true },
    )
    transaction.onRollback(() => {
      const back = { remove: done.add, add: done.remove }
      changeElements(ruleset.socket, ruleset.definitions, back)
    })
  } catch (error) {
    throw aboutElement(error, ruleset, [...remove, ...add])
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

/** What is in a table that isn't there is gone. */
function mayBeThere(ruleset: Ruleset, { family, table }: ElementResource): boolean {
  const place = { family, name: table }
  return ruleset.definition(place) !== undefined || ruleset.isThere(place)
}

function aboutElement(
  error: unknown,
  { definitions }: Ruleset,
  elements: readonly ElementResource[],
): unknown {
  if (!isKernelError(error)) return error
  const element = elements.find(
    (candidate) => elementTarget(shapeFor(definitions, candidate), candidate) === error.target,
  )
  return element === undefined ? error : about(error, resourceKey(element))
}
