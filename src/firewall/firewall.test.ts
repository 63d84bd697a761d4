import { describe, expect, it } from 'vitest'
import type { IpAddress, Prefix } from '../address/address.ts'
import type { EndpointId, NetworkId } from '../base/id.ts'
import { tableLines } from '../kernel/memory/ruleset-lines.ts'
import { type ElementResource, resourceKey } from '../kernel/resource.ts'
import { endpointElements, networkElements, tables, uplinkElement } from './firewall.ts'

describe('the tables', () => {
  const linesOf = (key: string) => {
    const table = tables.find((one) => resourceKey(one) === `table:${key}`)
    return tableLines(table!.definition).map((line) => line.replace(`nft add `, ''))
  }

  it('say what is forwarded, hidden and let in', () => {
    expect(linesOf('inet cnm')).toMatchInlineSnapshot(`
      [
        "table inet cnm { flags owner, persist; }",
        "set inet cnm bridges { type ifname; comment "bridges of networks"; }",
        "set inet cnm internal { type ifname; comment "bridges of internal networks"; }",
        "set inet cnm same_bridge { type ifname . ifname; comment "bridges whose endpoints reach each other"; }",
        "set inet cnm one_bridge { type ifname . ifname; comment "bridges whose endpoints are kept apart"; }",
        "map inet cnm gateway_mode { type nf_proto . ifname : verdict; comment "what may come into a bridge from elsewhere"; }",
        "set inet cnm trusted { type ifname . ifname; comment "links and the bridges whose published ports they may reach directly"; }",
        "set inet cnm uplinks { type nf_proto . ifname; comment "links that forward only because of us"; }",
        "set inet cnm sources4 { type ifname . ipv4_addr; flags interval; comment "bridges and the senders that may be there"; }",
        "set inet cnm subnets4 { type ipv4_addr; flags interval; comment "subnets that are on bridges of ours and nowhere else"; }",
        "set inet cnm masquerade4 { type ifname . ipv4_addr; flags interval; comment "bridges and subnets hidden behind the host"; }",
        "map inet cnm snat4 { type ifname . ipv4_addr : ipv4_addr; flags interval; comment "bridges and subnets hidden behind an address"; }",
        "set inet cnm hairpin4 { type ifname . ipv4_addr; flags interval; comment "bridges and subnets that may use their own published ports"; }",
        "set inet cnm sources6 { type ifname . ipv6_addr; flags interval; comment "bridges and the senders that may be there"; }",
        "set inet cnm subnets6 { type ipv6_addr; flags interval; comment "subnets that are on bridges of ours and nowhere else"; }",
        "set inet cnm masquerade6 { type ifname . ipv6_addr; flags interval; comment "bridges and subnets hidden behind the host"; }",
        "map inet cnm snat6 { type ifname . ipv6_addr : ipv6_addr; flags interval; comment "bridges and subnets hidden behind an address"; }",
        "set inet cnm hairpin6 { type ifname . ipv6_addr; flags interval; comment "bridges and subnets that may use their own published ports"; }",
        "map inet cnm published4 { type inet_proto . inet_service : ipv4_addr . inet_service; comment "ports of all addresses and where they lead"; }",
        "map inet cnm published4_at { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; comment "ports of one address and where they lead"; }",
        "map inet cnm published4_ranges { type ipv4_addr . inet_proto . inet_service : ipv4_addr; flags interval; comment "ranges of ports and where they lead, to the same ports"; }",
        "set inet cnm open4 { type ipv4_addr . inet_proto . inet_service; comment "ports that may be reached directly"; }",
        "set inet cnm open4_ranges { type ipv4_addr . inet_proto . inet_service; flags interval; comment "ports that may be reached directly"; }",
        "set inet cnm pairs4 { type ipv4_addr . ipv4_addr; comment "who may talk to whom where endpoints are kept apart"; }",
        "set inet cnm quiet4 { type ipv4_addr . inet_proto . inet_service; flags timeout, dynamic; timeout 30000ms; comment "ports that were published and have to fall silent"; }",
        "set inet cnm quiet_ranges4 { type ipv4_addr . inet_proto . inet_service; flags interval, timeout; timeout 60000ms; comment "ports that were published and have to fall silent"; }",
        "map inet cnm published6 { type inet_proto . inet_service : ipv6_addr . inet_service; comment "ports of all addresses and where they lead"; }",
        "map inet cnm published6_at { type ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service; comment "ports of one address and where they lead"; }",
        "map inet cnm published6_ranges { type ipv6_addr . inet_proto . inet_service : ipv6_addr; flags interval; comment "ranges of ports and where they lead, to the same ports"; }",
        "set inet cnm open6 { type ipv6_addr . inet_proto . inet_service; comment "ports that may be reached directly"; }",
        "set inet cnm open6_ranges { type ipv6_addr . inet_proto . inet_service; flags interval; comment "ports that may be reached directly"; }",
        "set inet cnm pairs6 { type ipv6_addr . ipv6_addr; comment "who may talk to whom where endpoints are kept apart"; }",
        "set inet cnm quiet6 { type ipv6_addr . inet_proto . inet_service; flags timeout, dynamic; timeout 30000ms; comment "ports that were published and have to fall silent"; }",
        "set inet cnm quiet_ranges6 { type ipv6_addr . inet_proto . inet_service; flags interval, timeout; timeout 60000ms; comment "ports that were published and have to fall silent"; }",
        "chain inet cnm prerouting_raw { type filter hook prerouting priority -300; policy accept; }",
        "chain inet cnm spoofed",
        "chain inet cnm prerouting { type nat hook prerouting priority -100; policy accept; }",
        "chain inet cnm output { type nat hook output priority -100; policy accept; }",
        "chain inet cnm published4",
        "chain inet cnm published6",
        "chain inet cnm forward { type filter hook forward priority -5; policy accept; }",
        "chain inet cnm forward_ours",
        "chain inet cnm kept_apart",
        "chain inet cnm unasked",
        "chain inet cnm gateway_nat",
        "chain inet cnm gateway_open",
        "chain inet cnm gateway_routed",
        "chain inet cnm open_ports",
        "chain inet cnm postrouting { type nat hook postrouting priority 100; policy accept; }",
        "chain inet cnm entering",
        "chain inet cnm input { type filter hook input priority 0; policy accept; }",
        "chain inet cnm input_internal",
        "rule inet cnm prerouting_raw iifname @bridges goto spoofed",
        "rule inet cnm prerouting_raw ip saddr @subnets4 iifname != lo drop",
        "rule inet cnm prerouting_raw ip6 saddr @subnets6 iifname != lo drop",
        "rule inet cnm spoofed ip daddr 127.0.0.0/8 drop",
        "rule inet cnm spoofed iifname . ip saddr @sources4 fib saddr type != local return",
        "rule inet cnm spoofed iifname . ip6 saddr @sources6 fib saddr type != local return",
        "rule inet cnm spoofed ip saddr 0.0.0.0 return",
        "rule inet cnm spoofed ip saddr 169.254.0.0/16 ip daddr 169.254.0.0/16 return",
        "rule inet cnm spoofed ip6 saddr fe80::/10 return",
        "rule inet cnm spoofed ip6 saddr :: return",
        "rule inet cnm spoofed drop",
        "rule inet cnm prerouting ip daddr 127.0.0.0/8 return",
        "rule inet cnm prerouting meta nfproto ipv4 fib daddr type local jump published4",
        "rule inet cnm prerouting meta nfproto ipv6 fib daddr type local jump published6",
        "rule inet cnm output meta nfproto ipv4 fib daddr type local jump published4",
        "rule inet cnm output ip6 daddr != ::1 fib daddr type local jump published6",
        "rule inet cnm published4 dnat ip to ip daddr . meta l4proto . th dport map @published4_at",
        "rule inet cnm published4 dnat ip to meta l4proto . th dport map @published4",
        "rule inet cnm published4 dnat ip to ip daddr . meta l4proto . th dport map @published4_ranges",
        "rule inet cnm published6 ip6 saddr fe80::/10 return",
        "rule inet cnm published6 dnat ip6 to ip6 daddr . meta l4proto . th dport map @published6_at",
        "rule inet cnm published6 dnat ip6 to meta l4proto . th dport map @published6",
        "rule inet cnm published6 dnat ip6 to ip6 daddr . meta l4proto . th dport map @published6_ranges",
        "rule inet cnm forward iifname @bridges goto forward_ours",
        "rule inet cnm forward oifname @bridges goto forward_ours",
        "rule inet cnm forward meta nfproto . iifname @uplinks ct state != { established, related } drop",
        "rule inet cnm forward_ours iifname . oifname @same_bridge meta mark set meta mark & 0xfeffffff | 0x1000000 accept",
        "rule inet cnm forward_ours iifname . oifname @one_bridge goto kept_apart",
        "rule inet cnm forward_ours iifname @internal drop",
        "rule inet cnm forward_ours oifname @internal drop",
        "rule inet cnm forward_ours ct state { established, related } meta mark set meta mark & 0xfeffffff | 0x1000000 accept",
        "rule inet cnm forward_ours iifname @bridges jump unasked",
        "rule inet cnm forward_ours meta nfproto . oifname vmap @gateway_mode",
        "rule inet cnm forward_ours oifname @bridges drop",
        "rule inet cnm forward_ours meta mark set meta mark & 0xfeffffff | 0x1000000 accept",
        "rule inet cnm kept_apart meta mark & 0x1000000 == 0x1000000 meta mark set meta mark & 0xfeffffff | 0x1000000 accept",
        "rule inet cnm kept_apart ct status dnat ip saddr . ip daddr @pairs4 meta mark set meta mark & 0xfeffffff | 0x1000000 accept",
        "rule inet cnm kept_apart ct status dnat ip6 saddr . ip6 daddr @pairs6 meta mark set meta mark & 0xfeffffff | 0x1000000 accept",
        "rule inet cnm kept_apart drop",
        "rule inet cnm unasked ct state invalid drop",
        "rule inet cnm unasked ip saddr 169.254.0.0/16 iifname . ip saddr != @sources4 drop",
        "rule inet cnm unasked tcp flags != syn drop",
        "rule inet cnm unasked ip saddr . meta l4proto . th sport @quiet4 update @quiet4 { ip saddr . meta l4proto . th sport }",
        "rule inet cnm unasked ip saddr . meta l4proto . th sport @quiet4 drop",
        "rule inet cnm unasked ip saddr . meta l4proto . th sport @quiet_ranges4 update @quiet4 { ip saddr . meta l4proto . th sport }",
        "rule inet cnm unasked ip saddr . meta l4proto . th sport @quiet_ranges4 drop",
        "rule inet cnm unasked ip6 saddr . meta l4proto . th sport @quiet6 update @quiet6 { ip6 saddr . meta l4proto . th sport }",
        "rule inet cnm unasked ip6 saddr . meta l4proto . th sport @quiet6 drop",
        "rule inet cnm unasked ip6 saddr . meta l4proto . th sport @quiet_ranges6 update @quiet6 { ip6 saddr . meta l4proto . th sport }",
        "rule inet cnm unasked ip6 saddr . meta l4proto . th sport @quiet_ranges6 drop",
        "rule inet cnm gateway_nat ct status dnat meta mark set meta mark & 0xfeffffff | 0x1000000 accept",
        "rule inet cnm gateway_nat iifname . oifname @trusted goto open_ports",
        "rule inet cnm gateway_nat drop",
        "rule inet cnm gateway_open meta mark set meta mark & 0xfeffffff | 0x1000000 accept",
        "rule inet cnm gateway_routed meta l4proto { icmp, ipv6-icmp } meta mark set meta mark & 0xfeffffff | 0x1000000 accept",
        "rule inet cnm gateway_routed goto open_ports",
        "rule inet cnm open_ports ip daddr . meta l4proto . th dport @open4 meta mark set meta mark & 0xfeffffff | 0x1000000 accept",
        "rule inet cnm open_ports ip daddr . meta l4proto . th dport @open4_ranges meta mark set meta mark & 0xfeffffff | 0x1000000 accept",
        "rule inet cnm open_ports ip6 daddr . meta l4proto . th dport @open6 meta mark set meta mark & 0xfeffffff | 0x1000000 accept",
        "rule inet cnm open_ports ip6 daddr . meta l4proto . th dport @open6_ranges meta mark set meta mark & 0xfeffffff | 0x1000000 accept",
        "rule inet cnm open_ports drop",
        "rule inet cnm postrouting oifname @bridges goto entering",
        "rule inet cnm postrouting snat ip to iifname . ip saddr map @snat4:16384-65535",
        "rule inet cnm postrouting snat ip6 to iifname . ip6 saddr map @snat6:16384-65535",
        "rule inet cnm postrouting iifname . ip saddr @masquerade4 masquerade to :16384-65535",
        "rule inet cnm postrouting iifname . ip6 saddr @masquerade6 masquerade to :16384-65535",
        "rule inet cnm entering ct status dnat oifname . ip saddr @hairpin4 masquerade to :16384-65535",
        "rule inet cnm entering ct status dnat oifname . ip6 saddr @hairpin6 masquerade to :16384-65535",
        "rule inet cnm entering ip saddr 127.0.0.0/8 masquerade to :16384-65535",
        "rule inet cnm input iifname @internal goto input_internal",
        "rule inet cnm input_internal ct state { established, related } accept",
        "rule inet cnm input_internal icmpv6 type nd-neighbor-solicit accept",
        "rule inet cnm input_internal icmpv6 type nd-neighbor-advert accept",
        "rule inet cnm input_internal drop",
      ]
    `)
  })

  it('say what passes between the ports of a bridge', () => {
    expect(linesOf('bridge cnm')).toMatchInlineSnapshot(`
      [
        "table bridge cnm { flags owner, persist; }",
        "set bridge cnm icc_off { type ifname; comment "ports that reach only the gateway"; }",
        "set bridge cnm pairs { type ifname . ifname; comment "ports that reach each other all the same"; }",
        "set bridge cnm ipv4_only { type ifname; comment "ports that have no IPv6"; }",
        "set bridge cnm macs { type ifname . ether_addr; comment "ports and the MACs that send there"; }",
        "set bridge cnm any_mac { type ifname; comment "ports where any MAC may send"; }",
        "set bridge cnm any_address { type ifname; comment "ports where any address may send"; }",
        "set bridge cnm any_protocol { type ifname; comment "ports that may send what is no IP"; }",
        "set bridge cnm senders4 { type ifname . ether_addr . ipv4_addr; comment "ports, and the MAC and addresses of their endpoints"; }",
        "set bridge cnm addresses4 { type ifname . ipv4_addr; comment "ports where several MACs may send, and from which addresses"; }",
        "set bridge cnm senders6 { type ifname . ether_addr . ipv6_addr; comment "ports, and the MAC and addresses of their endpoints"; }",
        "set bridge cnm addresses6 { type ifname . ipv6_addr; comment "ports where several MACs may send, and from which addresses"; }",
        "chain bridge cnm prerouting { type filter hook prerouting priority -200; policy accept; }",
        "chain bridge cnm from_port",
        "chain bridge cnm own_mac",
        "chain bridge cnm others4",
        "chain bridge cnm own_mac4",
        "chain bridge cnm arp",
        "chain bridge cnm own_mac_arp",
        "chain bridge cnm from_port6",
        "chain bridge cnm others6",
        "chain bridge cnm own_mac6",
        "chain bridge cnm from_nobody6",
        "chain bridge cnm icmpv6",
        "chain bridge cnm solicit",
        "chain bridge cnm router_solicit",
        "chain bridge cnm advert",
        "chain bridge cnm own_advert",
        "chain bridge cnm others_nd",
        "chain bridge cnm own_mac_nd",
        "chain bridge cnm forward { type filter hook forward priority -200; policy accept; }",
        "chain bridge cnm neighbours",
        "chain bridge cnm from_kept_apart",
        "rule bridge cnm prerouting iifgroup & 0xffff0000 == 0x32180000 goto from_port",
        "rule bridge cnm from_port iifname . ether saddr . ip saddr @senders4 accept",
        "rule bridge cnm from_port meta protocol ip6 goto from_port6",
        "rule bridge cnm from_port meta protocol arp goto arp",
        "rule bridge cnm from_port meta protocol ip goto others4",
        "rule bridge cnm from_port iifname @any_protocol goto own_mac",
        "rule bridge cnm from_port drop",
        "rule bridge cnm own_mac iifname . ether saddr @macs accept",
        "rule bridge cnm own_mac iifname @any_mac accept",
        "rule bridge cnm own_mac drop",
        "rule bridge cnm others4 iifname . ether saddr @macs goto own_mac4",
        "rule bridge cnm others4 iifname @any_mac goto own_mac4",
        "rule bridge cnm others4 drop",
        "rule bridge cnm own_mac4 iifname @any_address accept",
        "rule bridge cnm own_mac4 iifname . ip saddr @addresses4 accept",
        "rule bridge cnm own_mac4 ip saddr 0.0.0.0 meta l4proto udp th dport 67 accept",
        "rule bridge cnm own_mac4 ip saddr 0.0.0.0 meta l4proto igmp accept",
        "rule bridge cnm own_mac4 ip saddr 169.254.0.0/16 ip daddr 169.254.0.0/16 accept",
        "rule bridge cnm own_mac4 drop",
        "rule bridge cnm arp iifname . ether saddr . arp saddr ip @senders4 iifname . arp saddr ether . arp saddr ip @senders4 accept",
        "rule bridge cnm arp iifname @any_mac goto own_mac_arp",
        "rule bridge cnm arp iifname . ether saddr != @macs drop",
        "rule bridge cnm arp iifname . arp saddr ether @macs goto own_mac_arp",
        "rule bridge cnm arp drop",
        "rule bridge cnm own_mac_arp iifname @any_address accept",
        "rule bridge cnm own_mac_arp iifname . arp saddr ip @addresses4 accept",
        "rule bridge cnm own_mac_arp arp saddr ip 0.0.0.0 accept",
        "rule bridge cnm own_mac_arp arp saddr ip 169.254.0.0/16 accept",
        "rule bridge cnm own_mac_arp drop",
        "rule bridge cnm from_port6 meta l4proto ipv6-icmp goto icmpv6",
        "rule bridge cnm from_port6 iifname . ether saddr . ip6 saddr @senders6 accept",
        "rule bridge cnm from_port6 goto others6",
        "rule bridge cnm others6 iifname @ipv4_only drop",
        "rule bridge cnm others6 iifname . ether saddr @macs goto own_mac6",
        "rule bridge cnm others6 iifname @any_mac goto own_mac6",
        "rule bridge cnm others6 drop",
        "rule bridge cnm own_mac6 ip6 saddr :: goto from_nobody6",
        "rule bridge cnm own_mac6 iifname @any_address accept",
        "rule bridge cnm own_mac6 iifname . ip6 saddr @addresses6 accept",
        "rule bridge cnm own_mac6 drop",
        "rule bridge cnm from_nobody6 icmpv6 type nd-neighbor-solicit accept",
        "rule bridge cnm from_nobody6 icmpv6 type nd-router-solicit accept",
        "rule bridge cnm from_nobody6 icmpv6 type mld2-listener-report accept",
        "rule bridge cnm from_nobody6 icmpv6 type mld-listener-report accept",
        "rule bridge cnm from_nobody6 icmpv6 type mld-listener-done accept",
        "rule bridge cnm from_nobody6 drop",
        "rule bridge cnm icmpv6 icmpv6 type nd-neighbor-solicit goto solicit",
        "rule bridge cnm icmpv6 icmpv6 type nd-neighbor-advert goto advert",
        "rule bridge cnm icmpv6 icmpv6 type nd-router-solicit goto router_solicit",
        "rule bridge cnm icmpv6 icmpv6 type nd-router-advert drop",
        "rule bridge cnm icmpv6 icmpv6 type nd-redirect drop",
        "rule bridge cnm icmpv6 iifname . ether saddr . ip6 saddr @senders6 accept",
        "rule bridge cnm icmpv6 goto others6",
        "rule bridge cnm solicit ip6 length 32 iifname . ether saddr . ip6 saddr @senders6 iifname . nd option mac . ip6 saddr @senders6 accept",
        "rule bridge cnm solicit ip6 length 24 iifname . ether saddr . ip6 saddr @senders6 accept",
        "rule bridge cnm solicit ip6 saddr :: goto others6",
        "rule bridge cnm solicit goto others_nd",
        "rule bridge cnm router_solicit ip6 length 16 iifname . ether saddr . ip6 saddr @senders6 iifname . rs option mac . ip6 saddr @senders6 accept",
        "rule bridge cnm router_solicit ip6 length 8 iifname . ether saddr . ip6 saddr @senders6 accept",
        "rule bridge cnm router_solicit ip6 saddr :: goto others6",
        "rule bridge cnm router_solicit iifname @any_mac goto others_nd",
        "rule bridge cnm router_solicit drop",
        "rule bridge cnm advert iifname . ether saddr . ip6 saddr @senders6 goto own_advert",
        "rule bridge cnm advert iifname . nd target @addresses6 goto others_nd",
        "rule bridge cnm advert iifname @any_address goto others_nd",
        "rule bridge cnm advert drop",
        "rule bridge cnm own_advert ip6 length 32 iifname . ether saddr . nd target @senders6 iifname . nd option mac . nd target @senders6 accept",
        "rule bridge cnm own_advert ip6 length 24 iifname . ether saddr . nd target @senders6 accept",
        "rule bridge cnm own_advert iifname . nd target @addresses6 goto others_nd",
        "rule bridge cnm own_advert iifname @any_address goto others_nd",
        "rule bridge cnm own_advert drop",
        "rule bridge cnm others_nd iifname @ipv4_only drop",
        "rule bridge cnm others_nd iifname @any_address goto own_mac_nd",
        "rule bridge cnm others_nd iifname . ip6 saddr @addresses6 goto own_mac_nd",
        "rule bridge cnm others_nd drop",
        "rule bridge cnm own_mac_nd iifname @any_mac accept",
        "rule bridge cnm own_mac_nd iifname . ether saddr != @macs drop",
        "rule bridge cnm own_mac_nd ip6 length 24 accept",
        "rule bridge cnm own_mac_nd ip6 length 32 iifname . nd option mac @macs accept",
        "rule bridge cnm own_mac_nd drop",
        "rule bridge cnm forward meta protocol ip goto neighbours",
        "rule bridge cnm forward meta protocol ip6 oifname @ipv4_only drop",
        "rule bridge cnm forward meta protocol { 8021q, 8021ad } iifgroup & 0xffff0000 != 0x32180000 oifname @ipv4_only drop",
        "rule bridge cnm forward goto neighbours",
        "rule bridge cnm neighbours iifname @icc_off goto from_kept_apart",
        "rule bridge cnm neighbours oifname @icc_off meta mark set meta mark & 0xfeffffff | 0x1000000 accept",
        "rule bridge cnm from_kept_apart iifname . oifname @pairs meta mark set meta mark & 0xfeffffff | 0x1000000 accept",
        "rule bridge cnm from_kept_apart oifname @icc_off drop",
        "rule bridge cnm from_kept_apart meta mark set meta mark & 0xfeffffff | 0x1000000 accept",
      ]
    `)
  })

  it('leave room for the administrator, just before each of ours', () => {
    expect(linesOf('inet cnm-user')).toMatchInlineSnapshot(`
      [
        "table inet cnm-user",
        "chain inet cnm-user prerouting_raw { type filter hook prerouting priority -301; policy accept; }",
        "chain inet cnm-user forward { type filter hook forward priority -6; policy accept; }",
        "chain inet cnm-user postrouting { type filter hook postrouting priority 99; policy accept; }",
        "chain inet cnm-user input { type filter hook input priority -1; policy accept; }",
      ]
    `)
  })

  it('have all the sets and chains that are spoken of', () => {
    for (const { definition } of tables) {
      const sets = new Set(definition.sets.map(({ name }) => name))
      const chains = new Set(definition.chains.map(({ name }) => name))
      for (const { rules } of definition.chains) {
        for (const statement of rules.flatMap(({ statements }) => statements)) {
          if ('lookup' in statement) expect(sets).toContain(statement.set)
          if ('vmap' in statement) expect(sets).toContain(statement.map)
          if ('jump' in statement) expect(chains).toContain(statement.jump)
          if ('goto' in statement) expect(chains).toContain(statement.goto)
        }
      }
    }
  })
})

