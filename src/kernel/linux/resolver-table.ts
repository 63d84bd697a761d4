import { addressBytes, type IpAddress } from '../../address/address.ts'
import type { ChainDefinition } from '../ruleset.ts'
import { type Message, NLM_F_APPEND, NLM_F_CREATE } from './netlink/message.ts'
import { NFNL_SUBSYS_NFTABLES } from './netlink/netfilter.ts'
import type { NetlinkSocket } from './netlink/netlink-socket.ts'
import { tableTarget } from './nftables/batch.ts'
import { chainAttributes } from './nftables/chain.ts'
import { NFT_REG_1 } from './nftables/constants.ts'
import { cmp, type Expression, immediate, transportStore } from './nftables/expression.ts'
import { includes } from './nftables/includes.ts'
import { type ListedChain, type ListedRule, listChains, listRules } from './nftables/list.ts'
import { chainBody, familyHeader, nftMessage, ruleBody, tableBody } from './nftables/message.ts'
import { selectorShape } from './nftables/selector.ts'
import { valueType } from './nftables/value-type.ts'

/** Where programs of a sandbox ask, at port 53. */
export const RESOLVER_ADDRESS = '127.0.0.11' as IpAddress

/** Where the sockets of a resolver are, as port 53 belongs to the sandbox's programs. */
export interface ResolverPorts {
  readonly udp: number
  readonly tcp: number
}

/** What is in the table, whoever wrote it. */
export interface ResolverTable {
  readonly chains: readonly Pick<ListedChain, 'name' | 'base'>[]
  readonly rules: readonly Pick<ListedRule, 'chain' | 'expressions'>[]
}

const name = { family: 'ip', name: 'cnm-resolver' } as const
export const RESOLVER_TABLE = `table ${tableTarget(name)}`

// A NAT chain would switch connection tracking on for all packets of the sandbox.
const chain: ChainDefinition = {
  name: 'output',
  hook: { type: 'filter', hook: 'output', priority: -300 },
  rules: [],
}

/**
 * The way from port 53 to these ports, and back. For each protocol, equivalent to:
 *
 *     ip daddr 127.0.0.11 udp dport 53 notrack udp dport set PORT
 *     ip saddr 127.0.0.11 udp sport PORT notrack udp sport set 53
 */
export function resolverTable({ udp, tcp }: ResolverPorts): ResolverTable {
  const rules = [
    rewriting('udp', 'ip daddr', 'th dport', 53, udp),
    rewriting('tcp', 'ip daddr', 'th dport', 53, tcp),
    rewriting('udp', 'ip saddr', 'th sport', udp, 53),
    rewriting('tcp', 'ip saddr', 'th sport', tcp, 53),
  ]
  return {
    chains: [{ name: chain.name, base: chainAttributes(name.family, chain) }],
    rules: rules.map((expressions) => ({ chain: chain.name, expressions })),
  }
}

/** undefined: there is none. */
export function readResolverTable(socket: NetlinkSocket): ResolverTable | undefined {
  const chains = listChains(socket, name)
  return chains.length === 0 ? undefined : { chains, rules: listRules(socket, name) }
}

/** Where there is none yet. Equivalent to: `nft -f`. */
export function makeResolverTable(socket: NetlinkSocket, ports: ResolverPorts): void {
  const { udp, tcp } = ports
  if (last?.udp !== udp || last.tcp !== tcp) {
    last = { udp, tcp, messages: messagesOf(resolverTable(ports)) }
  }
  commit(socket, last.messages)
}

/** In place of whatever is there; undefined: nothing. Equivalent to: `nft -f` with `destroy table`. */
export function replaceResolverTable(
  socket: NetlinkSocket,
  table: ResolverTable | undefined,
): void {
  const replacement = table === undefined ? [] : messagesOf(table)
  commit(socket, [newTable, deleteTable, ...replacement])
}

/** They are the same nearly everywhere. */
let last: (ResolverPorts & { readonly messages: readonly Message[] }) | undefined

/** Whether it leads to some ports, and to which. */
export function portsOf({ chains, rules }: ResolverTable): ResolverPorts | undefined {
  const [udp, tcp] = [portSet(rules[0]), portSet(rules[1])]
  if (udp === undefined || tcp === undefined) return undefined
  return isTableFor({ chains, rules }, { udp, tcp }) ? { udp, tcp } : undefined
}

/** Whether it is just so: leading to these ports, or (undefined) not there. */
export function isTableFor(
  table: ResolverTable | undefined,
  ports: ResolverPorts | undefined,
): boolean {
  if (table === undefined || ports === undefined) return table === ports
  return includes(table, resolverTable(ports))
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
  address: 'ip daddr' | 'ip saddr',
  port: 'th dport' | 'th sport',
  from: number,
  to: number,
): Expression[] {
  return [
    selectorShape(address).load(NFT_REG_1),
    cmp('eq', NFT_REG_1, addressBytes(RESOLVER_ADDRESS)),
    selectorShape('meta l4proto').load(NFT_REG_1),
    cmp('eq', NFT_REG_1, valueType('inet_proto').parse(protocol)),
    selectorShape(port).load(NFT_REG_1),
    cmp('eq', NFT_REG_1, portBytes(from)),
    { is: { kind: 'notrack' } },
    immediate(NFT_REG_1, portBytes(to)),
    transportStore(port === 'th sport' ? 0 : 2, 2, NFT_REG_1),
  ]
}

function portBytes(port: number): Uint8Array {
  return valueType('inet_service').parse(String(port))
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
