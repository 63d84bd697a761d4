import type { Statement, TableDefinition } from '../kernel/ruleset.ts'
import { hostChains } from './host-chains.ts'
import { hostSets } from './host-sets.ts'
import { drop, fromPort, pass, rule } from './rule.ts'
import { BRIDGE_FILTER, senderChains, senderSets } from './sender-chains.ts'

/**
 * Our tables. The rules never change and there is one of each, however many networks there are: all
 * that varies is an element of a set, looked up by the name of a bridge or the address of an endpoint.
 * They mean the same whether or not the machine shows bridged packets to them
 * (`bridge-nf-call-iptables`): such a packet comes in and leaves by the same bridge, and has no
 * `iifname` in postrouting.
 */
export const hostTable: TableDefinition = {
  family: 'inet',
  name: 'cnm',
  owned: true,
  sets: hostSets,
  chains: hostChains,
}

/**
 * What is behind a second VLAN tag is not looked at, and a sandbox may take it for untagged. From ports of ours
 * it comes only where it may.
 */
const twiceTagged: Statement = { match: 'meta protocol', value: ['8021q', '8021ad'] }
const fromOthers: Statement = { ...fromPort, not: true }

const toIpv4Only: Statement = { lookup: ['oifname'], set: 'ipv4_only' }

/** What endpoints may send, and what happens between the ports of one bridge. */
export const bridgeTable: TableDefinition = {
  family: 'bridge',
  name: 'cnm',
  owned: true,
  sets: [
    { name: 'icc_off', key: ['ifname'], comment: 'ports that reach only the gateway' },
    {
      name: 'pairs',
      key: ['ifname', 'ifname'],
      comment: 'ports that reach each other all the same',
    },
    { name: 'ipv4_only', key: ['ifname'], comment: 'ports that have no IPv6' },
    ...senderSets,
  ],
  chains: [
    ...senderChains,
    {
      name: 'forward',
      hook: { type: 'filter', hook: 'forward', priority: BRIDGE_FILTER, policy: 'accept' },
      rules: [
        // Or one rogue router advertisement would give IPv6 to sandboxes that nothing guards there.
        rule({ match: 'meta protocol', value: 'ip' }, { goto: 'neighbours' }),
        rule({ match: 'meta protocol', value: 'ip6' }, toIpv4Only, drop),
        rule(twiceTagged, fromOthers, toIpv4Only, drop),
        rule({ goto: 'neighbours' }),
      ],
    },
    {
      name: 'neighbours',
      rules: [
        rule({ lookup: ['iifname'], set: 'icc_off' }, { goto: 'from_kept_apart' }),
        // From another port of the bridge, on which there is a foreign router.
        rule({ lookup: ['oifname'], set: 'icc_off' }, pass),
      ],
    },
    {
      // What passes is marked, so that the host's table can tell it from what comes by the gateway.
      name: 'from_kept_apart',
      rules: [
        rule({ lookup: ['iifname', 'oifname'], set: 'pairs' }, pass),
        rule({ lookup: ['oifname'], set: 'icc_off' }, drop),
        rule(pass),
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
  chains: hostChains.flatMap(({ name, hook }) =>
    hook === undefined || isDnat(hook)
      ? []
      : [{ name, hook: { ...hook, type: 'filter', priority: hook.priority - 1 }, rules: [] }],
  ),
}

/** Filtering there would come at the same packets as in the chain before or behind it. */
function isDnat({ type, hook }: NonNullable<(typeof hostChains)[number]['hook']>): boolean {
  return type === 'nat' && hook !== 'postrouting'
}
