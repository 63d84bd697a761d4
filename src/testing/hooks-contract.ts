import { describe, expect } from 'vitest'
import type { IpAddress } from '../address/address.ts'
import type { EndpointSpec, NetworkDriver, NetworkSpec } from '../driver/driver.ts'
import type { DriverHooks } from '../driver/hooks.ts'
import type { NamespaceRef, Resource } from '../kernel/resource.ts'
import {
  type DriverWorld,
  endpointOf,
  endpointResources,
  idOf,
  networkOf,
  type Scene,
  type SceneCase,
  sceneCases,
  type Variant,
} from './driver-cases/scene.ts'
import { change, deepFreeze } from './kernel-cases/world.ts'

export interface HooksContractOptions {
  /** A driver with hooks on that machine; further ones on the same machine know what the first was told. */
  create(world: DriverWorld): NetworkDriver | Promise<NetworkDriver>
  /** The machine for each case, on which the driver's links are. */
  open(): Promise<DriverWorld>
}

const variants: readonly Variant[] = [
  { title: 'IPv4', ipv4: true, ipv6: false, internal: false, options: {} },
  { title: 'IPv4 and IPv6', ipv4: true, ipv6: true, internal: false, options: {} },
  { title: 'internal, IPv4', ipv4: true, ipv6: false, internal: true, options: {} },
]

/**
 * What every network driver that is told what comes and goes must do, as tests: those of plugins above all. To
 * be called at the top level of a vitest file.
 */
export function hooksContract(name: string, { create, open }: HooksContractOptions): void {
  const test = sceneCases(async () => {
    const world = await open()
    return { driver: await create(world), world, view: deepFreeze(await world.kernel.view()) }
  })
  describe(`${name} keeps the contract of drivers with hooks`, () => {
    describe.each(variants)('$title', (variant) => {
      lifeCases(test, variant, create)
      severalCases(test, variant)
    })
    goneCases(test, variants[0]!)
  })
}

function lifeCases(test: SceneCase, variant: Variant, create: HooksContractOptions['create']) {
  test('leaves nothing, when all that came has gone', async (scene) => {
    const before = await stateOf(scene)
    const network = await networkIn(scene, variant)
    const joined = await join(scene, network, 1)
    expect(await scene.world.kernel.compare(joined.resources)).toEqual([])
    await leave(scene, network, joined)
    await hooksOf(scene).deleteNetwork(network)
    expect(await stateOf(scene)).toEqual(before)
  })

  test('describes the same from what it has answered, whichever instance is asked', async (scene) => {
    const network = await networkIn(scene, variant)
    const joined = await join(scene, network, 1)
    const other = { ...scene, driver: await create(scene.world) }
    expect(resourcesOf(other, network, joined.endpoint, joined.box)).toEqual(joined.resources)
    expect(JSON.parse(JSON.stringify(joined.endpoint.told))).toEqual(joined.endpoint.told)
  })

  test('knows an endpoint as long as it is there', async (scene) => {
    const hooks = hooksOf(scene)
    const network = await networkIn(scene, variant)
    const joined = await join(scene, network, 1)
    const ref = { id: joined.endpoint.id }
    expect(typeof (await hooks.operInfo(network, ref))).toBe('object')
    await leave(scene, network, joined)
    await expect(hooks.operInfo(network, ref)).rejects.toMatchObject({ name: 'CnmError' })
  })

  test('joins again what has left', async (scene) => {
    const network = await networkIn(scene, variant)
    await leave(scene, network, await join(scene, network, 1))
    const again = await join(scene, network, 1)
    expect(await scene.world.kernel.compare(again.resources)).toEqual([])
  })
}

function severalCases(test: SceneCase, variant: Variant): void {
  test('gives every endpoint a link of its own, and lets them reach each other', async (scene) => {
    const network = await networkIn(scene, variant)
    const [a, b] = [await join(scene, network, 1), await join(scene, network, 2)]
    expect(linkOf(a)).not.toBe(linkOf(b))
    await expectReaches(scene, a.box, b.endpoint, true)
  })

  test('lets one network go without the other', async (scene) => {
    const [one, two] = [await networkIn(scene, variant, 1), await networkIn(scene, variant, 2)]
    const [a, b] = [await join(scene, one, 1), await join(scene, two, 2)]
    expect(linkOf(a)).not.toBe(linkOf(b))
    await leave(scene, one, a)
    await hooksOf(scene).deleteNetwork(one)
    expect(await scene.world.kernel.compare(b.resources)).toEqual([])
  })
}

