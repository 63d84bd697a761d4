import { expect } from 'vitest'
import type { Change } from '../../kernel/kernel.ts'
import type { Resource } from '../../kernel/resource.ts'
import { resourceKey } from '../../kernel/resource.ts'
import {
  address,
  bridge,
  everyChange,
  fullSample,
  namespace,
  networkSample,
  otherTable,
  sandboxSample,
  table,
  veth,
} from './sample.ts'
import {
  add,
  type Case,
  change,
  expectMissing,
  expectThere,
  failureOf,
  refused,
  remove,
  settledState,
} from './world.ts'

/** apply: making, removing, repeating. */
export function applyCases(test: Case): void {
  test('makes all of it, in whatever order it is listed', async (world) => {
    await add(world, ...fullSample(world))
    await expectThere(world, ...fullSample(world))
    const state = await settledState(world)
    await remove(world, ...fullSample(world))
    await world.kernel.settled()
    await add(world, ...[...fullSample(world)].reverse())
    await expectThere(world, ...fullSample(world))
    expect(await settledState(world)).toEqual(state)
  })

  test('removes all of it, in whatever order it is listed, and leaves nothing', async (world) => {
    const before = await settledState(world)
    await add(world, ...fullSample(world))
    expect(await settledState(world)).not.toEqual(before)
    await remove(world, ...fullSample(world))
    expect(await settledState(world)).toEqual(before)
    await add(world, ...fullSample(world))
    await remove(world, ...[...fullSample(world)].reverse())
    expect(await settledState(world)).toEqual(before)
  })

  test('adds what is there already, and nothing changes', async (world) => {
    await add(world, ...fullSample(world))
    const state = await settledState(world)
    await add(world, ...fullSample(world))
    expect(await settledState(world)).toEqual(state)
  })

  test('removes what is gone, or never was, and nothing changes', async (world) => {
    const before = await settledState(world)
    await remove(world, ...fullSample(world))
    expect(await settledState(world)).toEqual(before)
    await add(world, ...fullSample(world))
    await remove(world, ...sandboxSample(world))
    const state = await settledState(world)
    await remove(world, ...sandboxSample(world))
    expect(await settledState(world)).toEqual(state)
    await expectThere(world, ...networkSample())
  })

  test('does nothing when nothing is asked', async (world) => {
    const before = await settledState(world)
    await world.kernel.apply(change({}))
    expect(await settledState(world)).toEqual(before)
  })

  test('removes before it adds, so that names can pass on', async (world) => {
    const { namespace: inside } = namespace(world)
    const second = bridge('br-two')
    await add(world, ...fullSample(world), second)
    const from = veth(inside)
    const to = veth(inside, { name: 'v-two', bridge: 'br-two', mac: '02:00:00:00:00:99' })
    const moved = address('eth0', '10.80.0.2/24', inside)
    await world.kernel.apply(change({ remove: [from], add: [to, moved] }))
    await expectThere(world, to, moved)
    await expectMissing(world, from, address('eth0', '10.77.0.2/24', inside))
  })

  test('does two changes at once as well as one after the other', async (world) => {
    await add(world, ...networkSample())
    const boxes = ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => {
      const box = namespace(world, name)
      return [box, veth(box.namespace, { name: `v-${name}` })]
    })
    await Promise.all(boxes.map((box) => add(world, ...box)))
    await expectThere(world, ...boxes.flat())
    const [a, b, c, d, ...others] = boxes as [Resource[], Resource[], Resource[], Resource[]]
    const clash = [namespace(world, 'g'), veth({ path: `${world.namespaceDir}/none` })]
    const [, , failure] = await Promise.all([
      remove(world, ...a, ...b),
      remove(world, ...c),
      failureOf(add(world, ...clash)),
      add(world, ...d),
    ])
    expect(failure.code).toBe('NAMESPACE_NOT_FOUND')
    await expectThere(world, ...d, ...others.flat(), ...networkSample())
    await expectMissing(world, ...a, ...b, ...c, ...clash)
  })
}

/** apply: keys in both lists, and what is there but different. */
export function changeCases(test: Case): void {
  test('changes what is in both lists', async (world) => {
    await add(world, ...fullSample(world))
    await world.kernel.apply(change(everyChange(world)))
    await expectThere(world, ...everyChange(world).add)
    const changed = new Set(everyChange(world).add.map(resourceKey))
    await expectThere(world, ...fullSample(world).filter((it) => !changed.has(resourceKey(it))))
  })

  test('changes back to just what it was', async (world) => {
    await add(world, ...fullSample(world))
    const state = await settledState(world)
    const { remove: from, add: to } = everyChange(world)
    await world.kernel.apply(change({ remove: from, add: to }))
    expect(await settledState(world)).not.toEqual(state)
    await world.kernel.apply(change({ remove: to, add: from }))
    expect(await settledState(world)).toEqual(state)
  })

  test('undoes a change if something else fails', async (world) => {
    await add(world, ...fullSample(world))
    const { remove: from, add: to } = everyChange(world)
    const bad = address('none', '10.81.0.1/24')
    const failure = await refused(world, { remove: from, add: [...to, bad] })
    expect(failure.key).toBe(resourceKey(bad))
  })

  test('mends what is ours and different', async (world) => {
    await add(world, ...fullSample(world))
    const { remove: wanted, add: drifted } = everyChange(world)
    await world.kernel.apply(change({ remove: wanted, add: drifted }))
    await add(world, ...wanted)
    await expectThere(world, ...wanted)
  })

  test('moves a port to another bridge while the first one goes', async (world) => {
    await add(world, ...fullSample(world))
    const inside = namespace(world).namespace
    const move: Change = {
      remove: [bridge(), veth(inside)],
      add: [bridge('br-two'), veth(inside, { bridge: 'br-two' })],
    }
    await refused(world, { ...move, add: [...move.add, address('none', '10.81.0.1/24')] })
    await world.kernel.apply(change(move))
    await expectThere(world, ...move.add, ...sandboxSample(world).slice(2))
    await expectMissing(world, bridge())
  })

  test('moves a link into another namespace', async (world) => {
    const other = namespace(world, 'other')
    await add(world, ...fullSample(world), other)
    const inside = namespace(world).namespace
    const move: Change = {
      remove: [veth(inside)],
      add: [veth(other.namespace), address('eth0', '10.77.0.2/24', other.namespace)],
    }
    await refused(world, { ...move, add: [...move.add, address('none', '10.81.0.1/24')] })
    await world.kernel.apply(change(move))
    await expectThere(world, ...move.add)
    await expectMissing(world, address('eth0', '10.77.0.2/24', inside))
  })

  test('gives a link another address of the same subnet', async (world) => {
    await add(world, ...networkSample())
    const [from, to] = [address('br-one', '10.77.0.1/24'), address('br-one', '10.77.0.254/24')]
    await world.kernel.apply(change({ remove: [from], add: [to] }))
    await expectThere(world, to)
    await expectMissing(world, from)
  })

  test('keeps the elements of a table whose rules change', async (world) => {
    await add(world, ...networkSample())
    await world.kernel.apply(change({ remove: [table], add: [otherTable()] }))
    const elements = networkSample().filter(({ kind }) => kind === 'element')
    await expectThere(world, ...elements)
  })
}
