import { LINK_GROUP } from '../kernel/link-groups.ts'
import type { ChainDefinition, Selector, Statement } from '../kernel/ruleset.ts'
import { flowLimitChains } from './flow-limits.ts'
import { postrouting, published } from './nat-chains.ts'
import {
  ACCEPTED_MARK,
  accept,
  drop,
  established,
  fromPort,
  leave,
  pass,
  rule,
  toPort,
  translated,
} from './rule.ts'

/** Priorities as nft names them. */
const RAW = -300
const FILTER = 0
/** Others' filters, which see what we have let pass, are at 0. */
const BEFORE_FILTER = -5

const LINK_LOCAL = '169.254.0.0/16'

const overWire: Statement = { match: 'iifname', not: true, value: 'lo' }
/** Those of the host are 127.0.0.0/8 and ::1 as well. */
const notOfHost: Statement = { match: 'fib saddr type', not: true, value: 'local' }

const port = ['meta l4proto', 'th dport'] as const

/**
 * A bridge of ours, whatever it is called: the cheapest question there is. Where sets have been asked before, it is
 * one that was renamed. Adopted bridges are in the sets only.
 */
const fromBridge: Statement = { match: 'iifgroup', value: String(LINK_GROUP) }
const toBridge: Statement = { match: 'oifgroup', value: String(LINK_GROUP) }

const prerouting: readonly ChainDefinition[] = [
  {
    name: 'prerouting_raw',
    hook: { type: 'filter', hook: 'prerouting', priority: RAW, policy: 'accept' },
    rules: [
      // What a bridge hands to the host as from the port itself: no rule by its bridge would see it.
      rule(fromPort, drop),
      rule(fromBridge, { goto: 'spoofed' }),
      rule({ lookup: ['iifname'], set: 'bridges' }, { goto: 'spoofed' }),
      // Who is on a bridge of ours comes by it. Over a wire, it is a forgery.
      rule({ lookup: ['ip saddr'], set: 'subnets4' }, overWire, drop),
      rule({ lookup: ['ip6 saddr'], set: 'subnets6' }, overWire, drop),
    ],
  },
  {
    name: 'spoofed',
    rules: [
      // A host that serves published ports at 127.0.0.1 (route_localnet) would believe these.
      rule({ match: 'ip daddr', value: '127.0.0.0/8' }, drop),
      // Another's address would make the packet a part of that one's connections. Not left to
      // rp_filter: the host's setting for all links overrules ours.
      rule({ lookup: ['iifname', 'ip saddr'], set: 'sources4' }, notOfHost, leave),
      rule({ lookup: ['iifname', 'ip6 saddr'], set: 'sources6' }, notOfHost, leave),
      // All the rest is for a bridge that has the name by which it is known.
      rule({ lookup: ['iifname'], not: true, set: 'bridges' }, drop),
      // Senders without an address yet, or that mean this link only.
      rule({ match: 'ip saddr', value: '0.0.0.0' }, leave),
      rule(
        { match: 'ip saddr', value: LINK_LOCAL },
        { match: 'ip daddr', value: LINK_LOCAL },
        leave,
      ),
      rule({ match: 'ip6 saddr', value: 'fe80::/10' }, leave),
      rule({ match: 'ip6 saddr', value: '::' }, leave),
      rule(drop),
    ],
  },
]

