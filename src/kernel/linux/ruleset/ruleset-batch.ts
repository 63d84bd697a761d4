import { isCnmError, isKernelError } from '../../../base/errors.ts'
import {
  type ElementResource,
  eachElement,
  type FlowsResource,
  resourceKey,
} from '../../resource.ts'
import type { TableDefinition } from '../../ruleset.ts'
import { isSame } from '../../same-resource.ts'
import type { Transaction } from '../apply/transaction.ts'
import { Batch, tableTarget } from '../nftables/batch.ts'
import { compareTable } from '../nftables/compare.ts'
import { changeElements } from '../nftables/elements/change-elements.ts'
import {
  type ElementChange,
  elementTarget,
  type Place,
  shapeFor,
} from '../nftables/elements/element.ts'
import { assertRun } from '../nftables/elements/run.ts'
import { listRules, listSetDefinitions } from '../nftables/list.ts'
import { about } from '../thread/wire-error.ts'
import { type FlowsChange, QuietSenders } from './quiet-senders.ts'
import { ownedByAnother, type Ruleset } from './ruleset.ts'
import { changeTogether } from './ruleset-change.ts'

interface WantedTable {
  readonly definition: TableDefinition
  /** What it comes back to when the change fails; without, it stays as it has become. */
  readonly before: TableDefinition | undefined
}

/** What one change does to tables, elements and quiet senders: all at once. */
export class RulesetBatch {
  /** Tables that become what they say. */
  readonly make: WantedTable[] = []
  readonly remove: ElementResource[] = []
  readonly add: ElementResource[] = []
  /** Flows whose senders become quiet. */
  readonly ended: FlowsResource[] = []
  /** Those that are quiet no longer. */
  readonly begun: FlowsResource[] = []
  /**
   * Tables that go, with all that is in them. The last thing of a change: nothing could bring back what others,
   * and packets, have put into them.
   */
  readonly drop: TableDefinition[] = []
  readonly #transaction: Transaction
  readonly #ruleset: Ruleset

  constructor(transaction: Transaction, ruleset: Ruleset) {
    this.#transaction = transaction
    this.#ruleset = ruleset
  }

