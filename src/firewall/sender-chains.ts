import type { ChainDefinition, Selector, SetDefinition, Statement } from '../kernel/ruleset.ts'
import { accept, drop, fromPort, leave, rule } from './rule.ts'

/** Before br_netfilter (0), which takes packets out of the bridge's hooks and puts them back behind 0. */
export const BRIDGE_FILTER = -200

/**
 * Who may send what from which port: the endpoint, with its own MAC and its own addresses. ARP and neighbour
 * discovery may speak of these only. Whatever is found in `senders4` or `senders6` at once is the usual
 * packet; the rest is for those that may send more, and for what comes from no address.
 */
export const senderSets: readonly SetDefinition[] = [
  { name: 'macs', key: ['ifname', 'ether_addr'], comment: 'ports and the MACs that send there' },
  { name: 'any_mac', key: ['ifname'], comment: 'ports where any MAC may send' },
  { name: 'any_address', key: ['ifname'], comment: 'ports where any address may send' },
  { name: 'any_protocol', key: ['ifname'], comment: 'ports that may send what is no IP' },
  ...([4, 6] as const).flatMap((family): SetDefinition[] => {
    const address = `ipv${family}_addr` as const
    return [
      {
        name: `senders${family}`,
        key: ['ifname', 'ether_addr', address],
        comment: 'ports, and the MAC and addresses of their endpoints',
      },
      {
        name: `addresses${family}`,
        key: ['ifname', address],
        comment: 'ports where several MACs may send, and from which addresses',
      },
    ]
  }),
]

/** RFC 4861: without an option, and with one link-layer address as the only one. */
const BARE = '24'
const WITH_OPTION = '32'
const ROUTER_BARE = '8'
const ROUTER_WITH_OPTION = '16'

const exact4: Selector[] = ['iifname', 'ether saddr', 'ip saddr']
const exact6: Selector[] = ['iifname', 'ether saddr', 'ip6 saddr']

/**
 * 01:80:c2:00:00:00 to 0f are for the device at the other end of the wire (spanning trees, LACP, LLDP):
 * neither for the host nor for anything behind the bridge.
 */
const toBridgeItself: Statement = {
  match: 'ether daddr',
  value: Array.from({ length: 16 }, (_, last) => `01:80:c2:00:00:0${last.toString(16)}`),
}

/** What members of a group say; the rest is routers'. */
const groupMembers = [
  'membership-report-v1',
  'membership-report-v2',
  'leave-group',
  'membership-report-v3',
]

const ofPort: readonly ChainDefinition[] = [
  {
    name: 'from_port',
    rules: [
      rule({ match: 'meta pkttype', value: 'multicast' }, { jump: 'to_group' }),
      rule({ lookup: exact4, set: 'senders4' }, accept),
      rule({ match: 'meta protocol', value: 'ip6' }, { goto: 'from_port6' }),
      rule({ match: 'meta protocol', value: 'arp' }, { goto: 'arp' }),
      rule({ match: 'meta protocol', value: 'ip' }, { goto: 'others4' }),
      // The kernel has taken one VLAN tag off. What is behind another one is not looked at; but a sandbox
      // or the host may take it for untagged.
      rule({ lookup: ['iifname'], set: 'any_protocol' }, { goto: 'own_mac' }),
      rule(drop),
    ],
  },
  {
    name: 'to_group',
    rules: [
      rule(toBridgeItself, drop),
      // One that asks who is in a group is believed to be the router: the bridge begins to send groups only where
      // a member has answered, and it decides when they answer. Neighbours are found by such groups. A part of a
      // message is none to a rule, but the bridge takes it for a whole one.
      rule({ match: 'igmp type', value: groupMembers }, leave),
      rule({ match: 'meta protocol', value: 'ip' }, { match: 'meta l4proto', value: 'igmp' }, drop),
    ],
  },
  {
    name: 'own_mac',
    rules: [
      rule({ lookup: ['iifname', 'ether saddr'], set: 'macs' }, accept),
      rule({ lookup: ['iifname'], set: 'any_mac' }, accept),
      rule(drop),
    ],
  },
]

