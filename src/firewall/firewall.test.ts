import { describe, expect, it } from 'vitest'
import type { IpAddress, Prefix } from '../address/address.ts'
import type { EndpointId, NetworkId } from '../base/id.ts'
import type { ElementResource } from '../kernel/resource.ts'
import { endpointElements, networkElements, uplinkElement } from './firewall.ts'

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