const forward: readonly ChainDefinition[] = [
  {
    name: 'forward',
    hook: { type: 'filter', hook: 'forward', priority: BEFORE_FILTER, policy: 'accept' },
    rules: [
      rule(fromPort, drop),
      rule(toPort, drop),
      rule(fromBridge, toBridge, { goto: 'forward_between' }),
      rule({ lookup: ['iifname'], set: 'bridges' }, { goto: 'forward_from' }),
      rule({ lookup: ['oifname'], set: 'bridges' }, { goto: 'forward_to' }),
      rule(fromBridge, drop),
      rule(toBridge, drop),
      // Packets of others are not our business, but we don't make a router of the host.
      rule(
        { lookup: ['meta nfproto', 'iifname'], set: 'uplinks' },
        { match: 'ct state', not: true, value: ['established', 'related'] },
        drop,
      ),
    ],
  },
  {
    // From a bridge of ours to one, perhaps the same.
    name: 'forward_between',
    rules: [
      rule({ lookup: ['iifname', 'oifname'], set: 'same_bridge' }, pass),
      rule({ lookup: ['iifname', 'oifname'], set: 'one_bridge' }, { goto: 'kept_apart' }),
      // One that was renamed is in no set.
      rule({ lookup: ['iifname'], not: true, set: 'bridges' }, drop),
      rule({ lookup: ['iifname'], set: 'internal' }, drop),
      rule({ lookup: ['oifname'], set: 'internal' }, drop),
      rule(established, pass),
      rule({ jump: 'unasked' }),
      rule({ vmap: ['meta nfproto', 'oifname'], map: 'gateway_mode' }),
      rule(drop),
    ],
  },
  {
    name: 'forward_from',
    rules: [
      // One of the two is adopted.
      rule({ lookup: ['oifname'], set: 'bridges' }, { goto: 'forward_between' }),
      rule({ lookup: ['iifname'], set: 'internal' }, drop),
      rule(established, pass),
      rule({ jump: 'unasked' }),
      rule(toBridge, drop),
      rule({ lookup: ['meta nfproto', 'oifname'], set: 'outward' }, pass),
      // To a link of others: without the mark, as they may keep theirs apart from what is not theirs.
      rule(accept),
    ],
  },
  {
    // From elsewhere, so that it is inside no network.
    name: 'forward_to',
    rules: [
      rule({ lookup: ['oifname'], set: 'internal' }, drop),
      rule(established, pass),
      rule({ vmap: ['meta nfproto', 'oifname'], map: 'gateway_mode' }),
      rule(drop),
    ],
  },
  {
    name: 'kept_apart',
    rules: [
      // From port to port: the table of the bridge has decided, and knows them better.
      rule({ bits: 'meta mark', value: ACCEPTED_MARK }, pass),
      // By way of the host, but to a published port; or an endpoint would reach its neighbours so.
      rule(translated, { lookup: ['ip saddr', 'ip daddr'], set: 'pairs4' }, pass),
      rule(translated, { lookup: ['ip6 saddr', 'ip6 daddr'], set: 'pairs6' }, pass),
      rule(drop),
    ],
  },
  {
    // What a sandbox sends that is no answer, and would be the rest of a flow that was ended.
    name: 'unasked',
    rules: [
      // NAT leaves alone what conntrack can't make sense of: it would leave with the sandbox's address.
      rule({ match: 'ct state', value: 'invalid' }, drop),
      // Let pass so far because it could have been for a neighbour.
      rule(
        { match: 'ip saddr', value: LINK_LOCAL },
        { lookup: ['iifname', 'ip saddr'], not: true, set: 'sources4' },
        drop,
      ),
      rule({ match: 'tcp flags', not: true, value: 'syn' }, drop),
      ...quiet(4, 'ip saddr'),
      ...quiet(6, 'ip6 saddr'),
    ],
  },
]

/** A set of intervals can't be changed by a packet: what hits a range goes on as a port of its own. */
function quiet(number: 4 | 6, address: Selector) {
  const key: Selector[] = [address, 'meta l4proto', 'th sport']
  const refresh: Statement = { update: `quiet${number}`, key }
  return [`quiet${number}`, `quiet_ranges${number}`].flatMap((set) => [
    // A set that is full refuses, and a rule ends where it can't go on: dropping is up to another.
    rule({ lookup: key, set }, refresh),
    rule({ lookup: key, set }, drop),
  ])
}

const gatewayModes: readonly ChainDefinition[] = [
  {
    // Only what comes to a published port, or over a trusted link.
    name: 'gateway_nat',
    rules: [
      rule(translated, pass),
      rule({ lookup: ['iifname', 'oifname'], set: 'trusted' }, { goto: 'open_ports' }),
      rule(drop),
    ],
  },
  { name: 'gateway_open', rules: [rule(pass)] },
  {
    name: 'gateway_routed',
    rules: [
      rule({ match: 'meta l4proto', value: ['icmp', 'ipv6-icmp'] }, pass),
      rule({ goto: 'open_ports' }),
    ],
  },
  {
    name: 'open_ports',
    rules: [
      ...['open4', 'open4_ranges'].map((set) => rule({ lookup: ['ip daddr', ...port], set }, pass)),
      ...['open6', 'open6_ranges'].map((set) =>
        rule({ lookup: ['ip6 daddr', ...port], set }, pass),
      ),
      rule(drop),
    ],
  },
]

const input: readonly ChainDefinition[] = [
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
]

export const hostChains: readonly ChainDefinition[] = [
  ...prerouting,
  ...flowLimitChains,
  ...published,
  ...forward,
  ...gatewayModes,
  ...postrouting,
  ...input,
]