const ipv4: readonly ChainDefinition[] = [
  {
    name: 'others4',
    rules: [
      rule({ lookup: ['iifname', 'ether saddr'], set: 'macs' }, { goto: 'own_mac4' }),
      rule({ lookup: ['iifname'], set: 'any_mac' }, { goto: 'own_mac4' }),
      rule(drop),
    ],
  },
  {
    name: 'own_mac4',
    rules: [
      rule({ lookup: ['iifname'], set: 'any_address' }, accept),
      rule({ lookup: ['iifname', 'ip saddr'], set: 'addresses4' }, accept),
      // An endpoint without an address asks for one, and joins groups.
      rule(
        { match: 'ip saddr', value: '0.0.0.0' },
        { match: 'meta l4proto', value: 'udp' },
        { match: 'th dport', value: '67' },
        accept,
      ),
      rule(
        { match: 'ip saddr', value: '0.0.0.0' },
        { match: 'meta l4proto', value: 'igmp' },
        accept,
      ),
      rule(
        { match: 'ip saddr', value: '169.254.0.0/16' },
        { match: 'ip daddr', value: '169.254.0.0/16' },
        accept,
      ),
      rule(drop),
    ],
  },
  {
    name: 'arp',
    rules: [
      rule(
        { lookup: ['iifname', 'ether saddr', 'arp saddr ip'], set: 'senders4' },
        { lookup: ['iifname', 'arp saddr ether', 'arp saddr ip'], set: 'senders4' },
        accept,
      ),
      rule({ lookup: ['iifname'], set: 'any_mac' }, { goto: 'own_mac_arp' }),
      rule({ lookup: ['iifname', 'ether saddr'], not: true, set: 'macs' }, drop),
      rule({ lookup: ['iifname', 'arp saddr ether'], set: 'macs' }, { goto: 'own_mac_arp' }),
      rule(drop),
    ],
  },
  {
    name: 'own_mac_arp',
    rules: [
      rule({ lookup: ['iifname'], set: 'any_address' }, accept),
      rule({ lookup: ['iifname', 'arp saddr ip'], set: 'addresses4' }, accept),
      // A probe says of no address where it is.
      rule({ match: 'arp saddr ip', value: '0.0.0.0' }, accept),
      rule({ match: 'arp saddr ip', value: '169.254.0.0/16' }, accept),
      rule(drop),
    ],
  },
]

const ipv6: readonly ChainDefinition[] = [
  {
    name: 'from_port6',
    rules: [
      rule({ match: 'meta l4proto', value: 'ipv6-icmp' }, { goto: 'icmpv6' }),
      rule({ lookup: exact6, set: 'senders6' }, accept),
      rule({ goto: 'others6' }),
    ],
  },
  {
    name: 'others6',
    rules: [
      rule({ lookup: ['iifname'], set: 'ipv4_only' }, drop),
      rule({ lookup: ['iifname', 'ether saddr'], set: 'macs' }, { goto: 'own_mac6' }),
      rule({ lookup: ['iifname'], set: 'any_mac' }, { goto: 'own_mac6' }),
      rule(drop),
    ],
  },
  {
    name: 'own_mac6',
    rules: [
      // An endpoint without an address asks whether another one has it, and joins groups.
      rule({ match: 'ip6 saddr', value: '::' }, { goto: 'from_nobody6' }),
      rule({ lookup: ['iifname'], set: 'any_address' }, accept),
      rule({ lookup: ['iifname', 'ip6 saddr'], set: 'addresses6' }, accept),
      rule(drop),
    ],
  },
  {
    name: 'from_nobody6',
    rules: [
      rule({ match: 'icmpv6 type', value: 'nd-neighbor-solicit' }, accept),
      rule({ match: 'icmpv6 type', value: 'nd-router-solicit' }, accept),
      rule({ match: 'icmpv6 type', value: 'mld2-listener-report' }, accept),
      rule({ match: 'icmpv6 type', value: 'mld-listener-report' }, accept),
      rule({ match: 'icmpv6 type', value: 'mld-listener-done' }, accept),
      rule(drop),
    ],
  },
]

/** A rule for a message whose one option is at `at`: who sends, of whom it speaks, and whose MAC it tells. */
function toldBy(of: 'ip6 saddr' | 'nd target', length: string, option: Selector) {
  return rule(
    { match: 'ip6 length', value: length },
    { lookup: ['iifname', 'ether saddr', of], set: 'senders6' },
    { lookup: ['iifname', option, of], set: 'senders6' },
    accept,
  )
}

