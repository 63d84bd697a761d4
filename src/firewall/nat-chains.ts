import type { ChainDefinition, Selector, Statement } from '../kernel/ruleset.ts'
import { ipv4, ipv6, leave, rule, translated } from './rule.ts'

/** Priorities as nft names them. */
const DSTNAT = -100
const SRCNAT = 100

/**
 * A sandbox chooses the port it sends from. Behind the host's address it must not get one at which the
 * host, or what is published there, is talked to: answers to it would be taken for that.
 */
const ports = { from: 16384, to: 65535 }
const masquerade: Statement = { masquerade: true, ports }

const toHost: Statement = { match: 'fib daddr type', value: 'local' }

/** Where what comes to a published port gets its new destination. Only a flow's first packet comes here. */
export const published: readonly ChainDefinition[] = [
  {
    name: 'prerouting',
    hook: { type: 'nat', hook: 'prerouting', priority: DSTNAT, policy: 'accept' },
    rules: [
      // Who sends such packets over a wire wants what only the host itself may have.
      rule({ match: 'ip daddr', value: '127.0.0.0/8' }, leave),
      rule(ipv4, toHost, { jump: 'published4' }),
      rule(ipv6, toHost, { jump: 'published6' }),
    ],
  },
  {
    name: 'output',
    hook: { type: 'nat', hook: 'output', priority: DSTNAT, policy: 'accept' },
    rules: [
      rule(ipv4, toHost, { jump: 'published4' }),
      // What is from ::1 can't leave the host, whatever is done to it: a relay serves that address.
      rule({ match: 'ip6 daddr', not: true, value: '::1' }, toHost, { jump: 'published6' }),
    ],
  },
  { name: 'published4', rules: dnat(4, 'ip', 'ip daddr') },
  {
    name: 'published6',
    rules: [
      // Only a neighbour of this very link could be answered.
      rule({ match: 'ip6 saddr', value: 'fe80::/10' }, leave),
      ...dnat(6, 'ip6', 'ip6 daddr'),
    ],
  },
]

function dnat(number: 4 | 6, family: 'ip' | 'ip6', address: Selector) {
  const to = (map: string, ...key: Selector[]) => rule({ nat: 'dnat', family, map, key })
  return [
    to(`published${number}_at`, address, 'meta l4proto', 'th dport'),
    to(`published${number}`, 'meta l4proto', 'th dport'),
    to(`published${number}_ranges`, address, 'meta l4proto', 'th dport'),
  ]
}

export const postrouting: readonly ChainDefinition[] = [
  {
    name: 'postrouting',
    hook: { type: 'nat', hook: 'postrouting', priority: SRCNAT, policy: 'accept' },
    rules: [
      rule({ lookup: ['oifname'], set: 'bridges' }, { goto: 'entering' }),
      rule({ nat: 'snat', family: 'ip', map: 'snat4', key: ['iifname', 'ip saddr'], ports }),
      rule({ nat: 'snat', family: 'ip6', map: 'snat6', key: ['iifname', 'ip6 saddr'], ports }),
      rule({ lookup: ['iifname', 'ip saddr'], set: 'masquerade4' }, masquerade),
      rule({ lookup: ['iifname', 'ip6 saddr'], set: 'masquerade6' }, masquerade),
    ],
  },
  {
    // A sandbox sees who talks to it, but where the answer would not come by here.
    name: 'entering',
    rules: [
      // From its own network to a published port of the host. By `oifname`, as a bridged packet has
      // no `iifname` here.
      rule(translated, { lookup: ['oifname', 'ip saddr'], set: 'hairpin4' }, masquerade),
      rule(translated, { lookup: ['oifname', 'ip6 saddr'], set: 'hairpin6' }, masquerade),
      rule({ match: 'ip saddr', value: '127.0.0.0/8' }, masquerade),
    ],
  },
]
