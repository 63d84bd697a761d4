import { isKernelError } from '../../../base/errors.ts'
import { eachElement, resourceKey } from '../../resource.ts'
import type { TableDefinition } from '../../ruleset.ts'
import { type Batch, tableTarget } from '../nftables/batch.ts'
import { changeElements } from '../nftables/elements/change-elements.ts'
import {
  type Element,
  type ElementChange,
  encodeKey,
  type Place,
  shapeFor,
} from '../nftables/elements/element.ts'
import { carriedOver, planTable, type TablePlan, tableError } from '../nftables/table.ts'
import { about } from '../thread/wire-error.ts'
import { ownedByAnother, type Ruleset } from './ruleset.ts'

/** Tables and elements that change together. */
interface RulesetChange extends ElementChange {
  /** Become what they say. */
  readonly make: readonly TableDefinition[]
  /** Go, with all that is in them. */
  readonly drop: readonly TableDefinition[]
}

interface RulesetOptions {
  /** Of all tables that elements are in or were in, those that are made apart. */
  readonly definitions: readonly TableDefinition[]
  readonly compareOwners?: boolean
  /** Writes down what else belongs to the transaction; `isFresh`: nothing is in that set before. */
  readonly also?: (batch: Batch, isFresh: (place: Place) => boolean) => void
}

/**
 * Makes it true in one transaction, so that no packet meets rules without the elements they need. Answers
 * with the elements that bring back what was there, once the tables are as they were.
 */
export function changeTogether(
  ruleset: Ruleset,
  change: RulesetChange,
  options: RulesetOptions,
): ElementChange {
  const { socket, remembered } = ruleset
  const plans = change.make.map((table) => planTable(socket, ruleset.asPossible(table)))
  const definitions = withNew(options.definitions, change)
  const isFresh = ({ family, table, set }: Place) =>
    plans.some(
      (plan) => plan.table.family === family && plan.table.name === table && plan.fresh.has(set),
    )
  const come = change.add.filter(isFresh)
  const stay = carried(plans, definitions, change)
  const stranded = plans.flatMap((plan) => plan.stranded)
  const rest = {
    remove: [
      ...change.remove.filter((it) => !isFresh(it) && isDefined(definitions, it)),
      ...without(stranded, change.remove, definitions),
    ],
    add: change.add.filter((it) => !isFresh(it)),
  }
  const done = commit(ruleset, plans, () =>
    changeElements(socket, definitions, rest, {
      compareOwners: options.compareOwners ?? false,
      before: (batch) => {
        for (const table of change.drop) batch.deleteTable(table)
        for (const plan of plans) plan.begin(batch)
      },
      between: (batch) => {
        for (const plan of plans) finish(plan, batch)
        batch.addElements(definitions, [...stay, ...come])
      },
      also: (batch) => options.also?.(batch, isFresh),
      commit: (batch, generation) => ruleset.commit(batch, generation),
      remembered,
    }),
  )
  // Elements go with sets that are made anew.
  if (change.make.length + change.drop.length > 0) remembered.forget()
  const lost = plans.flatMap((plan) => plan.lost)
  return { remove: [...done.add, ...come], add: [...done.remove, ...lost] }
}

/** What can't be written is about this table. */
function finish(plan: TablePlan, batch: Batch): void {
  try {
    plan.finish(batch)
  } catch (error) {
    throw about(error, resourceKey({ kind: 'table', definition: plan.table }))
  }
}

/** Says who is in the way. */
function commit<T>(ruleset: Ruleset, plans: readonly TablePlan[], work: () => T): T {
  try {
    return work()
  } catch (error) {
    const others = plans.find(({ table }) => {
      const there = isKernelError(error, 'EPERM') ? ruleset.find(table) : undefined
      return there !== undefined && ruleset.isAnothers(there)
    })
    throw others === undefined ? tableError(error, plans) : ownedByAnother(others.table)
  }
}

/** Of what would be lost, what the change itself says nothing of. */
function carried(
  plans: readonly TablePlan[],
  definitions: readonly TableDefinition[],
  { remove, add }: ElementChange,
): readonly Element[] {
  const lost = plans.flatMap(carriedOver)
  return without(lost, [...remove, ...add], definitions)
}

function without(
  elements: readonly Element[],
  others: readonly Element[],
  definitions: readonly TableDefinition[],
): readonly Element[] {
  if (elements.length === 0) return elements
  const names = (element: Element) => namesOf(definitions, element)
  const known = new Set(others.flatMap(names))
  return elements.filter((element) => !names(element).some((name) => known.has(name)))
}

/** By the bytes of their keys: `10.0.0.1` is `10.0.0.1/32`. None for what can't be in such a set. */
function namesOf(definitions: readonly TableDefinition[], element: Element): string[] {
  try {
    const shape = shapeFor(definitions, element)
    return eachElement(element).map((one) => {
      const bytes = encodeKey(shape, one).flatMap(({ key, keyEnd }) => [key, keyEnd])
      const parts = bytes.map((it) => Buffer.from(it?.value ?? []).toString('hex'))
      return [element.family, element.table, element.set, ...parts].join(' ')
    })
  } catch {
    return []
  }
}

/** As they will be. */
function withNew(
  definitions: readonly TableDefinition[],
  { make, drop }: RulesetChange,
): readonly TableDefinition[] {
  if (make.length + drop.length === 0) return definitions
  const changed = new Set([...make, ...drop].map(tableTarget))
  return [...make, ...definitions.filter((table) => !changed.has(tableTarget(table)))]
}

function isDefined(definitions: readonly TableDefinition[], { family, table, set }: Place) {
  const found = definitions.find((it) => it.family === family && it.name === table)
  return found?.sets.some(({ name }) => name === set) ?? false
}
