import type { TableResource } from '../kernel/resource.ts'
import type {
  ChainDefinition,
  RuleDefinition,
  Statement,
  TableDefinition,
} from '../kernel/ruleset.ts'

/**
 * The rules, once and for all: their number never changes. Everything that varies is an element of a
 * set or map. docs/design/firewall.md says why.
 */

const accept: Statement = { verdict: 'accept' }
const drop: Statement = { verdict: 'drop' }
const leave: Statement = { verdict: 'return' }

const goesOn: Statement = { match: 'ct state', value: ['established', 'related'] }
const onOneBridge: Statement = { lookup: ['iifname', 'oifname'], set: 'same_bridge' }

function rule(comment: string, ...statements: Statement[]): RuleDefinition {
  return { statements, comment }
}

const prerouting: ChainDefinition = {
  name: 'prerouting',
  hook: { type: 'filter', hook: 'prerouting', priority: -300 },
  rules: [
    rule(
      'only what comes from sandboxes',
      { lookup: ['iifname'], not: true, set: 'bridges' },
      leave,
    ),
    rule("the host's loopback is nobody else's", { match: 'ip saddr', value: '127.0.0.0/8' }, drop),
    rule('nor is it a destination', { match: 'ip daddr', value: '127.0.0.0/8' }, drop),
  ],
}

const forward: ChainDefinition = {
  name: 'forward',
  hook: { type: 'filter', hook: 'forward', priority: 0 },
  rules: [
    rule('what was let through once', goesOn, accept),
    rule('inside one network', onOneBridge, accept),
    rule('internal networks are left by nobody', { lookup: ['iifname'], set: 'internal' }, drop),
    rule('and entered by nobody', { lookup: ['oifname'], set: 'internal' }, drop),
    rule(
      'the host routes for our networks, not for strangers',
      { lookup: ['meta nfproto', 'iifname'], set: 'uplinks' },
      { lookup: ['oifname'], not: true, set: 'bridges' },
      drop,
    ),
    rule('who may enter a network', { vmap: ['meta nfproto', 'oifname'], map: 'gateway_mode' }),
    rule('a network in no mode', { lookup: ['oifname'], set: 'bridges' }, drop),
  ],
}

/** Gateway mode nat: only what was published. */
const nat: ChainDefinition = {
  name: 'nat',
  rules: [
    rule('published ports', { match: 'ct status', value: 'dnat' }, accept),
    rule('rest', drop),
  ],
}

const postrouting: ChainDefinition = {
  name: 'postrouting',
  hook: { type: 'nat', hook: 'postrouting', priority: 100 },
  rules: [
    // br_netfilter lets bridged packets pass here too.
    rule('inside one network', onOneBridge, leave),
    rule('IPv4', { lookup: ['iifname', 'ip saddr'], set: 'masquerade4' }, { masquerade: true }),
    rule('IPv6', { lookup: ['iifname', 'ip6 saddr'], set: 'masquerade6' }, { masquerade: true }),
  ],
}

const input: ChainDefinition = {
  name: 'input',
  hook: { type: 'filter', hook: 'input', priority: 0 },
  rules: [
    rule('only internal networks', { lookup: ['iifname'], not: true, set: 'internal' }, leave),
    rule('answers to the host', goesOn, accept),
    rule(
      'the host finds IPv6 neighbours',
      { match: 'icmpv6 type', value: ['nd-neighbor-solicit', 'nd-neighbor-advert'] },
      accept,
    ),
    rule('the rest', drop),
  ],
}

const inet: TableDefinition = {
  family: 'inet',
  name: 'cnm',
  owned: true,
  sets: [
    { name: 'bridges', key: ['ifname'], comment: 'the bridge of every network' },
    { name: 'internal', key: ['ifname'], comment: 'bridges of internal networks' },
    { name: 'same_bridge', key: ['ifname', 'ifname'], comment: 'every bridge with itself' },
    { name: 'uplinks', key: ['nf_proto', 'ifname'], comment: 'where we switched forwarding on' },
    { name: 'gateway_mode', key: ['nf_proto', 'ifname'], value: 'verdict' },
    { name: 'masquerade4', key: ['ifname', 'ipv4_addr'], interval: true },
    { name: 'masquerade6', key: ['ifname', 'ipv6_addr'], interval: true },
  ],
  chains: [nat, prerouting, input, forward, postrouting],
}

/** What happens inside one bridge. */
const bridge: TableDefinition = {
  family: 'bridge',
  name: 'cnm',
  owned: true,
  sets: [{ name: 'icc_off', key: ['ifname'], comment: 'bridges whose endpoints are kept apart' }],
  chains: [
    {
      name: 'forward',
      hook: { type: 'filter', hook: 'forward', priority: -200 },
      rules: [rule('kept apart', { lookup: ['ibrname'], set: 'icc_off' }, drop)],
    },
  ],
}

/** Shared by all networks. */
export const tables: readonly TableResource[] = [inet, bridge].map((definition) => ({
  kind: 'table',
  definition,
}))
