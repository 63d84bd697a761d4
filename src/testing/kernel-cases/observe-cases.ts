import { expect } from 'vitest'
import { resourceKey } from '../../kernel/resource.ts'
import {
  address,
  bridge,
  element,
  fullSample,
  namespace,
  networkSample,
  route,
  veth,
} from './sample.ts'
import {
  add,
  type Case,
  expectMissing,
  failureOf,
  type KernelWorld,
  remove,
  settledState,
} from './world.ts'

/** compare, survey and view. */
export function observeCases(test: Case): void {
  test('compare names everything that is missing, and changes nothing', async (world) => {
    const before = await settledState(world)
    await expectMissing(world, ...fullSample(world))
    for (const { detail } of await world.kernel.compare(fullSample(world))) {
      expect(detail).not.toBe('')
    }
    expect(await settledState(world)).toEqual(before)
    expect(await world.kernel.compare([])).toEqual([])
  })

  test('compare names what is different, in words', async (world) => {
    await add(world, ...fullSample(world))
    const { namespace: inside } = namespace(world)
    const wanted = [
      bridge('br-one', { mtu: 1200 }),
      veth(inside, { mtu: 1200 }),
      route('eth0', '0.0.0.0/0', '10.77.0.7', inside),
      element('modes', ['br-one'], { value: ['jump shut'] }),
    ]
    const differences = await world.kernel.compare([...wanted, address('br-one', '10.77.0.1/24')])
    expect(differences.map(({ resource, state }) => [resourceKey(resource), state])).toEqual(
      wanted.map((resource) => [resourceKey(resource), 'different']),
    )
    const details = differences.map(({ detail }) => detail)
    expect(details[0]).toMatch(/1400.*1200|1200.*1400/)
    expect(details[2]).toMatch(/10\.77\.0\.1\b/)
    expect(details[3]).toMatch(/shut/)
  })

  test('survey finds all that is ours, and nothing else', async (world) => {
    await world.others.addBridge('theirs')
    await world.others.addNamespace()
    await add(world, ...fullSample(world))
    const { namespaceDir } = world
    const tables = [{ family: 'inet', name: 'contract' }] as const
    const { links, namespaces, elements } = await world.kernel.survey({ namespaceDir, tables })
    expect([...links].sort(byName)).toEqual([
      { name: 'br-one', type: 'bridge' },
      { name: 'v-one', type: 'veth', bridge: 'br-one' },
    ])
    const wanted = networkSample().filter(({ kind }) => kind === 'element')
    expect(elements).toHaveLength(wanted.length)
    expect(elements).toEqual(expect.arrayContaining(wanted.map((it) => ({ ...it }))))
    expect(namespaces.map(({ path }) => path)).toEqual([namespace(world).namespace.path])
    const [box] = namespaces
    expect(box?.links).toMatchObject([
      { name: 'eth0', mac: '02:00:00:00:00:02', mtu: 1400, hostEnd: 'v-one' },
    ])
    expect(box?.links[0]?.addresses.filter((it) => !it.startsWith('fe80'))).toEqual(
      expect.arrayContaining(['10.77.0.2/24', 'fd77::2/64']),
    )
    expect(box?.routes).toContainEqual({
      destination: '0.0.0.0/0',
      gateway: '10.77.0.1',
      link: 'eth0',
    })
  })

  test('survey looks into no namespace where none is wanted', async (world) => {
    await add(world, ...fullSample(world))
    const { links, namespaces } = await world.kernel.survey({ tables: [] })
    expect([...links].sort(byName).map(({ name }) => name)).toEqual(['br-one', 'v-one'])
    expect(namespaces).toEqual([])
  })

  test('survey finds nothing where nothing is', async (world) => {
    await world.others.addBridge('theirs')
    await world.others.addNamespace()
    const { namespaceDir } = world
    const tables = [{ family: 'inet', name: 'contract' }] as const
    const nothing = { links: [], namespaces: [], neighbours: [], elements: [] }
    expect(await world.kernel.survey({ namespaceDir, tables })).toEqual(nothing)
    await add(world, ...fullSample(world))
    await remove(world, ...fullSample(world))
    await world.kernel.settled()
    expect(await world.kernel.survey({ namespaceDir, tables })).toEqual(nothing)
  })

  test('view shows the host', async (world) => {
    await world.others.addBridge('theirs')
    await world.others.addAddress('theirs', address('', '10.70.0.5/24').address)
    await add(world, ...networkSample())
    const { links, routes, addresses } = await world.kernel.view()
    expect(links.find(({ name }) => name === 'theirs')).toMatchObject({
      type: 'bridge',
      ours: false,
      mtu: 1500,
    })
    expect(links.find(({ name }) => name === 'br-one')).toMatchObject({
      type: 'bridge',
      ours: true,
      mtu: 1400,
      forwarding4: true,
    })
    expect(addresses).toContainEqual({ link: 'theirs', address: '10.70.0.5/24' })
    expect(addresses).toContainEqual({ link: 'br-one', address: 'fd77::1/64' })
    expect(routes).toContainEqual({ destination: '10.70.0.0/24', link: 'theirs' })
    expect(routes).toContainEqual({
      destination: '10.78.0.0/16',
      gateway: '10.77.0.9',
      link: 'br-one',
    })
  })
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : 1
}

/** adopt. */
export function adoptCases(test: Case): void {
  test('adopts by path, and tells which links there are', async (world) => {
    const path = await world.others.addNamespace()
    const first = await world.kernel.adopt({ path })
    expect(first.namespace.path).toBe(path)
    expect(first.namespace.cookie).toMatch(/^\d+$/)
    await world.others.addBridge('eth0', first.namespace)
    const again = await world.kernel.adopt({ path })
    expect(again.namespace).toEqual(first.namespace)
    expect(again.links).toContain('eth0')
  })

  test('adopts several namespaces and keeps them apart', async (world) => {
    const paths = [await world.others.addNamespace(), await world.others.addNamespace()]
    const [a, b] = await Promise.all(paths.map((path) => world.kernel.adopt({ path })))
    expect(a?.namespace.cookie).not.toBe(b?.namespace.cookie)
  })

  test('does not adopt what is not there', async (world) => {
    const path = `${world.namespaceDir}/none`
    const failure = await failureOf(world.kernel.adopt({ path }))
    expect(failure.code).toBe('NAMESPACE_NOT_FOUND')
    expect(failure.message).toContain(path)
    // Above the largest pid that Linux gives.
    const byPid = await failureOf(world.kernel.adopt({ pid: 2 ** 22 + 1 }))
    expect(byPid.code).toBe('NAMESPACE_NOT_FOUND')
  })

  test('does not adopt the host', async (world) => {
    const failure = await failureOf(world.kernel.adopt({ path: world.hostPath }))
    expect(failure.code).toBe('HOST_NAMESPACE')
  })

  test('does not adopt what is gone', async (world) => {
    const path = await world.others.addNamespace()
    await world.kernel.adopt({ path })
    await world.others.removeNamespace(path)
    const failure = await failureOf(world.kernel.adopt({ path }))
    expect(failure.code).toBe('NAMESPACE_NOT_FOUND')
  })
}

export async function adoptedIn(world: KernelWorld) {
  const path = await world.others.addNamespace()
  const { namespace: inside } = await world.kernel.adopt({ path })
  return { path, inside }
}
