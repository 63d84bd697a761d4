import { describe, expect, it } from 'vitest'
import type { Cidr, IpAddress, MacAddress, Prefix } from '../../../address/address.ts'
import type { Resource } from '../../resource.ts'
import type { Statement, TableDefinition } from '../../ruleset.ts'
import { memoryKernel } from '../memory-kernel.ts'
import { commandLines } from './kinds.ts'

const inside = { path: '/run/cnm/netns/0a1b' }
const mac = '02:00:00:00:00:02' as MacAddress

const resources: readonly Resource[] = [
  { kind: 'bridge', name: 'br-web', origin: 'own', mtu: 1400, mac, ipv6: true },
  { kind: 'namespace', namespace: inside },
  {
    kind: 'veth',
    name: 'veth1',
    bridge: 'br-web',
    mtu: 1400,
    peer: { namespace: inside, name: 'eth0', mac, ipv6: false },
  },
  { kind: 'address', link: 'br-web', address: 'fd07::1/64' as Cidr },
  { kind: 'address', namespace: inside, link: 'eth0', address: '10.7.0.2/24' as Cidr },
  {
    kind: 'route',
    namespace: inside,
    destination: '0.0.0.0/0' as Prefix,
    gateway: '10.7.0.1' as IpAddress,
    link: 'eth0',
  },
  { kind: 'route', destination: 'fd08::/64' as Prefix, link: 'br-web' },
  { kind: 'sysctl', name: 'net/ipv4/conf/br-web/forwarding', value: '1' },
  { kind: 'sysctl', namespace: inside, name: 'net/ipv4/ping_group_range', value: '0 1' },
]

describe('the memory kernel prints', () => {
  it('what there is, as commands in a stable order', async () => {
    const kernel = memoryKernel()
    kernel.addLink({ name: 'up0', addresses: ['192.0.2.2/24' as Cidr] })
    kernel.addRoute({
      destination: '0.0.0.0/0' as Prefix,
      gateway: '192.0.2.1' as IpAddress,
      link: 'up0',
    })
    await kernel.apply({ remove: [], add: resources })
    expect(kernel.lines()).toEqual([
      'ip -6 route replace fd08::/64 dev br-web proto cnm',
      'ip -n /run/cnm/netns/0a1b address add 10.7.0.2/24 dev eth0',
      'ip -n /run/cnm/netns/0a1b route replace default via 10.7.0.1 dev eth0 proto cnm',
      'ip address add 192.0.2.2/24 dev up0',
      'ip address add fd07::1/64 dev br-web nodad',
      'ip link add br-web up group cnm mtu 1400 address 02:00:00:00:00:02 type bridge # IPv6',
      'ip link add up0 up mtu 1500 type device',
      'ip link add veth1 up group cnm master br-web mtu 1400 type veth peer name eth0 up mtu 1400' +
        ' address 02:00:00:00:00:02 netns /run/cnm/netns/0a1b',
      'ip netns add /run/cnm/netns/0a1b',
      'ip netns exec /run/cnm/netns/0a1b sysctl -w net/ipv4/ping_group_range="0 1"',
      'ip route replace default via 192.0.2.1 dev up0',
      'sysctl -w net/ipv4/conf/br-web/forwarding=1',
    ])
  })

  it('nothing where nothing is', () => {
    expect(memoryKernel().lines()).toEqual([])
  })
})

const definition: TableDefinition = {
  family: 'inet',
  name: 'demo',
  owned: true,
  sets: [
    { name: 'bridges', key: ['ifname'], comment: 'all of ours' },
    { name: 'masquerade', key: ['ifname', 'ipv4_addr'], interval: true },
    { name: 'modes', key: ['nf_proto', 'ifname'], value: 'verdict' },
    { name: 'ports', key: ['inet_service'], value: ['ipv4_addr', 'inet_service'] },
    { name: 'quiet', key: ['ipv4_addr'], timeout: true, timeoutMs: 30_000, dynamic: true },
  ],
  chains: [
    {
      name: 'forward',
      hook: { type: 'filter', hook: 'forward', priority: -5, policy: 'drop' },
      rules: [
        { statements: [{ lookup: ['iifname'], not: true, set: 'bridges' }, { verdict: 'return' }] },
        { statements: [{ vmap: ['meta nfproto', 'oifname'], map: 'modes' }], comment: 'modes' },
      ],
    },
    { name: 'nat', rules: [] },
  ],
}

describe('a table is printed', () => {
  it('as commands in the order in which they can be given', () => {
    expect(commandLines({ kind: 'table', definition })).toEqual([
      'nft add table inet demo { flags owner, persist; }',
      'nft add set inet demo bridges { type ifname; comment "all of ours"; }',
      'nft add set inet demo masquerade { type ifname . ipv4_addr; flags interval; }',
      'nft add map inet demo modes { type nf_proto . ifname : verdict; }',
      'nft add map inet demo ports { type inet_service : ipv4_addr . inet_service; }',
      'nft add set inet demo quiet { type ipv4_addr; flags timeout, dynamic; timeout 30000ms; }',
      'nft add chain inet demo forward { type filter hook forward priority -5; policy drop; }',
      'nft add chain inet demo nat',
      'nft add rule inet demo forward iifname != @bridges return',
      'nft add rule inet demo forward meta nfproto . oifname vmap @modes comment "modes"',
    ])
  })

  it.each<readonly [string, Statement]>([
    ['ip saddr != 127.0.0.0/8', { match: 'ip saddr', not: true, value: '127.0.0.0/8' }],
    ['ct state { established, related }', { match: 'ct state', value: ['established', 'related'] }],
    ['iifname . ip saddr @from', { lookup: ['iifname', 'ip saddr'], set: 'from' }],
    ['iifgroup 7', { match: 'iifgroup', value: '7' }],
    ['meta mark & 0x10 == 0x10', { bits: 'meta mark', value: 16 }],
    [
      'oifgroup & 0xffff0000 != 0x32180000',
      { bits: 'oifgroup', mask: 0xffff0000, not: true, value: 0x32180000 },
    ],
    ['jump nat', { jump: 'nat' }],
    ['goto nat', { goto: 'nat' }],
    ['masquerade', { masquerade: true }],
    ['notrack', { notrack: true }],
    ['counter', { counter: true }],
    [
      'dnat ip to th dport map @ports',
      { nat: 'dnat', family: 'ip', map: 'ports', key: ['th dport'] },
    ],
    ['reject with tcp reset', { reject: 'tcp reset' }],
    ['reject with icmpx port-unreachable', { reject: 'port-unreachable' }],
    ['log prefix "dropped: "', { log: 'dropped: ' }],
    ['limit rate 5/second', { limit: { rate: 5, per: 'second' } }],
    [
      'update @quiet { ip saddr timeout 30000ms }',
      { update: 'quiet', key: ['ip saddr'], timeoutMs: 30_000 },
    ],
    ['th dport set 5353', { setPort: 'th dport', value: 5353 }],
    ['meta mark set 0x10', { setMark: 'meta mark', value: 16 }],
    ['ct mark set ct mark & 0xffffff00 | 0x1', { setMark: 'ct mark', value: 1, mask: 0xff }],
  ])('with the statement %s', (text, statement) => {
    const chains = [{ name: 'c', rules: [{ statements: [statement] }] }]
    const lines = commandLines({ kind: 'table', definition: { ...definition, sets: [], chains } })
    expect(lines.at(-1)).toBe(`nft add rule inet demo c ${text}`)
  })
})