const discovery: readonly ChainDefinition[] = [
  {
    name: 'icmpv6',
    rules: [
      rule({ match: 'icmpv6 type', value: 'nd-neighbor-solicit' }, { goto: 'solicit' }),
      rule({ match: 'icmpv6 type', value: 'nd-neighbor-advert' }, { goto: 'advert' }),
      rule({ match: 'icmpv6 type', value: 'nd-router-solicit' }, { goto: 'router_solicit' }),
      // No sandbox is a router that others should believe, or knows a better way.
      rule({ match: 'icmpv6 type', value: 'mld-listener-query' }, drop),
      rule({ match: 'icmpv6 type', value: 'nd-router-advert' }, drop),
      rule({ match: 'icmpv6 type', value: 'nd-redirect' }, drop),
      rule({ lookup: exact6, set: 'senders6' }, accept),
      rule({ goto: 'others6' }),
    ],
  },
  {
    name: 'solicit',
    rules: [
      toldBy('ip6 saddr', WITH_OPTION, 'nd option mac'),
      rule({ match: 'ip6 length', value: BARE }, { lookup: exact6, set: 'senders6' }, accept),
      rule({ match: 'ip6 saddr', value: '::' }, { goto: 'others6' }),
      rule({ goto: 'others_nd' }),
    ],
  },
  {
    name: 'router_solicit',
    rules: [
      toldBy('ip6 saddr', ROUTER_WITH_OPTION, 'rs option mac'),
      rule(
        { match: 'ip6 length', value: ROUTER_BARE },
        { lookup: exact6, set: 'senders6' },
        accept,
      ),
      rule({ match: 'ip6 saddr', value: '::' }, { goto: 'others6' }),
      rule({ lookup: ['iifname'], set: 'any_mac' }, { goto: 'others_nd' }),
      rule(drop),
    ],
  },
  {
    name: 'advert',
    rules: [
      rule({ lookup: exact6, set: 'senders6' }, { goto: 'own_advert' }),
      rule({ lookup: ['iifname', 'nd target'], set: 'addresses6' }, { goto: 'others_nd' }),
      rule({ lookup: ['iifname'], set: 'any_address' }, { goto: 'others_nd' }),
      rule(drop),
    ],
  },
  {
    name: 'own_advert',
    rules: [
      toldBy('nd target', WITH_OPTION, 'nd option mac'),
      rule(
        { match: 'ip6 length', value: BARE },
        { lookup: ['iifname', 'ether saddr', 'nd target'], set: 'senders6' },
        accept,
      ),
      rule({ lookup: ['iifname', 'nd target'], set: 'addresses6' }, { goto: 'others_nd' }),
      rule({ lookup: ['iifname'], set: 'any_address' }, { goto: 'others_nd' }),
      rule(drop),
    ],
  },
  {
    name: 'others_nd',
    rules: [
      rule({ lookup: ['iifname'], set: 'ipv4_only' }, drop),
      rule({ lookup: ['iifname'], set: 'any_address' }, { goto: 'own_mac_nd' }),
      rule({ lookup: ['iifname', 'ip6 saddr'], set: 'addresses6' }, { goto: 'own_mac_nd' }),
      rule(drop),
    ],
  },
  {
    name: 'own_mac_nd',
    rules: [
      rule({ lookup: ['iifname'], set: 'any_mac' }, accept),
      rule({ lookup: ['iifname', 'ether saddr'], not: true, set: 'macs' }, drop),
      rule({ match: 'ip6 length', value: BARE }, accept),
      rule(
        { match: 'ip6 length', value: WITH_OPTION },
        { lookup: ['iifname', 'nd option mac'], set: 'macs' },
        accept,
      ),
      rule(drop),
    ],
  },
]

export const senderChains: readonly ChainDefinition[] = [
  {
    name: 'prerouting',
    hook: { type: 'filter', hook: 'prerouting', priority: BRIDGE_FILTER, policy: 'accept' },
    rules: [rule(fromPort, { goto: 'from_port' })],
  },
  ...ofPort,
  ...ipv4,
  ...ipv6,
  ...discovery,
]
