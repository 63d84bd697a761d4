import { expect } from 'vitest'
import type { MacAddress } from '../../address/address.ts'
import type { LentLinkResource, NamespaceRef, Resource } from '../../kernel/resource.ts'
import { resourceKey } from '../../kernel/resource.ts'
import { sweep } from './failure-cases.ts'
import { address, bridge, namespace, networkSample, route } from './sample.ts'
import {
  add,
  type Case,
  change,
  expectMissing,
  expectThere,
  type KernelWorld,
  refused,
  remove,
  settledState,
} from './world.ts'

const mac = '02:00:00:00:00:66' as MacAddress

function lent(inside: NamespaceRef, more: Partial<LentLinkResource> = {}): LentLinkResource {
  return {
    kind: 'lent-link',
    name: 'theirs',
    namespace: inside,
    inside: 'eth7',
    ipv6: true,
    ...more,
  }
}

/** A sandbox, and what it gets with a foreign link. */
function joined(world: KernelWorld): readonly Resource[] {
  const { namespace: inside } = namespace(world)
  return [
    lent(inside),
    address('eth7', '10.91.0.2/24', inside),
    address('eth7', 'fd91::2/64', inside),
    route('eth7', '0.0.0.0/0', '10.91.0.1', inside),
  ]
}

/** Links of others that are moved into a namespace. */
export function lentLinkCases(test: Case): void {
  test('moves a link in, and back', async (world) => {
    await world.others.addLink('theirs')
    await add(world, namespace(world))
    const before = await settledState(world)
    await add(world, ...joined(world))
    await expectThere(world, ...joined(world))
    await add(world, ...joined(world))
    await expectThere(world, ...joined(world))
    const { links } = await world.kernel.view()
    expect(links.some(({ name }) => name === 'theirs')).toBe(false)
    await remove(world, ...joined(world))
    await expectMissing(world, ...joined(world))
    expect(await settledState(world)).toEqual(before)
    await remove(world, ...joined(world))
  })

  test('gives it another address', async (world) => {
    await world.others.addLink('theirs')
    const box = namespace(world)
    const link = lent(box.namespace, { mac })
    await add(world, box, link)
    await expectThere(world, link)
  })

  test('has it back when its namespace goes', async (world) => {
    await world.others.addLink('theirs')
    const before = await settledState(world)
    await add(world, namespace(world), ...joined(world))
    await remove(world, namespace(world), ...joined(world))
    expect(await settledState(world)).toEqual(before)
  })

  test('takes another in its place under the same name', async (world) => {
    await world.others.addLink('theirs')
    await world.others.addLink('others')
    const box = namespace(world)
    const [one, two] = [lent(box.namespace), lent(box.namespace, { name: 'others' })]
    await add(world, box, one)
    await world.kernel.apply(change({ remove: [one], add: [two] }))
    const { links } = await world.kernel.view()
    const names = links.map(({ name }) => name)
    expect([names.includes('theirs'), names.includes('others')]).toEqual([true, false])
  })

  test('refuses a link that there is not', async (world) => {
    const box = namespace(world)
    const failure = await refused(world, { add: [box, lent(box.namespace)] })
    expect(failure).toMatchObject({ code: 'ENODEV', key: resourceKey(lent(box.namespace)) })
    expect(failure.message).toContain('theirs')
  })

  test('refuses a link that is a network’s own', async (world) => {
    await add(world, ...networkSample())
    const box = namespace(world)
    const link = lent(box.namespace, { name: bridge().name })
    expect(await refused(world, { add: [box, link] })).toMatchObject({ code: 'EBUSY' })
  })

  test('refuses a link that the host uses', async (world) => {
    await world.others.addLink('theirs')
    await world.others.addAddress('theirs', address('', '10.70.0.5/24').address)
    const box = namespace(world)
    const failure = await refused(world, { add: [box, lent(box.namespace)] })
    expect(failure).toMatchObject({ code: 'EBUSY', key: resourceKey(lent(box.namespace)) })
    expect(failure.message).toContain('the host has address 10.70.0.5/24 there')
  })

  test('refuses a name that is taken inside', async (world) => {
    await world.others.addLink('theirs')
    await world.others.addLink('others')
    const box = namespace(world)
    await add(world, box, lent(box.namespace))
    const failure = await refused(world, { add: [lent(box.namespace, { name: 'others' })] })
    expect(failure.code).toBe('LINK_EXISTS')
  })

  test('has no trouble with a link that is gone', async (world) => {
    await world.others.addLink('theirs')
    const path = await world.others.addNamespace()
    const { namespace: inside } = await world.kernel.adopt({ path })
    await add(world, lent(inside))
    await world.others.removeNamespace(path)
    await remove(world, lent(inside))
  })
}

export function lentLinkFaultCases(test: Case): void {
  test('undoes it at every step', async (world) => {
    await world.others.addLink('theirs')
    await add(world, namespace(world))
    await sweep(world, {
      add: [lent(namespace(world).namespace, { mac }), ...joined(world).slice(1)],
    })
    await sweep(world, { remove: joined(world) }, 3)
  })
}
