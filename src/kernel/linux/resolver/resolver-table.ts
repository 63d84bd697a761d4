import { familyOf, type IpAddress } from '../../../address/address.ts'
import { RESOLVER_ADDRESS } from '../../kept-resource.ts'
import type { ChainDefinition, RuleDefinition, TableDefinition } from '../../ruleset.ts'
import { type Message, NLM_F_APPEND, NLM_F_CREATE } from '../netlink/message.ts'
import { NFNL_SUBSYS_NFTABLES } from '../netlink/netfilter.ts'
import type { NetlinkSocket } from '../netlink/netlink-socket.ts'
import { type TableName, tableTarget } from '../nftables/batch.ts'
import { type ListedChain, type ListedRule, listChains, listRules } from '../nftables/list.ts'
import { chainBody, familyHeader, nftMessage, ruleBody, tableBody } from '../nftables/message.ts'
import { chainAttributes } from '../nftables/rules/chain.ts'
import { includes } from '../nftables/rules/includes.ts'
import { compileRule } from '../nftables/rules/rule.ts'

/** Where the sockets of a resolver are, as port 53 belongs to the sandbox's programs. */
export interface ResolverPorts {
  readonly udp: number
  readonly tcp: number
}

/** What is in the table, by any writer. */
export interface ResolverTable {
  readonly chains: readonly Pick<ListedChain, 'name' | 'base'>[]
  readonly rules: readonly Pick<ListedRule, 'chain' | 'expressions'>[]
}

const name = { family: 'ip', name: 'cnm-resolver' } as const
export const RESOLVER_TABLE = `table ${tableTarget(name)}`

/**
 * The way from port 53 of a loopback address to these ports of it, and back. For each protocol,
 * equivalent to:
 *
 *     ip daddr 127.0.0.11 udp dport 53 notrack udp dport set PORT
 *     ip saddr 127.0.0.11 udp sport PORT notrack udp sport set 53
 */
export function wayTo(address: IpAddress, { udp, tcp }: ResolverPorts): ChainDefinition {
  const there = (protocol: 'udp' | 'tcp', port: number) =>
    rewriting(protocol, address, ['daddr', 'dport'], 53, port)
  const back = (protocol: 'udp' | 'tcp', port: number) =>
    rewriting(protocol, address, ['saddr', 'sport'], port, 53)
  return {
    name: 'output',
    // A NAT chain would switch connection tracking on for all packets of the namespace.
    hook: { type: 'filter', hook: 'output', priority: -300 },
    rules: [there('udp', udp), there('tcp', tcp), back('udp', udp), back('tcp', tcp)],
  }
}

/** The table of a sandbox. */
export function resolverTable(ports: ResolverPorts): ResolverTable {
  return compiled({ ...name, owned: false, sets: [], chains: [wayTo(RESOLVER_ADDRESS, ports)] })
}

/** What can't be told from all the others of a sandbox is none that we made. */
const unknown: ResolverTable = { chains: [], rules: [] }

/** undefined: there is none. */
export function readResolverTable(
  socket: NetlinkSocket,
  table: TableName = name,
): ResolverTable | undefined {
  const chains = listChains(socket, table)
  const found = chains.length === 0 ? undefined : { chains, rules: listRules(socket, table) }
  return socket.takeCut() ? unknown : found
}

/** Where there is none yet. Equivalent to: `nft -f`. */
export function makeResolverTable(socket: NetlinkSocket, ports: ResolverPorts): void {
  commit(socket, made(ports).messages)
}

/** In place of whatever is there; undefined: nothing. Equivalent to: `nft -f` with `destroy table`. */
export function replaceResolverTable(
  socket: NetlinkSocket,
  table: ResolverTable | undefined,
): void {
  const replacement = table === undefined ? [] : messagesOf(table)
  commit(socket, [newTable, deleteTable, ...replacement])
}

interface MadeTable extends ResolverPorts {
  readonly table: ResolverTable
  readonly messages: readonly Message[]
}

/** They are the same nearly everywhere. */
let last: MadeTable | undefined

function made({ udp, tcp }: ResolverPorts): MadeTable {
  if (last?.udp !== udp || last.tcp !== tcp) {
    const table = resolverTable({ udp, tcp })
    last = { udp, tcp, table, messages: messagesOf(table) }
  }
  return last
}

/** Whether a sandbox's leads to some ports, and to which. */
export function portsOf(table: ResolverTable): ResolverPorts | undefined {
  const ports = portsIn(table)
  return ports !== undefined && isTableFor(table, ports) ? ports : undefined
}

/** Where it leads to, if it is one of these tables. */
export function portsIn({ rules }: ResolverTable): ResolverPorts | undefined {
  const [udp, tcp] = [portSet(rules[0]), portSet(rules[1])]
  return udp === undefined || tcp === undefined ? undefined : { udp, tcp }
}

/** Whether it is just so: leading to these ports, or (undefined) not there. */
export function isTableFor(
  table: ResolverTable | undefined,
  ports: ResolverPorts | undefined,
): boolean {
  if (table === undefined || ports === undefined) return table === ports
  return includes(table, made(ports).table)
}

function portSet(rule: ResolverTable['rules'][number] | undefined): number | undefined {
  for (const { is } of rule?.expressions ?? []) {
    const value = is?.kind === 'immediate' ? is.data?.data?.value : undefined
    if (value?.length === 2) return Buffer.from(value).readUInt16BE()
  }
  return undefined
}

function rewriting(
  protocol: 'udp' | 'tcp',
  address: IpAddress,
  [end, side]: readonly ['daddr', 'dport'] | readonly ['saddr', 'sport'],
  from: number,
  to: number,
): RuleDefinition {
  const family = familyOf(address) === 4 ? 'ip' : 'ip6'
  return {
    statements: [
      { match: `${family} ${end}`, value: address },
      { match: 'meta l4proto', value: protocol },
      { match: `th ${side}`, value: String(from) },
      { notrack: true },
      { setPort: `th ${side}`, value: to },
    ],
  }
}

function compiled(table: TableDefinition): ResolverTable {
  const { chains } = table
  return {
    chains: chains.map((chain) => {
      return { name: chain.name, base: chainAttributes(table.family, chain) }
    }),
    rules: chains.flatMap((chain) =>
      chain.rules.map((rule) => {
        return { chain: chain.name, expressions: compileRule(table, rule, () => 0).expressions }
      }),
    ),
  }
}

const header = familyHeader(name.family)
const tableOnly = tableBody.encode(header, { name: name.name })
const newTable = nftMessage('NFT_MSG_NEWTABLE', NLM_F_CREATE, tableOnly, RESOLVER_TABLE)
const deleteTable = nftMessage('NFT_MSG_DELTABLE', 0, tableOnly, RESOLVER_TABLE)

function messagesOf({ chains, rules }: ResolverTable): Message[] {
  const table = name.name
  return [
    newTable,
    ...chains.map(({ name, base }) => {
      const body = chainBody.encode(header, { table, name, ...base })
      return nftMessage('NFT_MSG_NEWCHAIN', NLM_F_CREATE, body, RESOLVER_TABLE)
    }),
    ...rules.map(({ chain, expressions }) => {
      const body = ruleBody.encode(header, { table, chain, expressions })
      return nftMessage('NFT_MSG_NEWRULE', NLM_F_CREATE | NLM_F_APPEND, body, RESOLVER_TABLE)
    }),
  ]
}

function commit(socket: NetlinkSocket, messages: readonly Message[]): void {
  const [failure] = socket.batch(NFNL_SUBSYS_NFTABLES, messages)
  if (failure !== undefined) throw failure.error
}
