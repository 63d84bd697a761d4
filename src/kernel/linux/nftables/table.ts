import { isKernelError, KernelError } from '../../../base/errors.ts'
import type { ChainDefinition, TableDefinition } from '../../ruleset.ts'
import type { NetlinkSocket } from '../netlink/netlink-socket.ts'
import { Batch, type TableName, tableTarget } from './batch.ts'
import { chainAttributes } from './chain.ts'
import { NFT_TABLE_F_OWNER, NFT_TABLE_F_PERSIST } from './constants.ts'
import { includes } from './includes.ts'
import { type ListedChain, type ListedSet, listChains, listSets, listTables } from './list.ts'
import { isSameSet } from './set.ts'

/**
 * Makes a table exactly what its definition says, in one transaction: created or adopted, sets and
 * chains made where they are missing or different, others removed, all rules written anew. Elements of
 * sets that stay are kept.
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
    removeOthers(batch, table, listSets(socket, table), listChains(socket, table))
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

/** Sets before chains: a verdict map's elements keep the chains they jump to. */
function removeOthers(
  batch: Batch,
  table: TableDefinition,
  sets: readonly ListedSet[],
  chains: readonly ListedChain[],
): void {
  for (const set of sets) {
    if (!set.anonymous && !isKept(table, set)) batch.deleteSet(table, set.name)
  }
  for (const chain of chains) {
    const wanted = table.chains.find(({ name }) => name === chain.name)
    if (wanted === undefined || !hangsAlike(table, wanted, chain)) {
      batch.deleteChain(table, chain.name)
    }
  }
}

function isKept(table: TableDefinition, { name, attributes }: ListedSet): boolean {
  const wanted = table.sets.find((set) => set.name === name)
  return wanted !== undefined && isSameSet(attributes, wanted)
}

/** All but the policy, which can be changed. */
function hangsAlike(table: TableDefinition, wanted: ChainDefinition, chain: ListedChain): boolean {
  const { type, hook } = chainAttributes(table.family, wanted)
  if (hook === undefined) return chain.base === undefined
  return chain.base !== undefined && includes(chain.base, { type, hook })
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