  /** Does what it has been told since the last time. */
  commit(): void {
    const isEmpty = [this.make, this.remove, this.add, this.ended, this.begun, this.drop].every(
      ({ length }) => length === 0,
    )
    if (isEmpty) return
    const [make, remove, add] = [this.make.splice(0), this.remove.splice(0), this.add.splice(0)]
    const flows = { ended: this.ended.splice(0), begun: this.begun.splice(0) }
    changeRuleset(this.#transaction, this.#ruleset, make, { remove, add }, flows)
    removeTables(this.#ruleset, this.drop.splice(0))
  }
}

/** Tables, all elements that come and go and all quiet senders, in one transaction. */
function changeRuleset(
  transaction: Transaction,
  ruleset: Ruleset,
  tables: readonly WantedTable[],
  elements: {
    readonly remove: readonly ElementResource[]
    readonly add: readonly ElementResource[]
  },
  flows: FlowsChange,
): void {
  const wanted = tables.map(({ definition }) => definition)
  const unknown = unknownTables(ruleset, wanted, [
    ...elements.remove,
    ...flows.ended.map(({ quiet }) => quiet),
  ])
  const known = withOthers(wanted, ruleset.definitions)
  const definitions = [...known, ...unknown]
  const remove = elements.remove.filter((element) => isSet(definitions, element))
  const { add } = elements
  const ended = flows.ended.filter(({ quiet }) =>
    setsOf(quiet).every((set) => isSet(definitions, set)),
  )
  for (const element of remove) assertElement(transaction, definitions, element)
  for (const element of add) assertElement(transaction, known, element)
  for (const begun of flows.begun) {
    transaction.attempt(resourceKey(begun), () => {
      for (const set of setsOf(begun.quiet)) shapeFor(known, set)
    })
  }
  const make = tables.filter((table) => !staysAsItIs(transaction, ruleset, table))
  if (make.length + remove.length + add.length + ended.length + flows.begun.length === 0) return
  const senders = new QuietSenders(ruleset.socket, definitions, ruleset.quiet, { ...flows, ended })
  try {
    transact(transaction, ruleset, make, { definitions, remove, add }, senders)
  } catch (error) {
    throw aboutElement(aboutTable(error, make), definitions, [...remove, ...add])
  }
}

function withOthers(
  wanted: readonly TableDefinition[],
  known: readonly TableDefinition[],
): readonly TableDefinition[] {
  const names = new Set(wanted.map(tableTarget))
  return [...wanted, ...known.filter((table) => !names.has(tableTarget(table)))]
}

/**
 * One that is to be as before, and is so, is not written again; nor is one that isn't ours alone and is
 * there.
 */
function staysAsItIs(
  transaction: Transaction,
  ruleset: Ruleset,
  { definition, before }: WantedTable,
): boolean {
  return transaction.attempt(resourceKey({ kind: 'table', definition }), () => {
    const found = ruleset.find(definition)
    if (found === undefined) return false
    const isSo =
      isSame(before, definition) &&
      !ruleset.isAnothers(found) &&
      compareTable(ruleset.socket, ruleset.asPossible(definition)).length === 0
    if (definition.owned && !isSo) return false
    rememberTable(transaction, ruleset, definition)
    return true
  })
}

function rememberTable(transaction: Transaction, ruleset: Ruleset, definition: TableDefinition) {
  const known = ruleset.definition(definition)
  ruleset.remember(definition)
  transaction.onRollback(() => {
    if (known === undefined) ruleset.forget(definition)
    else ruleset.remember(known)
  })
}

/**
 * Makes a table what its definition says, in a transaction of its own. `before`: what it comes back to when
 * the change fails; without, it stays as it has become.
 */
export function makeTable(
  transaction: Transaction,
  ruleset: Ruleset,
  definition: TableDefinition,
  before: TableDefinition | undefined,
): void {
  const table = { definition, before }
  if (staysAsItIs(transaction, ruleset, table)) return
  const change = { definitions: ruleset.definitions, remove: [], add: [] }
  transact(transaction, ruleset, [table], change)
}

interface ElementsOf extends ElementChange {
  readonly definitions: readonly TableDefinition[]
}

function transact(
  transaction: Transaction,
  ruleset: Ruleset,
  tables: readonly WantedTable[],
  { definitions, ...change }: ElementsOf,
  senders?: QuietSenders,
): void {
  const were = tables.map(({ definition }) => ruleset.isThere(definition))
  const make = tables.map(({ definition }) => definition)
  const perform = () =>
    changeTogether(
      ruleset,
      { ...change, make, drop: [] },
      {
        definitions,
        compareOwners: true,
        also: (batch, isFresh) => senders?.write(batch, isFresh),
      },
    )
  let back = unlessFull(perform)
  if (back === undefined) {
    senders?.useRangesOnly()
    back = perform()
  }
  const wayBack = {
    ...back,
    make: tables.flatMap(({ before }, index) => (before && were[index] ? [before] : [])),
    drop: make.filter((_, index) => !were[index]),
  }
  transaction.onRollback(() => {
    changeTogether(ruleset, wayBack, {
      definitions,
      also: (batch) => senders?.writeBack(batch),
    })
  })
  for (const { definition } of tables) rememberTable(transaction, ruleset, definition)
  const rest = senders?.rest
  if (rest === undefined) return
  changeElements(
    ruleset.socket,
    definitions,
    { remove: [], add: [] },
    { also: (it) => rest.write(it) },
  )
}

/** undefined: a set had no room left. */
function unlessFull<T>(perform: () => T): T | undefined {
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

function removeTables(ruleset: Ruleset, tables: readonly TableDefinition[]): void {
  if (tables.length === 0) return
  const there = tables.filter((definition) => ruleset.isThere(definition))
  const batch = new Batch()
  for (const definition of there) {
    // One that isn't ours alone goes only if there is no rule in it.
    const isFree = definition.owned || listRules(ruleset.socket, definition).length === 0
    if (isFree) batch.deleteTable(definition)
  }
  batch.commit(ruleset.socket)
  for (const definition of tables) ruleset.forget(definition)
}

/**
 * Tables that were not described to this engine, as they are: their state is lost, but what was put
 * into them must go. One that an engine has left belongs to no socket, so it can be changed.
 */
function unknownTables(
  ruleset: Ruleset,
  wanted: readonly TableDefinition[],
  places: readonly Pick<Place, 'family' | 'table'>[],
): TableDefinition[] {
  const tables = new Map<string, TableDefinition>()
  const described = new Set(wanted.map(tableTarget))
  for (const { family, table } of places) {
    const place = { family, name: table }
    const target = tableTarget(place)
    if (described.has(target) || tables.has(target) || ruleset.definition(place) !== undefined)
      continue
    const there = ruleset.find(place)
    if (there !== undefined && ruleset.isAnothers(there)) throw ownedByAnother(place)
    const sets = there === undefined ? [] : listSetDefinitions(ruleset.socket, place)
    tables.set(target, { ...place, owned: there?.owned ?? false, sets, chains: [] })
  }
  return [...tables.values()]
}

/** What is in a table or set that isn’t there is gone. */
function isSet(definitions: readonly TableDefinition[], { family, table, set }: Place): boolean {
  const found = definitions.find((it) => it.family === family && it.name === table)
  return found?.sets.some(({ name }) => name === set) ?? false
}

/** Where quiet senders are kept. */
function setsOf({ family, table, set, ranges }: FlowsResource['quiet']): readonly Place[] {
  return [set, ranges].map((name) => ({ family, table, set: name }))
}

function aboutTable(error: unknown, tables: readonly WantedTable[]): unknown {
  const found = tables.find(({ definition }) => {
    const name = tableTarget(definition)
    if (isCnmError(error)) return error.details.table === name
    return isKernelError(error) && isPartOf(error.target ?? '', name)
  })
  if (found === undefined) return error
  return about(error, resourceKey({ kind: 'table', definition: found.definition }))
}

/** `table inet cnm`, `chain inet cnm forward`; elements are told by themselves. */
function isPartOf(target: string, table: string): boolean {
  return ['table', 'set', 'chain', 'rule'].some((what) => {
    return target === `${what} ${table}` || target.startsWith(`${what} ${table} `)
  })
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
