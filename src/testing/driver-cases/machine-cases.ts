import { expect } from 'vitest'
import type { IpAddress } from '../../address/address.ts'
import type { NetworkDriver, NetworkSpec } from '../../driver/driver.ts'
import type { Change, HostView } from '../../kernel/kernel.ts'
import type { NamespaceRef, Resource } from '../../kernel/resource.ts'
import { resourceKey } from '../../kernel/resource.ts'
import { change } from '../kernel-cases/world.ts'
import {
  endpointOf,
  endpointResources,
  expectSame,
  networkOf,
  networkResources,
  type Scene,
  type SceneCase,
  type Variant,
  without,
} from './scene.ts'

const maxSteps = 500

/** What the descriptions come to on a machine. */
export function machineCases(test: SceneCase, variant: Variant, create: () => NetworkDriver): void {
  test('is there after it was made, once or twice, and leaves nothing', async (scene) => {
    const before = await stateOf(scene)
    const resources = networkWithBox(scene, networkOf(scene, variant))
    await apply(scene, { add: resources })
    await expectSame(scene.world.kernel, ...resources)
    const state = await stateOf(scene)
    await apply(scene, { add: resources })
    expect(await stateOf(scene)).toEqual(state)
    await apply(scene, { remove: resources })
    expect(await stateOf(scene)).toEqual(before)
    await apply(scene, { remove: resources })
    expect(await stateOf(scene)).toEqual(before)
  })

  test('is described just so by another instance that finds it there', async (scene) => {
    const network = networkOf(scene, variant)
    const resources = networkWithBox(scene, network)
    await apply(scene, { add: resources })
    const view = asBefore(await scene.world.kernel.view(), scene.view)
    const restarted = { ...scene, driver: create(), view }
    expect(networkWithBox(restarted, network)).toEqual(resources)
    await expectSame(scene.world.kernel, ...networkWithBox(restarted, network))
  })
}

/** Faults. */
export function failureCases(test: SceneCase, variant: Variant): void {
  test('leaves nothing if making it fails, at whatever step', async (scene) => {
    const { faults } = scene.world
    if (faults === undefined) return expect.fail('a world without faults')
    const before = await stateOf(scene)
    const resources = networkWithBox(scene, networkOf(scene, variant))
    for (let k = 1; ; k += 1) {
      expect(k).toBeLessThan(maxSteps)
      await faults.failAt(k)
      const made = await apply(scene, { add: resources }).then(
        () => true,
        () => false,
      )
      await faults.failAt(Number.POSITIVE_INFINITY)
      if (made) break
      expect(await stateOf(scene), `after a failure at step ${k}`).toEqual(before)
    }
    await expectSame(scene.world.kernel, ...resources)
  })
}

/** Several networks. */
export function severalCases(test: SceneCase, variant: Variant): void {
  test('does not depend on other networks, whichever comes and goes first', async (scene) => {
    const before = await stateOf(scene)
    const [one, two] = [1, 2].map((n) => {
      return networkWithBox(scene, networkOf(scene, variant, n), `box-${n}`)
    }) as [Resource[], Resource[]]
    for (const [first, second] of [
      [one, two],
      [two, one],
    ] as const) {
      await apply(scene, { add: first })
      await apply(scene, { add: second })
      await expectSame(scene.world.kernel, ...one, ...two)
      await apply(scene, { remove: without(first, second) })
      await expectSame(scene.world.kernel, ...second)
      await apply(scene, { remove: second })
      expect(await stateOf(scene)).toEqual(before)
    }
  })
}

/** Several networks of one sandbox. */
export function joinCases(test: SceneCase, variant: Variant): void {
  test('lets several endpoints of several networks join one sandbox', async (scene) => {
    const networks = [networkOf(scene, variant, 1), networkOf(scene, variant, 2)] as const
    const box = boxOf(scene)
    const ends = [...networks, networks[0]].map((network, n) =>
      endpointResources(scene, network, endpointOf(network, n + 1), box, {
        link: `eth${n}`,
        isGateway: n === 0,
      }),
    )
    const host = networks.flatMap((it) => networkResources(scene, it))
    await apply(scene, { add: [...host, { kind: 'namespace', namespace: box }] })
    const before = await stateOf(scene)
    for (const end of ends) await apply(scene, { add: end })
    await expectSame(scene.world.kernel, ...host, ...ends.flat())
    await apply(scene, { remove: ends[0] })
    await expectSame(scene.world.kernel, ...host, ...ends.slice(1).flat())
    await apply(scene, { remove: ends.slice(1).flat() })
    expect(await stateOf(scene)).toEqual(before)
  })
}

/** Who reaches whom, where there are packets. */
export function reachCases(test: SceneCase, variant: Variant): void {
  test('reaches its own network, and no other network', async (scene) => {
    const { world } = scene
    if (world.reaches === undefined) return expect.fail('a world without packets')
    const [one, two] = [networkOf(scene, variant, 1), networkOf(scene, variant, 2)]
    await apply(scene, {
      add: [
        ...networkWithBox(scene, one, 'a', 1),
        ...networkWithBox(scene, one, 'b', 2),
        ...networkWithBox(scene, two, 'c', 1),
      ],
    })
    const [a, b, c] = [boxOf(scene, 'a'), boxOf(scene, 'b'), boxOf(scene, 'c')]
    const addresses = (network: NetworkSpec, m: number) => {
      const { ipv4, ipv6 } = endpointOf(network, m)
      return [ipv4, ipv6].filter((it) => it !== undefined)
    }
    // All at once: that nothing comes back takes its time.
    const reaches = async (from: NamespaceRef, to: IpAddress, expected: boolean) =>
      expect(await world.reaches?.(from, to), to).toBe(expected)
    await Promise.all([
      ...addresses(one, 2).map((to) => reaches(a, to, true)),
      ...addresses(one, 1).map((to) => reaches(b, to, true)),
      ...addresses(two, 1).map((to) => reaches(a, to, false)),
      ...addresses(one, 1).map((to) => reaches(c, to, false)),
    ])
  })
}

/** As the core does it: what several describe is made once. */
async function apply({ world }: Scene, { remove = [], add = [] }: Partial<Change>): Promise<void> {
  await world.kernel.apply(change({ remove: eachOnce(remove), add: eachOnce(add) }))
}

function eachOnce(resources: readonly Resource[]): readonly Resource[] {
  return [...new Map(resources.map((resource) => [resourceKey(resource), resource])).values()]
}

async function stateOf({ world }: Scene): Promise<unknown> {
  await world.kernel.settled()
  return world.state()
}

function boxOf({ world }: Scene, name = 'box'): NamespaceRef {
  return { path: `${world.namespaceDir}/${name}` }
}

/** A network, a sandbox, and the m-th endpoint of the one in the other. */
function networkWithBox(scene: Scene, network: NetworkSpec, name = 'box', m = 1): Resource[] {
  const box = boxOf(scene, name)
  const place = { link: 'eth0', isGateway: true }
  return [
    ...networkResources(scene, network),
    { kind: 'namespace', namespace: box },
    ...endpointResources(scene, network, endpointOf(network, m), box, place),
  ]
}

/** The core shows drivers the host without what it changed itself: links forward as they did before. */
function asBefore(view: HostView, before: HostView): HostView {
  const links = view.links.map((link) => {
    const was = before.links.find(({ name }) => name === link.name)
    return was === undefined ? link : { ...link, ...forwarding(was) }
  })
  return { ...view, links }
}

function forwarding({ forwarding4, forwarding6, routeLocalnet }: HostView['links'][number]) {
  return { forwarding4, forwarding6, routeLocalnet }
}
