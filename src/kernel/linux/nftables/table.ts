import { isKernelError, KernelError } from '../../../base/errors.ts'
import type { TableDefinition } from '../../ruleset.ts'
import type { NetlinkSocket } from '../netlink/netlink-socket.ts'
import { Batch, type TableName, tableTarget } from './batch.ts'
import { chainAttributes } from './chain.ts'
import { NFT_TABLE_F_OWNER, NFT_TABLE_F_PERSIST } from './constants.ts'
import { includes } from './includes.ts'
import {
  type ListedChain,
  type ListedSet,
  listChains,
  listSets,
  listTableElements,
  listTables,
} from './list.ts'
import { isSameSet } from './set.ts'

/**
 * Makes a table exactly what its definition says, in one transaction: created or adopted, sets and
 * chains made where they are missing or different, others removed, all rules written anew. Elements of
 * sets that stay are kept, unless they jump to a chain that goes.
 *
 * Errors: EPERM (another socket owns it, or we may not), EOPNOTSUPP (it is there as an ordinary table,
 * or this kernel has no persistent owners: since 6.9).
 *
 * Equivalent to: `nft -f` with `add table`, `flush table` and the whole table.
 */
export function replaceTable(socket: NetlinkSocket, table: TableDefinition): void {
  const batch = new Batch()
  const found = listTables(socket).find(
    ({ family, name }) => family === table.family && name === table.name,
  )
  batch.addTable(table, table.owned ? NFT_TABLE_F_OWNER | NFT_TABLE_F_PERSIST : 0)
  if (found !== undefined) {
    batch.flushTable(table)
    removeOthers(batch, socket, table)
  }
  fillTable(batch, table)
  try {
    batch.commit(socket)
  } catch (error) {
    throw tableError(error, table, found !== undefined)
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

/** Sets and their elements before chains: what jumps to a chain keeps it. */
function removeOthers(batch: Batch, socket: NetlinkSocket, table: TableDefinition): void {
  const sets = listSets(socket, table).filter((set) => !set.anonymous && !isKept(table, set))
  const chains = listChains(socket, table).filter((chain) => !hangsAlike(table, chain))
  for (const { name } of sets) batch.deleteSet(table, name)
  if (chains.length > 0) {
    const kept = listTableElements(socket, table).filter(
      ({ set }) => !sets.some(({ name }) => name === set),
    )
    const gone = new Set(chains.flatMap(({ name }) => [`jump ${name}`, `goto ${name}`]))
    batch.deleteElements(
      [table],
      kept.filter(({ value }) => value?.length === 1 && gone.has(value[0]!)),
    )
  }
  for (const { name } of chains) batch.deleteChain(table, name)
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

function tableError(error: unknown, table: TableDefinition, existed: boolean): unknown {
  const target = `table ${tableTarget(table)}`
  if (isKernelError(error) && error.target === target) {
    const words = explanation(error, table.owned, existed)
    if (words !== undefined) {
      return new KernelError(error.operation, error.errno, { target, message: words })
    }
  }
  return error
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
