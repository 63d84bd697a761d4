import type { Cidr, IpAddress, MacAddress, Prefix } from '../../address/address.ts'
import type { Change } from '../../kernel/kernel.ts'
import type {
  AddressResource,
  BridgeResource,
  ElementResource,
  NamespaceRef,
  NamespaceResource,
  Resource,
  RouteResource,
  SysctlResource,
  TableResource,
  VethResource,
} from '../../kernel/resource.ts'
import type { Statement } from '../../kernel/ruleset.ts'
import { deepFreeze, type KernelWorld } from './world.ts'

const accept: Statement = { verdict: 'accept' }

export const table: TableResource = deepFreeze({
  kind: 'table',
  definition: {
    family: 'inet',
    name: 'contract',
    owned: true,
    sets: [
      { name: 'bridges', key: ['ifname'] },
      { name: 'sources', key: ['ifname', 'ipv4_addr'], interval: true },
      { name: 'modes', key: ['ifname'], value: 'verdict' },
    ],
    chains: [
      {
        name: 'forward',
        hook: { type: 'filter', hook: 'forward', priority: 0, policy: 'accept' },
        rules: [
          { statements: [{ match: 'ct state', value: ['established', 'related'] }, accept] },
          { statements: [{ vmap: ['oifname'], map: 'modes' }] },
        ],
      },
      { name: 'open', rules: [{ statements: [accept] }] },
      { name: 'shut', rules: [{ statements: [{ verdict: 'drop' }], comment: 'all of it' }] },
    ],
  },
})

export function bridge(name = 'br-one', changes: Partial<BridgeResource> = {}): BridgeResource {
  return { kind: 'bridge', name, origin: 'own', mtu: 1400, ipv6: true, ...changes }
}

export function namespace(world: KernelWorld, name = 'box'): NamespaceResource {
  return { kind: 'namespace', namespace: { path: `${world.namespaceDir}/${name}` } }
}

interface VethChanges {
  readonly name?: string
  readonly bridge?: string
  readonly mtu?: number
  readonly inner?: string
  readonly mac?: string
}

export function veth(inside: NamespaceRef, changes: VethChanges = {}): VethResource {
  const { name = 'v-one', mtu = 1400, inner = 'eth0', mac = '02:00:00:00:00:02' } = changes
  return {
    kind: 'veth',
    name,
    bridge: changes.bridge ?? 'br-one',
    mtu,
    peer: { namespace: inside, name: inner, mac: mac as MacAddress, ipv6: true },
  }
}

export function address(link: string, text: string, inside?: NamespaceRef): AddressResource {
  return { kind: 'address', ...at(inside), link, address: text as Cidr }
}

export function route(
  link: string,
  destination: string,
  gateway?: string,
  inside?: NamespaceRef,
): RouteResource {
  const via = gateway === undefined ? {} : { gateway: gateway as IpAddress }
  return { kind: 'route', ...at(inside), destination: destination as Prefix, ...via, link }
}

export function sysctl(name: string, value: string, restore?: string): SysctlResource {
  return { kind: 'sysctl', name, value, ...(restore === undefined ? {} : { restore }) }
}

export function element(
  set: string,
  key: readonly string[],
  changes: Partial<Pick<ElementResource, 'value' | 'owner' | 'table'>> = {},
): ElementResource {
  const place = { family: 'inet', table: 'contract', set } as const
  return { kind: 'element', ...place, key, owner: 'network-one', ...changes }
}

function at(namespace: NamespaceRef | undefined): { readonly namespace?: NamespaceRef } {
  return namespace === undefined ? {} : { namespace }
}

/** A network on the host: what a driver might describe. */
export function networkSample(): readonly Resource[] {
  return [
    table,
    element('bridges', ['br-one']),
    element('sources', ['br-one', '10.77.0.0/24']),
    element('modes', ['br-one'], { value: ['jump open'] }),
    bridge(),
    address('br-one', '10.77.0.1/24'),
    address('br-one', 'fd77::1/64'),
    route('br-one', '10.78.0.0/16', '10.77.0.9'),
    sysctl('net/ipv4/conf/br-one/forwarding', '1'),
  ]
}

/** A sandbox with an endpoint on that network. */
export function sandboxSample(world: KernelWorld): readonly Resource[] {
  const box = namespace(world)
  const inside = box.namespace
  return [
    box,
    veth(inside),
    address('eth0', '10.77.0.2/24', inside),
    address('eth0', 'fd77::2/64', inside),
    route('eth0', '0.0.0.0/0', '10.77.0.1', inside),
    route('eth0', '::/0', 'fd77::1', inside),
    route('eth0', '10.99.0.0/16', '10.77.0.8', inside),
  ]
}

/** One resource of every kind and more, with all that it stands on. */
export function fullSample(world: KernelWorld): readonly Resource[] {
  return [...networkSample(), ...sandboxSample(world)]
}

/** A change of everything that can be changed under its key. */
export function everyChange(world: KernelWorld): Change {
  const { namespace: inside } = namespace(world)
  const mac = '02:00:00:00:00:77' as MacAddress
  const pairs: (readonly [Resource, Resource])[] = [
    [bridge('br-one', { mtu: 1400 }), bridge('br-one', { mtu: 1300, mac })],
    [veth(inside), veth(inside, { mtu: 1300, mac: '02:00:00:00:00:88' })],
    [
      route('eth0', '0.0.0.0/0', '10.77.0.1', inside),
      route('eth0', '0.0.0.0/0', '10.77.0.7', inside),
    ],
    [route('eth0', '::/0', 'fd77::1', inside), route('eth0', '::/0', 'fd77::7', inside)],
    [
      sysctl('net/ipv4/conf/br-one/forwarding', '1'),
      sysctl('net/ipv4/conf/br-one/forwarding', '0'),
    ],
    [
      element('modes', ['br-one'], { value: ['jump open'] }),
      element('modes', ['br-one'], { value: ['jump shut'] }),
    ],
    [element('bridges', ['br-one']), element('bridges', ['br-one'], { owner: 'network-two' })],
    [table, otherTable()],
  ]
  return { remove: pairs.map(([from]) => from), add: pairs.map(([, to]) => to) }
}

export function otherTable(): TableResource {
  const { definition } = table
  const rules = [{ statements: [{ counter: true }] }] as const
  const chains = definition.chains.map((chain) =>
    chain.name === 'open' ? { ...chain, rules } : chain,
  )
  return { kind: 'table', definition: { ...definition, chains } }
}
