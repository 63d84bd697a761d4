import { describe, expect, it } from 'vitest'
import type { Prefix } from '../address/address.ts'
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
        "map inet cnm gateway_mode { type nf_proto . ifname : verdict; comment "what may come into a bridge from elsewhere"; }",
        "set inet cnm uplinks { type nf_proto . ifname; comment "links that forward only because of us"; }",
        "set inet cnm sources4 { type ifname . ipv4_addr; flags interval; comment "bridges and the senders that may be there"; }",
        "set inet cnm sources6 { type ifname . ipv6_addr; flags interval; comment "bridges and the senders that may be there"; }",
        "set inet cnm masquerade4 { type ifname . ipv4_addr; flags interval; comment "bridges and subnets hidden behind the host"; }",
        "set inet cnm masquerade6 { type ifname . ipv6_addr; flags interval; comment "bridges and subnets hidden behind the host"; }",
        "chain inet cnm prerouting_raw { type filter hook prerouting priority -300; policy accept; }",
        "chain inet cnm spoofed",
        "chain inet cnm forward { type filter hook forward priority 0; policy accept; }",
        "chain inet cnm forward_ours",
        "chain inet cnm gateway_nat",
        "chain inet cnm postrouting { type nat hook postrouting priority 100; policy accept; }",
        "chain inet cnm input { type filter hook input priority 0; policy accept; }",
        "chain inet cnm input_internal",
        "rule inet cnm prerouting_raw iifname @bridges jump spoofed",
        "rule inet cnm spoofed ip saddr 127.0.0.0/8 drop",
        "rule inet cnm spoofed ip daddr 127.0.0.0/8 drop",
        "rule inet cnm spoofed ip saddr 0.0.0.0 return",
        "rule inet cnm spoofed ip6 saddr fe80::/10 return",
        "rule inet cnm spoofed ip6 saddr :: return",
        "rule inet cnm spoofed iifname . ip saddr != @sources4 drop",
        "rule inet cnm spoofed iifname . ip6 saddr != @sources6 drop",
        "rule inet cnm forward iifname @bridges goto forward_ours",
        "rule inet cnm forward oifname @bridges goto forward_ours",
        "rule inet cnm forward meta nfproto . iifname @uplinks ct state != { established, related } drop",
        "rule inet cnm forward_ours iifname . oifname @same_bridge accept",
        "rule inet cnm forward_ours iifname @internal drop",
        "rule inet cnm forward_ours oifname @internal drop",
        "rule inet cnm forward_ours ct state { established, related } accept",
        "rule inet cnm forward_ours meta nfproto . oifname vmap @gateway_mode",
        "rule inet cnm forward_ours oifname @bridges drop",
        "rule inet cnm gateway_nat ct status dnat accept",
        "rule inet cnm gateway_nat drop",
        "rule inet cnm postrouting iifname . oifname @same_bridge return",
        "rule inet cnm postrouting iifname . ip saddr @masquerade4 masquerade",
        "rule inet cnm postrouting iifname . ip6 saddr @masquerade6 masquerade",
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
        "set bridge cnm ipv4_only { type ifname; comment "ports that have no IPv6"; }",
        "chain bridge cnm forward { type filter hook forward priority -200; policy accept; }",
        "rule bridge cnm forward iifname @icc_off oifname @icc_off drop",
        "rule bridge cnm forward ether type ip6 iifname @ipv4_only drop",
        "rule bridge cnm forward ether type ip6 oifname @ipv4_only drop",
      ]
    `)
  })

  it('leave room for the administrator, just before each of ours', () => {
    expect(linesOf('inet cnm-user')).toMatchInlineSnapshot(`
      [
        "table inet cnm-user",
        "chain inet cnm-user prerouting_raw { type filter hook prerouting priority -301; policy accept; }",
        "chain inet cnm-user forward { type filter hook forward priority -1; policy accept; }",
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
  const id = 'f00d' as NetworkId
  const bridge = 'br-x'
  const prefixes = {
    masquerade4: '10.7.0.0/24' as Prefix,
    masquerade6: 'fd00:7::/64' as Prefix,
  }

  it('has a bridge, a gateway mode and what is hidden', () => {
    const elements = networkElements({ id, bridge, internal: false, icc: true, ...prefixes })
    expect(lines(elements)).toEqual([
      'inet cnm bridges br-x',
      'inet cnm same_bridge br-x . br-x',
      'inet cnm gateway_mode ipv4 . br-x : goto gateway_nat',
      'inet cnm gateway_mode ipv6 . br-x : goto gateway_nat',
      'inet cnm masquerade4 br-x . 10.7.0.0/24',
      'inet cnm masquerade6 br-x . fd00:7::/64',
    ])
    expect(new Set(elements.map(({ owner }) => owner))).toEqual(new Set([id]))
  })

  it('that is internal has no gateway', () => {
    const elements = networkElements({ id, bridge, internal: true, icc: true })
    expect(lines(elements)).toEqual([
      'inet cnm bridges br-x',
      'inet cnm same_bridge br-x . br-x',
      'inet cnm internal br-x',
    ])
  })

  it('without ICC has it in no set that lets peers through', () => {
    const elements = networkElements({ id, bridge, internal: false, icc: false })
    expect(lines(elements)).toEqual([
      'inet cnm bridges br-x',
      'inet cnm gateway_mode ipv4 . br-x : goto gateway_nat',
      'inet cnm gateway_mode ipv6 . br-x : goto gateway_nat',
    ])
  })
})

describe('an endpoint', () => {
  const endpoint = { id: 'e1' as EndpointId, port: 'veth0a1b2c3d4e' }

  it('is known as a port without IPv6', () => {
    expect(lines(endpointElements({ ...endpoint, icc: true, ipv6: false }))).toEqual([
      'bridge cnm ipv4_only veth0a1b2c3d4e',
    ])
  })

  it('is known to the firewall only without ICC or IPv6', () => {
    expect(endpointElements({ ...endpoint, icc: true, ipv6: true })).toEqual([])
    expect(lines(endpointElements({ ...endpoint, icc: false, ipv6: true }))).toEqual([
      'bridge cnm icc_off veth0a1b2c3d4e',
    ])
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