describe('a network', () => {
  const subnet4 = '10.7.0.0/24' as Prefix
  const subnet6 = 'fd00:7::/64' as Prefix
  const mode = 'nat'
  const network = {
    id: 'f00d' as NetworkId,
    bridge: 'br-x',
    internal: false,
    icc: true,
    trusted: [],
    ipv4: { mode, subnet: subnet4, sources: subnet4, hiddenBehind: 'host' },
    ipv6: { mode, subnet: subnet6, sources: subnet6, hiddenBehind: 'host' },
  } as const

  it('has a bridge, who may send there, a gateway mode and what is hidden', () => {
    const elements = networkElements(network)
    expect(lines(elements)).toEqual([
      'inet cnm bridges br-x',
      'inet cnm same_bridge br-x . br-x',
      'inet cnm sources4 br-x . 10.7.0.0/24',
      'inet cnm sources6 br-x . fd00:7::/64',
      'inet cnm gateway_mode ipv4 . br-x : goto gateway_nat',
      'inet cnm hairpin4 br-x . 10.7.0.0/24',
      'inet cnm masquerade4 br-x . 10.7.0.0/24',
      'inet cnm gateway_mode ipv6 . br-x : goto gateway_nat',
      'inet cnm hairpin6 br-x . fd00:7::/64',
      'inet cnm masquerade6 br-x . fd00:7::/64',
    ])
    expect(new Set(elements.map(({ owner }) => owner))).toEqual(new Set([network.id]))
  })

  it('that is internal has no gateway', () => {
    const elements = networkElements({ ...network, internal: true, trusted: ['eth1'] })
    expect(lines(elements)).toEqual([
      'inet cnm bridges br-x',
      'inet cnm same_bridge br-x . br-x',
      'inet cnm internal br-x',
      'inet cnm sources4 br-x . 10.7.0.0/24',
      'inet cnm sources6 br-x . fd00:7::/64',
    ])
  })

  it('without ICC has it in no set that lets peers through', () => {
    const elements = lines(networkElements({ ...network, icc: false }))
    expect(elements).toContain('inet cnm one_bridge br-x . br-x')
    expect(elements.join()).not.toContain('same_bridge')
  })

  it('has one family only', () => {
    const { ipv6: _, ...ipv4Only } = network
    expect(lines(networkElements(ipv4Only)).join()).not.toMatch(/ipv6|sources6|6 br-x/)
  })

  it('has another way in for each mode, and its own address or none', () => {
    const { sources } = network.ipv4
    const elements = networkElements({
      ...network,
      trusted: ['eth1', 'eth2'],
      ipv4: { mode: 'routed', subnet: subnet4, sources },
      ipv6: { ...network.ipv6, mode: 'nat-unprotected', hiddenBehind: '2001:db8::7' as IpAddress },
    })
    expect(lines(elements).slice(4)).toEqual([
      'inet cnm gateway_mode ipv4 . br-x : goto gateway_routed',
      'inet cnm gateway_mode ipv6 . br-x : goto gateway_open',
      'inet cnm hairpin6 br-x . fd00:7::/64',
      'inet cnm snat6 br-x . fd00:7::/64 : 2001:db8::7',
      'inet cnm trusted eth1 . br-x',
      'inet cnm trusted eth2 . br-x',
    ])
  })
})

