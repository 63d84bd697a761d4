import type { RuleDefinition, Statement, TableDefinition } from '../kernel/ruleset.ts'

/**
 * Our tables. The rules never change and there is one of each, however many networks there are: all
 * that varies is an element of a set, looked up by the name of a bridge. They mean the same whether or
 * not the machine shows bridged packets to them (`bridge-nf-call-iptables`): such a packet comes in
 * and leaves by the same bridge, and has no `iifname` in postrouting.
 */

/** Priorities as nft names them. */
const RAW = -300
const FILTER = 0
/** Before br_netfilter (0), which takes packets out of the bridge's hooks and puts them back behind 0. */
const BRIDGE_FILTER = -200
const SRCNAT = 100

const accept: Statement = { verdict: 'accept' }
const drop: Statement = { verdict: 'drop' }
const leave: Statement = { verdict: 'return' }
const ipv6: Statement = { match: 'ether type', value: 'ip6' }
const established: Statement = { match: 'ct state', value: ['established', 'related'] }

function rule(...statements: Statement[]): RuleDefinition {
  return { statements }
}

export const hostTable: TableDefinition = {
  family: 'inet',
  name: 'cnm',
  owned: true,
  sets: [
    { name: 'bridges', key: ['ifname'], comment: 'bridges of networks' },
    { name: 'internal', key: ['ifname'], comment: 'bridges of internal networks' },
    {
      name: 'same_bridge',
      key: ['ifname', 'ifname'],
      comment: 'bridges whose endpoints reach each other',
    },
    {
      name: 'gateway_mode',
      key: ['nf_proto', 'ifname'],
      value: 'verdict',
      comment: 'what may come into a bridge from elsewhere',
    },
    {
      name: 'uplinks',
      key: ['nf_proto', 'ifname'],
      comment: 'links that forward only because of us',
    },
    {
      name: 'sources4',
      key: ['ifname', 'ipv4_addr'],
      interval: true,
      comment: 'bridges and the senders that may be there',
    },
    {
      name: 'sources6',
      key: ['ifname', 'ipv6_addr'],
      interval: true,
      comment: 'bridges and the senders that may be there',
    },
    {
      name: 'masquerade4',
      key: ['ifname', 'ipv4_addr'],
      interval: true,
      comment: 'bridges and subnets hidden behind the host',
    },
    {
      name: 'masquerade6',
      key: ['ifname', 'ipv6_addr'],
      interval: true,
      comment: 'bridges and subnets hidden behind the host',
    },
  ],
  chains: [
    {
      name: 'prerouting_raw',
      hook: { type: 'filter', hook: 'prerouting', priority: RAW, policy: 'accept' },
      rules: [rule({ lookup: ['iifname'], set: 'bridges' }, { jump: 'spoofed' })],
    },
    {
      name: 'spoofed',
      rules: [
        // A host that serves published ports at 127.0.0.1 (route_localnet) would believe these.
        rule({ match: 'ip saddr', value: '127.0.0.0/8' }, drop),
        rule({ match: 'ip daddr', value: '127.0.0.0/8' }, drop),
        // Whoever has no address yet, or means this link only.
        rule({ match: 'ip saddr', value: '0.0.0.0' }, leave),
        rule({ match: 'ip6 saddr', value: 'fe80::/10' }, leave),
        rule({ match: 'ip6 saddr', value: '::' }, leave),
        // Another's address would make the packet a part of that one's connections. Not left to
        // rp_filter: the host's setting for all links overrules ours.
        rule({ lookup: ['iifname', 'ip saddr'], not: true, set: 'sources4' }, drop),
        rule({ lookup: ['iifname', 'ip6 saddr'], not: true, set: 'sources6' }, drop),
      ],
    },
    {
      name: 'forward',
      hook: { type: 'filter', hook: 'forward', priority: FILTER, policy: 'accept' },
      rules: [
        rule({ lookup: ['iifname'], set: 'bridges' }, { goto: 'forward_ours' }),
        rule({ lookup: ['oifname'], set: 'bridges' }, { goto: 'forward_ours' }),
        // Nobody else's packets are our business, but we don't make a router of the host.
        rule(
          { lookup: ['meta nfproto', 'iifname'], set: 'uplinks' },
          { match: 'ct state', not: true, value: ['established', 'related'] },
          drop,
        ),
      ],
    },
    {
      name: 'forward_ours',
      rules: [
        rule({ lookup: ['iifname', 'oifname'], set: 'same_bridge' }, accept),
        rule({ lookup: ['iifname'], set: 'internal' }, drop),
        rule({ lookup: ['oifname'], set: 'internal' }, drop),
        rule(established, accept),
        rule({ vmap: ['meta nfproto', 'oifname'], map: 'gateway_mode' }),
        rule({ lookup: ['oifname'], set: 'bridges' }, drop),
      ],
    },
    {
      // Only what comes to a published port; that is where the destination was changed.
      name: 'gateway_nat',
      rules: [rule({ match: 'ct status', value: 'dnat' }, accept), rule(drop)],
    },
    {
      name: 'postrouting',
      hook: { type: 'nat', hook: 'postrouting', priority: SRCNAT, policy: 'accept' },
      rules: [
        rule({ lookup: ['iifname', 'oifname'], set: 'same_bridge' }, leave),
        rule({ lookup: ['iifname', 'ip saddr'], set: 'masquerade4' }, { masquerade: true }),
        rule({ lookup: ['iifname', 'ip6 saddr'], set: 'masquerade6' }, { masquerade: true }),
      ],
    },
    {
      name: 'input',
      hook: { type: 'filter', hook: 'input', priority: FILTER, policy: 'accept' },
      rules: [rule({ lookup: ['iifname'], set: 'internal' }, { goto: 'input_internal' })],
    },
    {
      // The host may reach an internal network; nothing there may reach the host.
      name: 'input_internal',
      rules: [
        rule(established, accept),
        rule({ match: 'icmpv6 type', value: 'nd-neighbor-solicit' }, accept),
        rule({ match: 'icmpv6 type', value: 'nd-neighbor-advert' }, accept),
        rule(drop),
      ],
    },
  ],
}

/** What happens between the ports of one bridge. */
export const bridgeTable: TableDefinition = {
  family: 'bridge',
  name: 'cnm',
  owned: true,
  sets: [
    { name: 'icc_off', key: ['ifname'], comment: 'ports that reach only the gateway' },
    { name: 'ipv4_only', key: ['ifname'], comment: 'ports that have no IPv6' },
  ],
  chains: [
    {
      name: 'forward',
      hook: { type: 'filter', hook: 'forward', priority: BRIDGE_FILTER, policy: 'accept' },
      rules: [
        rule(
          { lookup: ['iifname'], set: 'icc_off' },
          { lookup: ['oifname'], set: 'icc_off' },
          drop,
        ),
        // Or one rogue router advertisement would give IPv6 to sandboxes that nobody guards there.
        rule(ipv6, { lookup: ['iifname'], set: 'ipv4_only' }, drop),
        rule(ipv6, { lookup: ['oifname'], set: 'ipv4_only' }, drop),
      ],
    },
  ],
}

/**
 * The administrator's own rules, just before ours: a drop or a mark here counts, an accept doesn't
 * overrule our drop. We make it, and never touch what is in it.
 */
export const userTable: TableDefinition = {
  family: 'inet',
  name: 'cnm-user',
  owned: false,
  sets: [],
  chains: hostTable.chains.flatMap(({ name, hook }) =>
    hook === undefined
      ? []
      : [{ name, hook: { ...hook, type: 'filter', priority: hook.priority - 1 }, rules: [] }],
  ),
}