function goneCases(test: SceneCase, variant: Variant): void {
  test('has no trouble with what is gone, or never was', async (scene) => {
    const hooks = hooksOf(scene)
    const before = await stateOf(scene)
    const network = networkOf(scene, variant, 7)
    const endpoint = { id: idOf('nobody') as EndpointSpec['id'] }
    for (const call of ['unpublish', 'leave', 'deleteEndpoint'] as const) {
      await hooks[call](network, endpoint)
    }
    await hooks.deleteNetwork(network)
    expect(await stateOf(scene)).toEqual(before)
  })

  test('refuses an endpoint of a network that there is not, and makes nothing', async (scene) => {
    const before = await stateOf(scene)
    const network = networkOf(scene, variant, 7)
    const made = hooksOf(scene).createEndpoint(network, endpointOf(network))
    await expect(made).rejects.toMatchObject({ name: 'CnmError' })
    expect(await stateOf(scene)).toEqual(before)
  })
}

interface Joined {
  readonly endpoint: EndpointSpec
  readonly box: NamespaceRef
  readonly resources: readonly Resource[]
}

function hooksOf({ driver }: Scene): DriverHooks {
  return driver.hooks ?? expect.fail(`driver ${driver.name} has no hooks`)
}

async function networkIn(scene: Scene, variant: Variant, n = 1): Promise<NetworkSpec> {
  const network = networkOf(scene, variant, n)
  await hooksOf(scene).open()
  await hooksOf(scene).createNetwork(network)
  return network
}

/** As the engine does it: a sandbox, the endpoint, and what the driver answers made true. */
async function join(scene: Scene, network: NetworkSpec, m: number): Promise<Joined> {
  const { kernel, namespaceDir } = scene.world
  const box = { path: `${namespaceDir}/box-${m}` }
  await kernel.apply(change({ add: [{ kind: 'namespace', namespace: box }] }))
  const bare = endpointOf(network, m)
  const chosen = await hooksOf(scene).createEndpoint(network, bare)
  const { mac } = chosen
  const known = { ...bare, ...(mac ? { mac } : {}), told: { chosen } }
  const answer = await hooksOf(scene).join(network, known, box.path)
  const endpoint = deepFreeze({ ...known, told: { chosen, join: answer } })
  const resources = resourcesOf(scene, network, endpoint, box)
  await kernel.apply(change({ add: resources }))
  return { endpoint, box, resources }
}

async function leave(scene: Scene, network: NetworkSpec, { endpoint, box, resources }: Joined) {
  await scene.world.kernel.apply(change({ remove: resources }))
  await hooksOf(scene).leave(network, { id: endpoint.id })
  await hooksOf(scene).deleteEndpoint(network, { id: endpoint.id })
  await scene.world.kernel.apply(change({ remove: [{ kind: 'namespace', namespace: box }] }))
}

function resourcesOf(
  scene: Scene,
  network: NetworkSpec,
  endpoint: EndpointSpec,
  box: NamespaceRef,
): readonly Resource[] {
  return endpointResources(scene, network, endpoint, box, { link: 'eth0', isGateway: true })
}

function linkOf({ endpoint }: Joined): string {
  return endpoint.told?.join?.link?.hostName ?? expect.fail('no link')
}

async function expectReaches(
  { world }: Scene,
  from: NamespaceRef,
  { ipv4, ipv6 }: EndpointSpec,
  expected: boolean,
): Promise<void> {
  for (const to of [ipv4, ipv6].filter((it): it is IpAddress => it !== undefined)) {
    if (world.reaches) expect(await world.reaches(from, to), to).toBe(expected)
  }
}

async function stateOf({ world }: Scene): Promise<unknown> {
  await world.kernel.settled()
  return world.state()
}
