import { expect } from 'vitest'
import type { MacAddress } from '../../address/address.ts'
import type { Resource, VethResource } from '../../kernel/resource.ts'
import { resourceKey } from '../../kernel/resource.ts'
import {
  address,
  bridge,
  fullSample,
  namespace,
  networkSample,
  route,
  sandboxSample,
  veth,
} from './sample.ts'
import {
  add,
  type Case,
  change,
  expectMissing,
  expectThere,
  refused,
  remove,
  settledState,
} from './world.ts'

/** Other people's links and namespaces. */
export function foreignCases(test: Case): void {
  test('refuses to make a bridge under the name of a foreign one', async (world) => {
    await world.others.addBridge('br-one')
    const failure = await refused(world, { add: networkSample() })
    expect(failure).toMatchObject({ code: 'LINK_EXISTS', key: resourceKey(bridge()) })
    expect(failure.message).toContain('br-one')
  })

  test('refuses to make a veth under the name of a foreign link', async (world) => {
    await add(world, ...networkSample())
    await world.others.addBridge('v-one')
    const failure = await refused(world, { add: sandboxSample(world) })
    const key = resourceKey(veth(namespace(world).namespace))
    expect(failure).toMatchObject({ code: 'LINK_EXISTS', key })
    expect(failure.message).toContain('v-one')
  })

  test('refuses to make an inner end under the name of a foreign link', async (world) => {
    await add(world, ...networkSample())
    const { namespace: inside } = await world.kernel.adopt({
      path: await world.others.addNamespace(),
    })
    await world.others.addBridge('eth0', inside)
    const failure = await refused(world, { add: [veth(inside)] })
    expect(failure).toMatchObject({ code: 'LINK_EXISTS', key: resourceKey(veth(inside)) })
    expect(failure.message).toContain('eth0')
  })

  test('leaves a foreign link alone when one of ours by that name is removed', async (world) => {
    await world.others.addBridge('br-one')
    await world.others.addBridge('v-one')
    const before = await settledState(world)
    await remove(world, bridge(), veth(namespace(world).namespace))
    expect(await settledState(world)).toEqual(before)
  })

  test('uses an adopted bridge as it is, and leaves it', async (world) => {
    await world.others.addBridge('br-one')
    const before = await settledState(world)
    const box = namespace(world)
    const inside = box.namespace
    const resources: Resource[] = [
      { kind: 'bridge', name: 'br-one', origin: 'adopt', ipv6: false },
      address('br-one', '10.77.0.1/24'),
      box,
      veth(inside),
      address('eth0', '10.77.0.2/24', inside),
      route('eth0', '0.0.0.0/0', '10.77.0.1', inside),
    ]
    await add(world, ...resources)
    await expectThere(world, ...resources)
    await remove(world, ...resources)
    expect(await settledState(world)).toEqual(before)
  })

  test('does not remove as adopted what is our own', async (world) => {
    await add(world, bridge())
    await remove(world, { kind: 'bridge', name: 'br-one', origin: 'adopt', ipv6: true })
    await expectThere(world, bridge())
  })

  test('works in an adopted namespace, and leaves it', async (world) => {
    const path = await world.others.addNamespace()
    const { namespace: inside } = await world.kernel.adopt({ path })
    await add(world, ...networkSample())
    const before = await settledState(world)
    const resources = [
      veth(inside),
      address('eth0', '10.77.0.2/24', inside),
      route('eth0', '0.0.0.0/0', '10.77.0.1', inside),
    ]
    await add(world, ...resources)
    await expectThere(world, ...resources)
    await remove(world, ...resources)
    await expectMissing(world, ...resources)
    // The names inside are free at once, and the next endpoint can have them.
    await add(world, ...resources)
    await remove(world, ...resources)
    expect(await settledState(world)).toEqual(before)
  })

  test('does not enter a namespace that has come to another’s path', async (world) => {
    const path = await world.others.addNamespace()
    const { namespace: inside } = await world.kernel.adopt({ path })
    await add(world, ...networkSample())
    const wrong = veth({ ...inside, cookie: `${BigInt(inside.cookie ?? '0') + 1n}` })
    const failure = await refused(world, { add: [wrong] })
    expect(failure).toMatchObject({ code: 'NAMESPACE_NOT_FOUND', key: resourceKey(wrong) })
    await expectMissing(world, wrong)
    await remove(world, wrong)
  })
}

