import { isKernelError, KernelError } from '../../../base/errors.ts'
import type { TableDefinition } from '../../ruleset.ts'
import type { NetlinkSocket } from '../netlink/netlink-socket.ts'
import { Batch, type TableName, tableTarget } from './batch.ts'
import { NFT_TABLE_F_OWNER, NFT_TABLE_F_PERSIST } from './constants.ts'
import { type Element, encodeElement, shapeFor } from './elements/element.ts'
import {
  type ListedChain,
  type ListedSet,
  listChains,
  listSetElements,
  listSets,
  listTableElements,
  listTables,
} from './list.ts'
import { chainAttributes } from './rules/chain.ts'
import { includes } from './rules/includes.ts'
import { isSameSet } from './set.ts'

/** How a table becomes what its definition says, as a part of a transaction. */
export interface TablePlan {
  readonly table: TableDefinition
  readonly isThere: boolean
  /** Sets that come, or are made anew: nothing is in them but what the transaction adds. */
  readonly fresh: ReadonlySet<string>
  /** What is in sets that go, or are made anew. */
  readonly lost: readonly Element[]
  /** Elements of sets that stay, which have to go: they jump to a chain that goes. */
  readonly stranded: readonly Element[]
  /** Writes down what comes before elements go. */
  readonly begin: (batch: Batch) => void
  /** Writes down the rest, before elements come. */
  readonly finish: (batch: Batch) => void
}

/**
 * Looks what is there. Afterwards the table is exactly what its definition says: created or adopted, sets
 * and chains made where they are missing or different, others removed, all rules written anew.
 */
export function planTable(socket: NetlinkSocket, table: TableDefinition): TablePlan {
  const isThere = listTables(socket).some(
    ({ family, name }) => family === table.family && name === table.name,
  )
  const sets = isThere ? listSets(socket, table).filter((set) => !set.anonymous) : []
  const gone = sets.filter((set) => !isKept(table, set))
  const kept = new Set(sets.filter((set) => !gone.includes(set)).map(({ name }) => name))
  const chains = isThere
    ? listChains(socket, table).filter((chain) => !hangsAlike(table, chain))
    : []
  return {
    table,
    isThere,
    fresh: new Set(table.sets.map(({ name }) => name).filter((name) => !kept.has(name))),
    lost: gone.flatMap((set) => listSetElements(socket, table, set)),
    stranded: strandedBy(socket, table, chains, kept),
    begin(batch) {
      batch.addTable(table, table.owned ? NFT_TABLE_F_OWNER | NFT_TABLE_F_PERSIST : 0)
      if (isThere) batch.flushTable(table)
      for (const { name } of gone) batch.deleteSet(table, name)
    },
    finish(batch) {
      for (const { name } of chains) batch.deleteChain(table, name)
      fillTable(batch, table)
    },
  }
}

/** What was in a set that is made anew and can be in it again. */
export function carriedOver({ table, fresh, lost }: TablePlan): readonly Element[] {
  return lost.filter((element) => {
    const to = /^(?:jump|goto) (.*)$/.exec(element.value?.[0] ?? '')?.[1]
    if (!fresh.has(element.set)) return false
    if (to !== undefined && !table.chains.some(({ name }) => name === to)) return false
    return fits(table, element)
  })
}

function fits(table: TableDefinition, element: Element): boolean {
  try {
    const shape = shapeFor([table], element)
    encodeElement(shape, element)
    return (shape.value === undefined) === (element.value === undefined)
  } catch {
    return false
  }
}

/** What the kernel has against a table, in words. */
export function tableError(error: unknown, plans: readonly TablePlan[]): unknown {
  if (!isKernelError(error)) return error
  const plan = plans.find(({ table }) => error.target === `table ${tableTarget(table)}`)
  const words = plan && explanation(error, plan.table.owned, plan.isThere)
  if (words === undefined) return error
  return new KernelError(error.operation, error.errno, { target: error.target!, message: words })
}

/**
 * Makes a table exactly what its definition says, in one transaction. Elements of sets that stay are kept,
 * unless they jump to a chain that goes; those of sets that are made anew, where they fit in.
 *
 * Errors: EPERM (another socket owns it, or we may not), EOPNOTSUPP (it is there as an ordinary table,
 * or this kernel has no persistent owners: since 6.9).
 *
 * Equivalent to: `nft -f` with `add table`, `flush table` and the whole table.
 */
export function replaceTable(socket: NetlinkSocket, table: TableDefinition): void {
  const plan = planTable(socket, table)
  const batch = new Batch()
  plan.begin(batch)
  batch.deleteElements([table], plan.stranded)
  plan.finish(batch)
  batch.addElements([table], carriedOver(plan))
  try {
    batch.commit(socket)
  } catch (error) {
    throw tableError(error, [plan])
  }
}

/**
 * Makes a table that belongs to others as soon as it is there: created with all that is in its
 * definition, or left alone. Answers whether it was created.
 */
export function ensureTable(socket: NetlinkSocket, table: TableDefinition): boolean {
  const there = listTables(socket).some(
    ({ family, name }) => family === table.family && name === table.name,
  )
  if (there) return false
  replaceTable(socket, table)
  return true
}

/** Equivalent to: `nft destroy table FAMILY NAME`: one that is gone is fine. */
export function deleteTable(socket: NetlinkSocket, table: TableName): void {
  const batch = new Batch()
  batch.deleteTable(table)
  try {
    batch.commit(socket)
  } catch (error) {
    if (!isKernelError(error, 'ENOENT')) throw error
  }
}

function fillTable(batch: Batch, table: TableDefinition): void {
  for (const set of table.sets) batch.addSet(table, set)
  for (const chain of table.chains) batch.addChain(table, chain)
  for (const chain of table.chains) {
    for (const rule of chain.rules) batch.addRule(table, chain.name, rule)
  }
}

/** What jumps to a chain keeps it. */
function strandedBy(
  socket: NetlinkSocket,
  table: TableDefinition,
  chains: readonly ListedChain[],
  kept: ReadonlySet<string>,
): readonly Element[] {
  if (chains.length === 0) return []
  const gone = new Set(chains.flatMap(({ name }) => [`jump ${name}`, `goto ${name}`]))
  return listTableElements(socket, table).filter(
    ({ set, value }) => kept.has(set) && value?.length === 1 && gone.has(value[0]!),
  )
}

function isKept(table: TableDefinition, { name, attributes }: ListedSet): boolean {
  const wanted = table.sets.find((set) => set.name === name)
  return wanted !== undefined && isSameSet(attributes, wanted)
}

/** Whether a chain can stay: the policy can be changed, the hook can't. */
function hangsAlike(table: TableDefinition, { name, base }: ListedChain): boolean {
  const wanted = table.chains.find((chain) => chain.name === name)
  if (wanted === undefined) return false
  const { type, hook } = chainAttributes(table.family, wanted)
  if (hook === undefined) return base === undefined
  return base !== undefined && includes(base, { type, hook })
}

function explanation({ errno }: KernelError, owned: boolean, existed: boolean): string | undefined {
  if (errno === 'EPERM') return 'another process owns it'
  if (errno !== 'EOPNOTSUPP') return undefined
  if (!existed) return 'this kernel has no tables with the flags owner and persist'
  const flags = 'the flags owner and persist'
  return owned
    ? `it is there without ${flags}; delete it first`
    : `it is there with ${flags}; delete it first`
}