describe('an endpoint', () => {
  const endpoint = {
    id: 'e1' as EndpointId,
    network: 'f00d' as NetworkId,
    port: 'veth1',
    ipv4: '10.7.0.2' as IpAddress,
    icc: true,
    hasIpv6: true,
    links: [],
    hairpin: [],
  } as const
  const other = { id: 'e2' as EndpointId, port: 'veth2', ipv4: '10.7.0.3' as IpAddress }

  it('is known to the firewall only without ICC or IPv6', () => {
    expect(endpointElements({ ...endpoint, links: [other], hairpin: [4] })).toEqual([])
    expect(lines(endpointElements({ ...endpoint, icc: false, hasIpv6: false }))).toEqual([
      'bridge cnm icc_off veth1',
      'bridge cnm ipv4_only veth1',
    ])
  })

  it('reaches itself by its published port without ICC, too', () => {
    expect(lines(endpointElements({ ...endpoint, icc: false, hairpin: [4, 6] }))).toEqual([
      'bridge cnm icc_off veth1',
      'bridge cnm pairs veth1 . veth1',
      'inet cnm pairs4 10.7.0.2 . 10.7.0.2',
    ])
  })

  it('has a link in both directions, the same from either end', () => {
    const here = endpointElements({ ...endpoint, icc: false, links: [other] }).slice(1)
    const there = endpointElements({ ...endpoint, ...other, icc: false, links: [endpoint] }).slice(
      1,
    )
    expect(lines(here)).toEqual([
      'bridge cnm pairs veth1 . veth2',
      'inet cnm pairs4 10.7.0.2 . 10.7.0.3',
      'bridge cnm pairs veth2 . veth1',
      'inet cnm pairs4 10.7.0.3 . 10.7.0.2',
    ])
    expect(new Set(there)).toEqual(new Set(here))
  })
})

describe('an uplink', () => {
  it('is guarded for one family, and belongs to no network', () => {
    const elements = [uplinkElement('eth0', 4), uplinkElement('eth0', 6)]
    expect(lines(elements)).toEqual([
      'inet cnm uplinks ipv4 . eth0',
      'inet cnm uplinks ipv6 . eth0',
    ])
    expect(elements[0]!.owner).toBe('uplink')
  })
})

function lines(elements: readonly ElementResource[]): string[] {
  return elements.map(({ family, table, set, key, value }) => {
    const to = value === undefined ? '' : ` : ${value.join(' . ')}`
    return `${family} ${table} ${set} ${key.join(' . ')}${to}`
  })
}