/** A pair whose other end another program moves into a namespace of its own. */
export function elsewhereCases(test: Case): void {
  const pair: VethResource = {
    ...veth({ path: '' }),
    peer: { name: 'p-one', mac: '02:00:00:00:00:02' as MacAddress, ipv6: true },
  }

  test('makes a veth whose other end is foreign', async (world) => {
    await add(world, ...networkSample())
    const before = await settledState(world)
    await add(world, pair)
    await expectThere(world, pair)
    const state = await settledState(world)
    await add(world, pair)
    expect(await settledState(world)).toEqual(state)
    await remove(world, pair)
    expect(await settledState(world)).toEqual(before)
    await remove(world, pair)
  })

  test('misses nothing when that end has taken the pair with it', async (world) => {
    await add(world, ...networkSample())
    const before = await settledState(world)
    const fdb: Resource = {
      ...{ kind: 'fdb', link: 'v-one', bridge: 'br-one' },
      mac: '02:00:00:00:00:02' as MacAddress,
    }
    await add(world, pair, fdb)
    await world.others.removeLink('p-one')
    await expectThere(world, pair, fdb)
    await remove(world, pair, fdb)
    expect(await settledState(world)).toEqual(before)
  })

  test('shows whether that end is on the host, and has been used', async (world) => {
    const otherEnd = async () => {
      const { links } = await world.kernel.view()
      return links.find(({ name }) => name === 'v-one')?.otherEnd
    }
    await add(world, ...networkSample(), pair)
    expect(await otherEnd()).toBe('new')
    await world.others.takeLink('p-one')
    expect(await otherEnd()).toBeUndefined()
    await expectThere(world, pair)
    await world.others.returnLink('p-one')
    expect(await otherEnd()).toBe('used')
    await expectThere(world, pair)
    await remove(world, pair)
    expect(await otherEnd()).toBeUndefined()
  })

  test('refuses to make it under the name of a foreign link', async (world) => {
    await add(world, ...networkSample())
    await world.others.addBridge('p-one')
    const failure = await refused(world, { add: [pair] })
    expect(failure).toMatchObject({ code: 'LINK_EXISTS', key: resourceKey(pair) })
    expect(failure.message).toContain('p-one')
  })

  test('leaves nothing of it behind when something else of the change fails', async (world) => {
    await add(world, ...networkSample())
    const wrong = address('nowhere', '10.77.0.9/24')
    await refused(world, { add: [pair, wrong] })
  })
}

/** What goes together, and repair. */
export function dependentCases(test: Case): void {
  test('takes what is on a link with the link', async (world) => {
    const before = await settledState(world)
    const dependents = networkSample().filter(({ kind }) => /address|route|sysctl/.test(kind))
    await add(world, bridge(), ...dependents)
    await remove(world, bridge())
    await expectMissing(world, ...dependents)
    expect(await settledState(world)).toEqual(before)
    await remove(world, ...dependents)
  })

  test('takes links and all that is on them with a namespace', async (world) => {
    await add(world, ...networkSample())
    const before = await settledState(world)
    await add(world, ...sandboxSample(world))
    await remove(world, namespace(world))
    await expectMissing(world, ...sandboxSample(world))
    expect(await settledState(world)).toEqual(before)
  })

  test('takes the inside of a veth with it, where the namespace stays', async (world) => {
    const box = namespace(world)
    await add(world, ...networkSample(), box)
    const before = await settledState(world)
    await add(world, ...sandboxSample(world))
    await remove(world, veth(box.namespace))
    await expectMissing(world, ...sandboxSample(world).filter(({ kind }) => kind !== 'namespace'))
    expect(await settledState(world)).toEqual(before)
  })

  test('makes a veth anew under the same names at once', async (world) => {
    await add(world, ...fullSample(world))
    const state = await settledState(world)
    for (let round = 0; round < 5; round += 1) {
      await remove(world, veth(namespace(world).namespace))
      await add(world, ...fullSample(world))
    }
    expect(await settledState(world)).toEqual(state)
  })

  test('makes a namespace anew under the same path at once', async (world) => {
    await add(world, ...fullSample(world))
    const state = await settledState(world)
    await remove(world, ...sandboxSample(world))
    await add(world, ...sandboxSample(world))
    expect(await settledState(world)).toEqual(state)
  })

  test('mends what others removed', async (world) => {
    await add(world, ...fullSample(world))
    const state = await settledState(world)
    await world.others.removeLink('v-one')
    const gone = sandboxSample(world).filter(({ kind }) => kind !== 'namespace')
    await expectMissing(world, ...gone)
    await add(world, ...fullSample(world))
    expect(await settledState(world)).toEqual(state)
    await world.others.removeLink('br-one')
    const differences = await world.kernel.compare(fullSample(world))
    const keys = differences.map(({ resource }) => resourceKey(resource))
    expect(keys).toEqual(
      expect.arrayContaining([
        resourceKey(bridge()),
        resourceKey(veth(namespace(world).namespace)),
      ]),
    )
    await add(world, ...fullSample(world))
    expect(await settledState(world)).toEqual(state)
  })

  test('puts several links of several bridges into one namespace', async (world) => {
    await add(world, ...fullSample(world))
    const { namespace: inside } = namespace(world)
    const more = [
      bridge('br-two'),
      veth(inside, { name: 'v-two', bridge: 'br-two', inner: 'eth1', mac: '02:00:00:00:01:02' }),
      address('eth1', '10.85.0.2/24', inside),
    ]
    await add(world, ...more)
    await expectThere(world, ...more, ...fullSample(world))
    await world.kernel.apply(change({ remove: more }))
    await expectMissing(world, ...more)
    await expectThere(world, ...fullSample(world))
  })
}
