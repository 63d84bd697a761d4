import { describe, expect, it } from 'vitest'
import { isKernelError } from '#dist/base/errors.js'
import {
  compareTable,
  type Family,
  replaceTable,
  type SetDefinition,
  type Statement,
  type TableDefinition,
} from '#dist/kernel/linux/nftables/index.js'
import { inOwnNamespace, listed, nft } from '../support/nft.ts'

const socket = inOwnNamespace()

const listedRules = (family: Family, name: string) =>
  listed(family, name).flatMap(({ rule }) => (rule === undefined ? [] : [rule]))

describe('statements mean what nft means', () => {
  const accept: Statement = { verdict: 'accept' }
  const drop: Statement = { verdict: 'drop' }
  const sets: SetDefinition[] = [
    { name: 'links', key: ['ifname'] },
    { name: 'prefixes', key: ['ifname', 'ipv4_addr'], interval: true },
    { name: 'modes', key: ['nf_proto', 'ifname'], value: 'verdict' },
    { name: 'to4', key: ['inet_proto', 'inet_service'], value: ['ipv4_addr'] },
    { name: 'to6', key: ['inet_proto', 'inet_service'], value: ['ipv6_addr'] },
    { name: 'ports', key: ['inet_proto', 'inet_service'], value: ['ipv4_addr', 'inet_service'] },
    {
      name: 'quiet',
      key: ['ipv4_addr', 'inet_proto', 'inet_service'],
      dynamic: true,
      timeoutMs: 30_000,
    },
    { name: 'seven', key: ['ifname', 'ipv4_addr', 'inet_proto', 'inet_service', 'mark'] },
  ]
  const setLines = `
    set links { type ifname; }
    set prefixes { type ifname . ipv4_addr; flags interval; }
    map modes { type nf_proto . ifname : verdict; }
    map to4 { type inet_proto . inet_service : ipv4_addr; }
    map to6 { type inet_proto . inet_service : ipv6_addr; }
    map ports { type inet_proto . inet_service : ipv4_addr . inet_service; }
    set quiet { type ipv4_addr . inet_proto . inet_service; flags dynamic,timeout; timeout 30s; }
    set seven { type ifname . ipv4_addr . inet_proto . inet_service . mark; }`

  const filter = 'type filter hook input priority 0;'
  const hooks: Record<string, string> = {
    filter,
    nat: 'type nat hook prerouting priority -100;',
    srcnat: 'type nat hook postrouting priority 100;',
    raw: 'type filter hook output priority -300;',
    ingress: 'type filter hook ingress device "lo" priority 0;',
  }

  const compare = (family: Family, hook: string, statements: Statement[], text: string) => {
    const named = family === 'inet' ? setLines : ''
    nft(
      '-f -',
      `table ${family} theirs {${named}
         chain other { }
         chain c { ${hooks[hook]}
           ${text}
         }
       }`,
    )
    const ours: TableDefinition = {
      family,
      name: 'ours',
      owned: false,
      sets: family === 'inet' ? sets : [],
      chains: [
        { name: 'other', rules: [] },
        { name: 'c', hook: baseChain(hook), rules: [{ statements }] },
      ],
    }
    replaceTable(socket(), ours)
    const rules = listedRules(family, 'theirs')
    expect(rules).toHaveLength(1)
    expect(listedRules(family, 'ours')).toEqual(rules)
    expect(compareTable(socket(), ours)).toEqual([])
  }

  const baseChain = (hook: string): NonNullable<TableDefinition['chains'][number]['hook']> => {
    switch (hook) {
      case 'nat':
        return { type: 'nat', hook: 'prerouting', priority: -100 }
      case 'srcnat':
        return { type: 'nat', hook: 'postrouting', priority: 100 }
      case 'raw':
        return { type: 'filter', hook: 'output', priority: -300 }
      case 'ingress':
        return { type: 'filter', hook: 'ingress', priority: 0, device: 'lo' }
      default:
        return { type: 'filter', hook: 'input', priority: 0 }
    }
  }

  it.each<[string, Statement[]]>([
    ['iifname "lo" accept', [{ match: 'iifname', value: 'lo' }, accept]],
    ['oifname != "br-x" drop', [{ match: 'oifname', not: true, value: 'br-x' }, drop]],
    ['iifname { "a", "b" } drop', [{ match: 'iifname', value: ['a', 'b'] }, drop]],
    ['iifname != { "a", "b" } drop', [{ match: 'iifname', not: true, value: ['a', 'b'] }, drop]],
    [
      'meta protocol { ip6, 8021q, 8021ad } drop',
      [{ match: 'meta protocol', value: ['ip6', '8021q', '8021ad'] }, drop],
    ],
    ['iifgroup 1802408389 accept', [{ match: 'iifgroup', value: '1802408389' }, accept]],
    ['oifgroup != 0 drop', [{ match: 'oifgroup', not: true, value: '0' }, drop]],
    ['iifgroup { 7, 3000000000 } drop', [{ match: 'iifgroup', value: ['7', '3000000000'] }, drop]],
    [
      'iifgroup & 0xffff0000 == 0x32180000 drop',
      [{ bits: 'iifgroup', mask: 0xffff0000, value: 0x32180000 }, drop],
    ],
    [
      'oifgroup & 0xffff0000 != 0x32180000 accept',
      [{ bits: 'oifgroup', mask: 0xffff0000, not: true, value: 0x32180000 }, accept],
    ],
    ['meta nfproto ipv6 drop', [{ match: 'meta nfproto', value: 'ipv6' }, drop]],
    ['meta l4proto udp accept', [{ match: 'meta l4proto', value: 'udp' }, accept]],
    [
      'meta l4proto { tcp, udp } accept',
      [{ match: 'meta l4proto', value: ['tcp', 'udp'] }, accept],
    ],
    ['meta mark 0x10 accept', [{ match: 'meta mark', value: '0x10' }, accept]],
    ['meta pkttype broadcast drop', [{ match: 'meta pkttype', value: 'broadcast' }, drop]],
    [
      'ct state established,related accept',
      [{ match: 'ct state', value: ['established', 'related'] }, accept],
    ],
    ['ct state new accept', [{ match: 'ct state', value: 'new' }, accept]],
    [
      'ct state ! established,related drop',
      [{ match: 'ct state', not: true, value: ['established', 'related'] }, drop],
    ],
    ['ct status dnat accept', [{ match: 'ct status', value: 'dnat' }, accept]],
    ['meta mark & 0x6 == 0x6 accept', [{ bits: 'meta mark', value: 6 }, accept]],
    ['ct mark & 0x80000000 == 0x80000000 drop', [{ bits: 'ct mark', value: 0x80000000 }, drop]],
    ['ct mark 5 accept', [{ match: 'ct mark', value: '5' }, accept]],
    ['ct direction reply accept', [{ match: 'ct direction', value: 'reply' }, accept]],
    ['ip saddr 10.0.0.1 drop', [{ match: 'ip saddr', value: '10.0.0.1' }, drop]],
    ['ip daddr 127.0.0.0/8 drop', [{ match: 'ip daddr', value: '127.0.0.0/8' }, drop]],
    [
      'ip daddr != 10.0.0.0/12 drop',
      [{ match: 'ip daddr', not: true, value: '10.0.0.0/12' }, drop],
    ],
    [
      'ip saddr { 10.0.0.0/8, 192.168.1.1 } drop',
      [{ match: 'ip saddr', value: ['10.0.0.0/8', '192.168.1.1'] }, drop],
    ],
    ['ip6 saddr ::1 drop', [{ match: 'ip6 saddr', value: '::1' }, drop]],
    ['ip6 daddr fe80::/10 drop', [{ match: 'ip6 daddr', value: 'fe80::/10' }, drop]],
    [
      'ether saddr 02:00:00:00:00:01 drop',
      [{ match: 'ether saddr', value: '02:00:00:00:00:01' }, drop],
    ],
    [
      'ether daddr 02:00:00:00:00:01 drop',
      [{ match: 'ether daddr', value: '02:00:00:00:00:01' }, drop],
    ],
    ['ether type arp drop', [{ match: 'ether type', value: 'arp' }, drop]],
    ['th sport 53 accept', [{ match: 'th sport', value: '53' }, accept]],
    [
      'meta l4proto udp th dport 53 accept',
      [{ match: 'meta l4proto', value: 'udp' }, { match: 'th dport', value: '53' }, accept],
    ],
    ['tcp flags syn drop', [{ match: 'tcp flags', value: 'syn' }, drop]],
    ['icmp type echo-request accept', [{ match: 'icmp type', value: 'echo-request' }, accept]],
    [
      'igmp type { leave-group, membership-report-v3 } drop',
      [{ match: 'igmp type', value: ['leave-group', 'membership-report-v3'] }, drop],
    ],
    [
      'icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept',
      [{ match: 'icmpv6 type', value: ['nd-neighbor-solicit', 'nd-neighbor-advert'] }, accept],
    ],
    ['fib daddr type local accept', [{ match: 'fib daddr type', value: 'local' }, accept]],
    [
      'fib saddr type != local accept',
      [{ match: 'fib saddr type', not: true, value: 'local' }, accept],
    ],
    [
      'ip saddr 10.0.0.1 ip daddr 10.0.0.2 drop',
      [{ match: 'ip saddr', value: '10.0.0.1' }, { match: 'ip daddr', value: '10.0.0.2' }, drop],
    ],
    ['iifname @links accept', [{ lookup: ['iifname'], set: 'links' }, accept]],
    ['iifname != @links accept', [{ lookup: ['iifname'], not: true, set: 'links' }, accept]],
    [
      'iifname . ip saddr @prefixes drop',
      [{ lookup: ['iifname', 'ip saddr'], set: 'prefixes' }, drop],
    ],
    [
      'iifname . ip saddr . meta l4proto . th dport . meta mark @seven drop',
      [
        {
          lookup: ['iifname', 'ip saddr', 'meta l4proto', 'th dport', 'meta mark'],
          set: 'seven',
        },
        drop,
      ],
    ],
    ['meta nfproto . iifname vmap @modes', [{ vmap: ['meta nfproto', 'iifname'], map: 'modes' }]],
    ['jump other', [{ jump: 'other' }]],
    ['goto other', [{ goto: 'other' }]],
    ['return', [{ verdict: 'return' }]],
    ['continue', [{ verdict: 'continue' }]],
    ['counter', [{ counter: true }]],
    ['reject with tcp reset', [{ reject: 'tcp reset' }]],
    [
      'meta l4proto tcp reject with tcp reset',
      [{ match: 'meta l4proto', value: 'tcp' }, { reject: 'tcp reset' }],
    ],
    ['reject with icmpx port-unreachable', [{ reject: 'port-unreachable' }]],
    ['reject with icmpx admin-prohibited', [{ reject: 'admin-prohibited' }]],
    ['log prefix "hello "', [{ log: 'hello ' }]],
    ['limit rate 5/second', [{ limit: { rate: 5, per: 'second' } }]],
    ['limit rate 7/minute', [{ limit: { rate: 7, per: 'minute' } }]],
    ['limit rate 9/hour', [{ limit: { rate: 9, per: 'hour' } }]],
    [
      'update @quiet { ip saddr . meta l4proto . th dport timeout 10s }',
      [{ update: 'quiet', key: ['ip saddr', 'meta l4proto', 'th dport'], timeoutMs: 10_000 }],
    ],
    [
      'update @quiet { ip saddr . meta l4proto . th dport }',
      [{ update: 'quiet', key: ['ip saddr', 'meta l4proto', 'th dport'] }],
    ],
    ['meta mark set 5', [{ setMark: 'meta mark', value: 5 }]],
    ['ct mark set 0xffffffff', [{ setMark: 'ct mark', value: 0xffffffff }]],
    [
      'meta mark set meta mark & 0xffff00ff | 0x500',
      [{ setMark: 'meta mark', value: 0x500, mask: 0xff00 }],
    ],
    [
      'ct mark set ct mark & 0x00ffffff | 0x81000000',
      [{ setMark: 'ct mark', value: 0x81000000, mask: 0xff000000 }],
    ],
  ])('inet: %s', (text, statements) => compare('inet', 'filter', statements, text))

  it.each<[string, string, Statement[]]>([
    ['raw', 'notrack', [{ notrack: true }]],
    ['srcnat', 'masquerade', [{ masquerade: true }]],
    [
      'srcnat',
      'meta l4proto tcp masquerade to :16384-65535',
      [
        { match: 'meta l4proto', value: 'tcp' },
        { masquerade: true, ports: { from: 16384, to: 65535 } },
      ],
    ],
    [
      'srcnat',
      'iifname . ip saddr @prefixes masquerade',
      [{ lookup: ['iifname', 'ip saddr'], set: 'prefixes' }, { masquerade: true }],
    ],
    [
      'srcnat',
      'snat ip to meta l4proto . th sport map @to4',
      [{ nat: 'snat', family: 'ip', map: 'to4', key: ['meta l4proto', 'th sport'] }],
    ],
    [
      'nat',
      'dnat ip to meta l4proto . th dport map @ports',
      [{ nat: 'dnat', family: 'ip', map: 'ports', key: ['meta l4proto', 'th dport'] }],
    ],
    [
      'nat',
      'dnat ip6 to meta l4proto . th dport map @to6',
      [{ nat: 'dnat', family: 'ip6', map: 'to6', key: ['meta l4proto', 'th dport'] }],
    ],
  ])('inet %s: %s', (hook, text, statements) => compare('inet', hook, statements, text))

  it.each<[Family, string, Statement[]]>([
    ['ip', 'ip saddr 10.0.0.1 drop', [{ match: 'ip saddr', value: '10.0.0.1' }, drop]],
    ['ip', 'icmp type echo-request drop', [{ match: 'icmp type', value: 'echo-request' }, drop]],
    ['ip', 'reject with icmp port-unreachable', [{ reject: 'port-unreachable' }]],
    ['ip', 'reject with icmp admin-prohibited', [{ reject: 'admin-prohibited' }]],
    ['ip6', 'ip6 daddr ::1 drop', [{ match: 'ip6 daddr', value: '::1' }, drop]],
    ['ip6', 'icmpv6 type echo-reply drop', [{ match: 'icmpv6 type', value: 'echo-reply' }, drop]],
    ['ip6', 'reject with icmpv6 port-unreachable', [{ reject: 'port-unreachable' }]],
    ['ip6', 'reject with icmpv6 admin-prohibited', [{ reject: 'admin-prohibited' }]],
    ['bridge', 'ip saddr 10.0.0.1 drop', [{ match: 'ip saddr', value: '10.0.0.1' }, drop]],
    ['bridge', 'ip6 daddr ::1 drop', [{ match: 'ip6 daddr', value: '::1' }, drop]],
    ['bridge', 'ether type ip6 drop', [{ match: 'ether type', value: 'ip6' }, drop]],
    [
      'bridge',
      'ether saddr 02:00:00:00:00:01 drop',
      [{ match: 'ether saddr', value: '02:00:00:00:00:01' }, drop],
    ],
    ['bridge', 'iifname { "a", "b" } drop', [{ match: 'iifname', value: ['a', 'b'] }, drop]],
  ])('%s: %s', (family, text, statements) => compare(family, 'filter', statements, text))

  it.each<[string, Statement[]]>([
    ['ip saddr 10.0.0.1 drop', [{ match: 'ip saddr', value: '10.0.0.1' }, drop]],
    ['ether type arp drop', [{ match: 'ether type', value: 'arp' }, drop]],
  ])('netdev: %s', (text, statements) => compare('netdev', 'ingress', statements, text))

  it('a range of ports, which nft asks in two comparisons and we in one', () => {
    const ours = (not: boolean): TableDefinition => ({
      family: 'inet',
      name: 't',
      owned: false,
      sets: [],
      chains: [{ name: 'c', rules: [{ statements: [{ match: 'th dport', not, value: '5-9' }] }] }],
    })
    for (const [not, text] of [
      [false, 'th dport 5-9'],
      [true, 'th dport != 5-9'],
    ] as const) {
      replaceTable(socket(), ours(not))
      expect(nft('list chain inet t c')).toContain(text)
    }
  })

  it('names of bridges, where this kernel has them', (context) => {
    const table: TableDefinition = {
      family: 'bridge',
      name: 'ours',
      owned: false,
      sets: [{ name: 's', key: ['ifname'] }],
      chains: [
        {
          name: 'c',
          hook: { type: 'filter', hook: 'forward', priority: 0 },
          rules: [
            { statements: [{ lookup: ['ibrname'], set: 's' }, drop] },
            { statements: [{ match: 'obrname', value: 'br-x' }, drop] },
          ],
        },
      ],
    }
    try {
      replaceTable(socket(), table)
    } catch (error) {
      context.skip(isKernelError(error, 'EOPNOTSUPP'), 'kernel without CONFIG_NFT_BRIDGE_META')
      throw error
    }
    expect(nft('list chain bridge ours c')).toContain('meta ibrname @s drop')
    expect(nft('list chain bridge ours c')).toContain('meta obrname "br-x" drop')
  })

  it('refuses what a family does not have', () => {
    const table: TableDefinition = {
      family: 'ip',
      name: 't',
      owned: false,
      sets: [],
      chains: [{ name: 'c', rules: [{ statements: [{ match: 'ip6 saddr', value: '::1' }] }] }],
    }
    expect(() => replaceTable(socket(), table)).toThrow('a table of family ip has no ip6 packets')
    expect(nft('list tables')).toBe('')
  })
})
