import type { MacAddress } from '../address/address.ts'
import type { EndpointId, NetworkId } from '../base/id.ts'
import type { ElementResource } from '../kernel/resource.ts'
import type { ChainDefinition, RateLimit, SetDefinition } from '../kernel/ruleset.ts'
import { drop, rule } from './rule.ts'

// How many flows a second a sandbox may begin. Conntrack has an entry for each, whether it is forwarded, for the
// host itself, or within a network where the machine shows bridged packets to the rules.

/** Behind conntrack (-200), before any NAT (-100): others' may come first at the same priority, and end it. */
const BEFORE_DSTNAT = -110

/** How long it is known who had more. */
const LIMITED_MS = 60_000

export const flowLimitSets: readonly SetDefinition[] = [
  {
    name: 'flow_limits',
    key: ['ifname', 'ether_addr'],
    limit: limitOf(2000),
    comment: 'bridges and senders, and how many flows they may begin',
  },
  {
    name: 'flow_limits_rest',
    key: ['ifname'],
    limit: limitOf(2000),
    comment: 'bridges, and how many flows all other senders there may begin',
  },
  {
    name: 'flows_limited',
    key: ['ifname', 'ether_addr'],
    timeout: true,
    timeoutMs: LIMITED_MS,
    dynamic: true,
    comment: 'senders that have begun too many',
  },
  {
    name: 'flows_limited_rest',
    key: ['ifname'],
    timeout: true,
    timeoutMs: LIMITED_MS,
    dynamic: true,
    comment: 'bridges where all other senders have begun too many',
  },
]

/** Only a flow's first packet comes by a chain of NAT, so whatever is known already pays nothing. */
export const flowLimitChains: readonly ChainDefinition[] = [
  {
    name: 'new_flows',
    hook: { type: 'nat', hook: 'prerouting', priority: BEFORE_DSTNAT, policy: 'accept' },
    rules: [
      rule({ lookup: ['iifname', 'ether saddr'], set: 'flow_limits' }, { goto: 'too_many_flows' }),
      rule(
        { lookup: ['iifname', 'ether saddr'], not: true, set: 'flow_limits' },
        { lookup: ['iifname'], set: 'flow_limits_rest' },
        { goto: 'too_many_of_rest' },
      ),
    ],
  },
  {
    name: 'too_many_flows',
    rules: [
      // A set that is full refuses, and a rule ends where it can't go on: dropping is up to another.
      rule({ update: 'flows_limited', key: ['iifname', 'ether saddr'] }),
      rule(drop),
    ],
  },
  {
    name: 'too_many_of_rest',
    rules: [rule({ update: 'flows_limited_rest', key: ['iifname'] }), rule(drop)],
  },
]

/**
 * The limit for so many flows a second: five times as many may come at once. With the 2,000 that are the default
 * one sandbox comes to 250,000 flows in the 120 s that conntrack keeps what is half open or UDP, and so not to the
 * 262,144 that there is room for by default.
 */
function limitOf(rate: number): RateLimit {
  return { rate, burst: 5 * rate }
}

/** Of an endpoint with this MAC. 0: no limit. */
export function flowLimitElements(
  bridge: string,
  mac: MacAddress,
  rate: number,
  owner: EndpointId,
): ElementResource[] {
  return rate === 0 ? [] : [element('flow_limits', [bridge, mac], rate, owner)]
}

/** Of all on the bridge together whose MAC is no endpoint's. 0: no limit. */
export function flowLimitOfRest(bridge: string, rate: number, owner: NetworkId): ElementResource[] {
  return rate === 0 ? [] : [element('flow_limits_rest', [bridge], rate, owner)]
}

function element(set: string, key: string[], rate: number, owner: string): ElementResource {
  return { kind: 'element', family: 'inet', table: 'cnm', set, key, limit: limitOf(rate), owner }
}
