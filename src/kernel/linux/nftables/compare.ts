import type { ChainDefinition, TableDefinition } from '../../ruleset.ts'
import type { NetlinkSocket } from '../netlink/netlink-socket.ts'
import { tableTarget } from './batch.ts'
import { type ListedRule, listChains, listRules, listSets, listTables } from './list.ts'
import { chainAttributes } from './rules/chain.ts'
import type { Expression } from './rules/expression.ts'
import { includes } from './rules/includes.ts'
import { compileRule } from './rules/rule.ts'
import { isSameSet } from './set.ts'

/**
 * How a table differs from its definition, elements apart: one sentence each, none where it doesn't.
 * Chains, sets and rules that aren't in the definition are differences too.
 */
export function compareTable(socket: NetlinkSocket, table: TableDefinition): string[] {
  const found = listTables(socket).find(
    ({ family, name }) => family === table.family && name === table.name,
  )
  const name = `table ${tableTarget(table)}`
  if (found === undefined) return [`${name} is missing`]
  const differences: string[] = []
  if (table.owned && !found.owned) differences.push(`${name} has no flags owner and persist`)
  else if (table.owned && !found.hasOwner) differences.push(`${name} has no owner`)
  if (found.dormant) differences.push(`${name} is dormant`)
  return [
    ...differences,
    ...compareSets(socket, table),
    ...compareChains(socket, table),
    ...compareRules(table, listRules(socket, table)),
  ]
}

function compareSets(socket: NetlinkSocket, table: TableDefinition): string[] {
  const listed = listSets(socket, table).filter((set) => !set.anonymous)
  return compareNamed(`set ${tableTarget(table)}`, listed, table.sets, (set, wanted) =>
    isSameSet(set.attributes, wanted),
  )
}

function compareChains(socket: NetlinkSocket, table: TableDefinition): string[] {
  const listed = listChains(socket, table)
  return compareNamed(`chain ${tableTarget(table)}`, listed, table.chains, (chain, wanted) => {
    const attributes = chainAttributes(table.family, wanted)
    if (attributes.hook === undefined) return chain.base === undefined
    return includes(chain.base, attributes)
  })
}

function compareNamed<Listed extends { name: string }, Wanted extends { name: string }>(
  what: string,
  listed: readonly Listed[],
  wanted: readonly Wanted[],
  same: (listed: Listed, wanted: Wanted) => boolean,
): string[] {
  const differences: string[] = []
  const byName = new Map(listed.map((object) => [object.name, object]))
  for (const object of wanted) {
    const there = byName.get(object.name)
    if (there === undefined) differences.push(`${what} ${object.name} is missing`)
    else if (!same(there, object)) differences.push(`${what} ${object.name} is defined differently`)
    byName.delete(object.name)
  }
  for (const name of byName.keys()) differences.push(`${what} ${name} is not ours`)
  return differences
}

function compareRules(table: TableDefinition, listed: readonly ListedRule[]): string[] {
  return table.chains.flatMap((chain) => {
    const rules = listed.filter((rule) => rule.chain === chain.name)
    return compareChainRules(table, chain, rules)
  })
}

function compareChainRules(
  table: TableDefinition,
  chain: ChainDefinition,
  listed: readonly ListedRule[],
): string[] {
  const name = `chain ${tableTarget(table)} ${chain.name}`
  if (listed.length !== chain.rules.length) {
    return [`${name} has ${listed.length} rules, not ${chain.rules.length}`]
  }
  const differences: string[] = []
  for (const [index, rule] of chain.rules.entries()) {
    const { expressions } = compileRule(table, rule, () => 0)
    if (!includes(listed[index]!.expressions, expressions.map(asListed))) {
      differences.push(`rule ${index + 1} of ${name} is different`)
    }
  }
  return differences
}

/** A rule's own set has another name in the kernel, and its number was only for the transaction. */
function asListed(expression: Expression): Expression {
  const { is } = expression
  if (is?.kind !== 'lookup' || is.data?.setId === undefined) return expression
  return { is: { kind: 'lookup', data: { ...is.data, set: undefined, setId: undefined } } }
}
