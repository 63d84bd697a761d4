import { expect } from 'vitest'
import { familyOf } from '../../address/address.ts'
import { parsePorts } from '../../address/port.ts'
import type { EndpointSpec, NetworkSpec, PortBinding, PublishedPort } from '../../driver/driver.ts'
import { type Resource, resourceKey } from '../../kernel/resource.ts'
import { deepFreeze } from '../kernel-cases/world.ts'
import {
  endpointOf,
  endpointResources,
  expectSame,
  ip,
  networkOf,
  networkResources,
  type Scene,
  type SceneCase,
  type Variant,
} from './scene.ts'

/** One port, ports that keep their number, ports that change it. */
const wishes: readonly PublishedPort[] = [
  { protocol: 'tcp', ports: parsePorts('80'), hostPorts: parsePorts('8080') },
  { protocol: 'udp', ports: parsePorts('2000-2099'), hostPorts: parsePorts('2000-2099') },
  { protocol: 'tcp', ports: parsePorts('1000-1004'), hostPorts: parsePorts('9000-9004') },
]

/** Ports, of drivers that publish some. `describe`: for what is only described. */
export function publishingCases(describe: SceneCase, test: SceneCase, variant: Variant): void {
  if (variant.internal) {
    describe('publishes nothing of an internal network', (scene) => {
      const network = networkOf(scene, variant)
      const refuse = () => scene.driver.hostAddresses!(network, endpointOf(network), wishes[0]!)
      expect(refuse).toThrow(expect.objectContaining({ code: 'NOT_ALLOWED' }))
    })
    return
  }

  describe('publishes once in each family the endpoint has, or at the address given', (scene) => {
    const network = networkOf(scene, variant)
    const endpoint = endpointOf(network)
    const ask = (hostAddress?: string) => {
      const at = hostAddress === undefined ? {} : { hostAddress: ip(hostAddress) }
      return scene.driver.hostAddresses!(network, endpoint, deepFreeze({ ...wishes[0]!, ...at }))
    }
    const families = [...(variant.ipv4 ? [4] : []), ...(variant.ipv6 ? [6] : [])]
    const answer = ask()
    expect(answer.map(({ family }) => family).filter((it) => !families.includes(it))).toEqual([])
    expect(answer.length).toBeGreaterThan(0)
    expect(new Set(answer.map(({ family }) => family)).size).toBe(answer.length)
    for (const { address, family } of answer) expect(familyOf(address)).toBe(family)
    expect(ask()).toEqual(answer)
    for (const [address, family] of [
      ['192.0.2.1', 4],
      ['2001:db8::1', 6],
    ] as const) {
      if (!families.includes(family)) {
        expect(() => ask(address)).toThrow(expect.objectContaining({ code: 'NOT_ALLOWED' }))
        continue
      }
      const [only, ...more] = ask(address)
      expect(more).toEqual([])
      expect(only!.direct || only!.address === address).toBe(true)
    }
  })

  describe('adds what a port needs, and nothing else changes', (scene) => {
    const network = networkOf(scene, variant)
    const endpoint = endpointOf(network)
    const bare = scene.driver.describeEndpoint(network, endpoint, scene.view)
    const ports = wishes.flatMap((wanted) => bindings(scene, network, endpoint, wanted))
    const all = withPorts(scene, network, endpoint, ports)
    expect(all).toEqual(expect.arrayContaining([...bare]))
    const keys = all.map(resourceKey)
    expect(keys).toEqual([...new Set(keys)])
    for (const port of ports) {
      const alone = added(scene, network, endpoint, [port])
      expect(alone.length).toBeGreaterThan(0)
      expect(all).toEqual(expect.arrayContaining(alone))
      for (const resource of alone) {
        if (resource.kind === 'element') expect(resource.owner).toBe(endpoint.id)
      }
    }
  })

  describe('shares nothing between two endpoints with different ports', (scene) => {
    const network = networkOf(scene, variant)
    const [one, two] = [endpointOf(network, 1), endpointOf(network, 2)]
    const [first, second, third] = wishes as [PublishedPort, PublishedPort, PublishedPort]
    const keysOf = (endpoint: EndpointSpec, ...wanted: PublishedPort[]) => {
      const ports = wanted.flatMap((each) => bindings(scene, network, endpoint, each))
      return added(scene, network, endpoint, ports).map(resourceKey)
    }
    const others = new Set(keysOf(two, second))
    expect(keysOf(one, first, third).filter((key) => others.has(key))).toEqual([])
  })

  test('publishes on a machine, and leaves nothing', async (scene) => {
    const { world } = scene
    const network = networkOf(scene, variant)
    const plain = endpointOf(network)
    const ports = wishes.flatMap((wanted) => bindings(scene, network, plain, wanted))
    const box = { path: `${world.namespaceDir}/box` }
    const place = { link: 'eth0', isGateway: true }
    const resources: Resource[] = [
      ...networkResources(scene, network),
      { kind: 'namespace', namespace: box },
      ...endpointResources(scene, network, deepFreeze({ ...plain, ports }), box, place),
    ]
    const before = await world.state()
    await world.kernel.apply(deepFreeze({ remove: [], add: resources }))
    await expectSame(world.kernel, ...resources)
    await world.kernel.apply(deepFreeze({ remove: resources, add: [] }))
    await world.kernel.settled()
    expect(await world.state()).toEqual(before)
  })
}

/** What the core makes of a wish. */
function bindings(
  { driver }: Scene,
  network: NetworkSpec,
  endpoint: EndpointSpec,
  wanted: PublishedPort,
): PortBinding[] {
  const { protocol, ports, hostPorts } = wanted
  return driver.hostAddresses!(network, endpoint, wanted).map(({ address, family, direct }) => ({
    protocol,
    ports,
    family,
    hostAddress: address,
    ...(direct || hostPorts === undefined ? {} : { hostPorts }),
  }))
}

function withPorts(
  { driver, view }: Scene,
  network: NetworkSpec,
  endpoint: EndpointSpec,
  ports: readonly PortBinding[],
): readonly Resource[] {
  return driver.describeEndpoint(network, deepFreeze({ ...endpoint, ports }), view)
}

function added(
  scene: Scene,
  network: NetworkSpec,
  endpoint: EndpointSpec,
  ports: readonly PortBinding[],
): Resource[] {
  const bare = new Set(withPorts(scene, network, endpoint, []).map(resourceKey))
  return withPorts(scene, network, endpoint, ports).filter((it) => !bare.has(resourceKey(it)))
}
