import { expect } from 'vitest'
import type { IpAddress, MacAddress } from '../../address/address.ts'
import type { FdbResource, NeighbourResource, Resource } from '../../kernel/resource.ts'
import { resourceKey } from '../../kernel/resource.ts'
import { sweep } from './failure-cases.ts'
import { address, bridge, namespace, veth } from './sample.ts'
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

const mac = '02:00:00:00:00:02' as MacAddress
const other = '02:00:00:00:00:03' as MacAddress
/** With a MAC of its own: one that changes with its ports forgets its neighbours. */
const own = bridge('br-one', { mac: '02:00:00:00:00:01' as MacAddress })
const neighbour4 = neighbour('10.77.0.2')
const neighbour6 = neighbour('fd77::2')
const fdb: FdbResource = { kind: 'fdb', link: 'v-one', bridge: 'br-one', mac }
const all: readonly Resource[] = [neighbour4, neighbour6, fdb]

/** Whose an address is, and where a MAC is, for good. */
export function neighbourCases(test: Case): void {
  test('adds neighbours and forwarding entries, and removes them', async (world) => {
    const before = await withPort(world)
    await add(world, ...all)
    await expectThere(world, ...all)
    const state = await settledState(world)
    await add(world, ...all)
    expect(await settledState(world)).toEqual(state)
    await remove(world, ...all)
    await expectMissing(world, ...all)
    expect(await settledState(world)).toEqual(before)
    await remove(world, ...all)
  })

  test('gives an address to another MAC in one change', async (world) => {
    await withPort(world)
    await add(world, neighbour4)
    const moved = { ...neighbour4, mac: other }
    await world.kernel.apply(change({ remove: [neighbour4], add: [moved] }))
    await expectThere(world, moved)
    expect(await world.kernel.compare([neighbour4])).toMatchObject([{ state: 'different' }])
    // Without being told what there was.
    await add(world, neighbour4)
    await expectThere(world, neighbour4)
  })

  test('gives a MAC to another port in one change', async (world) => {
    await withPort(world)
    const { namespace: inside } = namespace(world)
    const second = veth(inside, { name: 'v-two', inner: 'eth1', mac: '02:00:00:00:00:09' })
    await add(world, second, fdb)
    const moved = { ...fdb, link: 'v-two' }
    await world.kernel.apply(change({ remove: [fdb], add: [moved] }))
    await expectThere(world, moved)
    expect(await world.kernel.compare([fdb])).toMatchObject([{ resource: fdb }])
    await world.kernel.apply(change({ remove: [moved, second], add: [fdb] }))
    await expectThere(world, fdb)
  })

  test('takes them with the links they are on', async (world) => {
    await add(world, own, namespace(world))
    const before = await settledState(world)
    await add(world, port(world), ...all)
    await remove(world, port(world))
    await expectMissing(world, fdb)
    await expectThere(world, neighbour4, neighbour6)
    await remove(world, ...all)
    expect(await settledState(world)).toEqual(before)
    await add(world, port(world), ...all)
    await remove(world, own)
    await expectMissing(world, ...all)
    await remove(world, ...all)
  })

  test('makes a port anew with its entry at once', async (world) => {
    await withPort(world)
    await add(world, ...all)
    const state = await settledState(world)
    for (let round = 0; round < 3; round += 1) {
      await remove(world, port(world), ...all)
      await add(world, port(world), ...all)
    }
    expect(await settledState(world)).toEqual(state)
  })

  test('changes whether a port learns', async (world) => {
    await withPort(world)
    const deaf: Resource = { ...veth(namespace(world).namespace), learning: false }
    expect(await world.kernel.compare([deaf])).toMatchObject([{ state: 'different' }])
    await world.kernel.apply(change({ remove: [port(world)], add: [deaf] }))
    await expectThere(world, deaf)
    // Without being told what there was.
    await add(world, port(world))
    await expectThere(world, port(world))
    await add(world, deaf)
    await expectThere(world, deaf)
  })

  test('changes how many MACs a bridge learns', async (world) => {
    await withPort(world)
    const bounded: Resource = { ...own, maxLearned: 4096 }
    await world.kernel.apply(change({ remove: [own], add: [bounded] }))
    await expectThere(world, bounded, port(world))
    await world.kernel.apply(change({ remove: [bounded], add: [own] }))
    await expectThere(world, own, port(world))
    // Without being told what there was.
    await add(world, bounded)
    await expectThere(world, bounded)
  })

  test('surveys neighbours of ours', async (world) => {
    await withPort(world)
    await add(world, ...all)
    const { neighbours } = await world.kernel.survey({ tables: [] })
    expect(neighbours).toHaveLength(2)
    expect(neighbours).toEqual(expect.arrayContaining([neighbour4, neighbour6]))
  })

  test('refuses what is about links that are not there', async (world) => {
    await withPort(world)
    for (const wrong of [
      { ...neighbour4, link: 'br-two' },
      { ...fdb, link: 'v-two' },
    ]) {
      const failure = await refused(world, { add: [...all, wrong] })
      expect(failure).toMatchObject({ code: 'ENODEV', key: resourceKey(wrong) })
    }
  })
}

export function neighbourFaultCases(test: Case): void {
  test('undoes an addition at every step', async (world) => {
    await withPort(world)
    await sweep(world, { add: all }, 3)
    await expectThere(world, ...all)
  })

  test('undoes an addition with the port at every step', async (world) => {
    await add(world, own, namespace(world))
    await sweep(world, { add: [port(world), ...all] }, 4)
    await expectThere(world, ...all)
  })

  test('undoes a removal at every step, with the port and without it', async (world) => {
    await withPort(world)
    await add(world, ...all)
    await sweep(world, { remove: all }, 3)
    await add(world, ...all)
    await sweep(world, { remove: [port(world), ...all] }, 3)
    await expectMissing(world, ...all)
  })

  test('undoes the removal of the bridge at every step', async (world) => {
    await withPort(world)
    await add(world, ...all)
    await sweep(world, { remove: [own, port(world), ...all] }, 4)
    await expectMissing(world, ...all)
  })

  test('undoes a change at every step', async (world) => {
    await withPort(world)
    await add(world, ...all)
    const moved = { ...neighbour4, mac: other }
    await sweep(world, { remove: [neighbour4], add: [moved] }, 1)
    await expectThere(world, moved)
    const deaf: Resource = { ...veth(namespace(world).namespace), learning: false }
    await sweep(world, { remove: [port(world)], add: [deaf] }, 1)
    await expectThere(world, deaf)
    const bounded: Resource = { ...own, maxLearned: 4096 }
    await sweep(world, { remove: [own], add: [bounded] }, 1)
    await expectThere(world, bounded)
  })
}

function neighbour(text: string): NeighbourResource {
  return { kind: 'neighbour', link: 'br-one', address: text as IpAddress, mac }
}

function port(world: KernelWorld): Resource {
  return veth(namespace(world).namespace)
}

async function withPort(world: KernelWorld): Promise<unknown> {
  await add(world, own, address('br-one', '10.77.0.1/24'), address('br-one', 'fd77::1/64'))
  await add(world, namespace(world), port(world))
  return settledState(world)
}
