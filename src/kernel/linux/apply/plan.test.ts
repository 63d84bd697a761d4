import { describe, expect, it } from 'vitest'
import type { Cidr, IpAddress, MacAddress, Prefix } from '../../../address/address.ts'
import type {
  AddressResource,
  ElementResource,
  FlowsResource,
  ReservationResource,
  Resource,
  RouteResource,
  VethResource,
} from '../../resource.ts'
import { byPlace, forgottenBy, placedLink, planOf } from './plan.ts'

const box = { path: '/run/box' }

function veth(changes: Partial<VethResource> = {}, inside = 'eth0', namespace = box): VethResource {
  const peer = { namespace, name: inside, mac: '02:00:00:00:00:02' as MacAddress, ipv6: false }
  return { kind: 'veth', name: 'v-a', bridge: 'br-a', mtu: 1500, peer, ...changes }
}

function address(text: string, namespace?: { path: string }): AddressResource {
  const link = 'eth0'
  return { kind: 'address', link, address: text as Cidr, ...(namespace && { namespace }) }
}

function route(gateway: string): RouteResource {
  const destination = '0.0.0.0/0' as Prefix
  return { kind: 'route', namespace: box, link: 'eth0', destination, gateway: gateway as IpAddress }
}

describe('a plan', () => {
  it('changes where it is what is in both lists', () => {
    const [from, to] = [route('10.0.0.1'), route('10.0.0.2')]
    const plan = planOf({ remove: [from, veth()], add: [to, veth({ mtu: 1400 })] })
    expect(plan.remove).toMatchObject({ routes: [], veths: [] })
    expect(plan.add).toMatchObject({ routes: [to], veths: [veth({ mtu: 1400 })] })
    expect([...plan.before.values()]).toEqual([from, veth()])
  })

  it('makes anew a veth whose other end is elsewhere, and elements', () => {
    const element: ElementResource = {
      kind: 'element',
      family: 'inet',
      table: 't',
      set: 's',
      key: ['x'],
      owner: 'a',
    }
    for (const moved of [veth({}, 'eth1'), veth({}, 'eth0', { path: '/run/other' })]) {
      const plan = planOf({ remove: [veth(), element], add: [moved, { ...element, owner: 'b' }] })
      expect(plan.remove.veths).toEqual([veth()])
      expect(plan.remove.elements).toEqual([element])
      expect(plan.add.veths).toEqual([moved])
    }
  })

  it('knows what dies and what isn’t born yet', () => {
    const plan = planOf({ remove: [{ kind: 'namespace', namespace: box }], add: [veth()] })
    expect([...plan.dying]).toEqual(['/run/box'])
    expect(plan.unborn).toEqual(new Set([placedLink(undefined, 'v-a'), placedLink(box, 'eth0')]))
  })
})

it('sorts by place, in the order in which the places come', () => {
  const list = [address('10.0.0.2/24', box), address('10.0.0.1/24'), address('fd::2/64', box)]
  expect([...byPlace(list)]).toEqual([
    ['/run/box', [list[0], list[2]]],
    ['', [list[1]]],
  ])
})

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
