import { describe, expect, it } from 'vitest'
import type { Cidr, IpAddress, MacAddress } from '../../../address/address.ts'
import type {
  AddressResource,
  FlowsResource,
  ReservationResource,
  Resource,
  VethResource,
} from '../../resource.ts'
import { forgottenBy } from './forgotten.ts'

const box = { path: '/run/box' }

function veth(changes: Partial<VethResource> = {}, inside = 'eth0', namespace = box): VethResource {
  const peer = { namespace, name: inside, mac: '02:00:00:00:00:02' as MacAddress, ipv6: false }
  return { kind: 'veth', name: 'v-a', bridge: 'br-a', mtu: 1500, peer, ...changes }
}

function address(text: string, namespace?: { path: string }): AddressResource {
  const link = 'eth0'
  return { kind: 'address', link, address: text as Cidr, ...(namespace && { namespace }) }
}

describe('what conntrack has to forget', () => {
  const ports = { from: 80, to: 80 }
  const quiet = { family: 'inet', table: 't', set: 'quiet', ranges: 'ranges' } as const
  const to = { address: '10.0.0.2' as IpAddress, ports, link: 'v-a', quiet }
  const flows: FlowsResource = { kind: 'flows', protocol: 'udp', ...to }
  const udp: ReservationResource = {
    kind: 'reservation',
    protocol: 'udp',
    address: '0.0.0.0' as IpAddress,
    ports,
  }
  const tcp: ReservationResource = { ...udp, protocol: 'tcp' }

  it('is what was forwarded, and what came to a port before that', () => {
    expect(forgottenBy({ remove: [flows, tcp, udp], add: [] })).toEqual([
      { what: 'ended', isAwaited: true, flows: [flows], reservations: [tcp, udp] },
    ])
    expect(forgottenBy({ remove: [], add: [flows, tcp, udp] })).toEqual([
      { what: 'begun', isAwaited: false, flows: [], reservations: [udp] },
    ])
    expect(forgottenBy({ remove: [flows], add: [udp] })).toEqual([
      { what: 'ended', isAwaited: true, flows: [flows], reservations: [] },
      { what: 'begun', isAwaited: false, flows: [], reservations: [udp] },
    ])
  })

  it('is what came to a port while that was pending', () => {
    const pending = { ...udp, pending: true }
    expect(forgottenBy({ remove: [], add: [pending, tcp] })).toEqual([])
    expect(forgottenBy({ remove: [pending], add: [udp] })).toEqual([
      { what: 'begun', isAwaited: false, flows: [], reservations: [udp] },
    ])
    expect(forgottenBy({ remove: [flows, udp], add: [pending] })).toEqual([
      { what: 'ended', isAwaited: true, flows: [flows], reservations: [] },
    ])
  })

  it('is waited for unless its link goes as well', () => {
    const isAwaited = (...remove: readonly Resource[]) =>
      forgottenBy({ remove, add: [] })[0]?.isAwaited
    expect(isAwaited(flows, tcp, veth())).toBe(false)
    expect(isAwaited(flows, tcp, veth({ name: 'other' }))).toBe(true)
    expect(isAwaited(tcp)).toBe(true)
  })

  it('is nothing where nothing of that changes', () => {
    expect(forgottenBy({ remove: [address('10.0.0.1/24')], add: [] })).toEqual([])
    expect(forgottenBy({ remove: [], add: [flows, tcp] })).toEqual([])
    const both = [flows, tcp, udp]
    expect(forgottenBy({ remove: both, add: both })).toEqual([])
  })
})
