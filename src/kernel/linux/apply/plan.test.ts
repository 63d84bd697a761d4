import { describe, expect, it } from 'vitest'
import type { Cidr, IpAddress, MacAddress, Prefix } from '../../../address/address.ts'
import type {
  AddressResource,
  ElementResource,
  RouteResource,
  VethResource,
} from '../../resource.ts'
import { facts } from '../kinds/kinds.ts'
import { byNamespace, linkKey, planOf } from './plan.ts'

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
    const plan = planOf({ remove: [from, veth()], add: [to, veth({ mtu: 1400 })] }, facts)
    expect([...plan.remove.of('route'), ...plan.remove.of('veth')]).toEqual([])
    expect(plan.add.of('route')).toEqual([to])
    expect(plan.add.of('veth')).toEqual([veth({ mtu: 1400 })])
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
      const change = { remove: [veth(), element], add: [moved, { ...element, owner: 'b' }] }
      const plan = planOf(change, facts)
      expect(plan.remove.of('veth')).toEqual([veth()])
      expect(plan.remove.of('element')).toEqual([element])
      expect(plan.add.of('veth')).toEqual([moved])
    }
  })

  it('knows what dies and what isn’t born yet', () => {
    const plan = planOf({ remove: [{ kind: 'namespace', namespace: box }], add: [veth()] }, facts)
    expect([...plan.retired]).toEqual(['/run/box'])
    expect(plan.unborn).toEqual(new Set([linkKey(undefined, 'v-a'), linkKey(box, 'eth0')]))
  })
})

it('sorts by namespace, in the order in which they come', () => {
  const list = [address('10.0.0.2/24', box), address('10.0.0.1/24'), address('fd::2/64', box)]
  expect([...byNamespace(list)]).toEqual([
    ['/run/box', [list[0], list[2]]],
    ['', [list[1]]],
  ])
})
