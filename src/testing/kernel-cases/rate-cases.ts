import { expect } from 'vitest'
import type { RateResource, Resource } from '../../kernel/resource.ts'
import { resourceKey } from '../../kernel/resource.ts'
import { sweep } from './failure-cases.ts'
import { bridge, namespace, veth } from './sample.ts'
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

const both: RateResource = rate({ toSandbox: 10e6, fromSandbox: 20e6 })

/** All that can become of it. */
const changes: readonly (readonly [string, RateResource])[] = [
  ['faster', rate({ toSandbox: 500e6, fromSandbox: 50e9 })],
  ['slower', rate({ toSandbox: 1e6, fromSandbox: 8e3 })],
  ['faster to the sandbox only', rate({ toSandbox: 11e6, fromSandbox: 20e6 })],
  ['none to the sandbox', rate({ fromSandbox: 20e6 })],
  ['none from the sandbox', rate({ toSandbox: 10e6 })],
]

export function rateCases(test: Case): void {
  test('limits what goes both ways, and no more', async (world) => {
    const before = await withPort(world)
    await add(world, both)
    await expectThere(world, both)
    await add(world, both)
    await remove(world, both)
    await expectMissing(world, both)
    expect(await settledState(world)).toEqual(before)
    await remove(world, both)
  })

  for (const [what, other] of changes) {
    test(`changes a rate: ${what}`, async (world) => {
      await withPort(world)
      await add(world, both)
      const state = await settledState(world)
      await world.kernel.apply(change({ remove: [both], add: [other] }))
      await expectThere(world, other)
      expect(await world.kernel.compare([both])).toMatchObject([{ state: 'different' }])
      // Without being told what there was.
      await add(world, both)
      await expectThere(world, both)
      expect(await settledState(world)).toEqual(state)
    })
  }

  test('takes the rate with its link', async (world) => {
    await add(world, ...network(world))
    const before = await settledState(world)
    await add(world, port(world), both)
    await remove(world, port(world), both)
    await add(world, port(world), both)
    await remove(world, port(world))
    await expectMissing(world, both)
    expect(await settledState(world)).toEqual(before)
    await remove(world, both)
  })

  test('takes the rate with the namespace', async (world) => {
    await add(world, bridge())
    const before = await settledState(world)
    await add(world, namespace(world), port(world), both)
    await remove(world, namespace(world))
    await expectMissing(world, both)
    expect(await settledState(world)).toEqual(before)
  })

  test('makes a link anew with its rate at once', async (world) => {
    await withPort(world)
    await add(world, both)
    const state = await settledState(world)
    for (let round = 0; round < 3; round += 1) {
      await remove(world, port(world), both)
      await add(world, port(world), both)
    }
    expect(await settledState(world)).toEqual(state)
  })

  test('refuses a rate for a link that is not there', async (world) => {
    await withPort(world)
    const wrong: RateResource = { ...both, link: 'v-two' }
    const failure = await refused(world, { add: [both, wrong] })
    expect(failure).toMatchObject({ code: 'ENODEV', key: resourceKey(wrong) })
    expect(failure.message).toContain('v-two')
  })

  test('refuses a rate for a foreign link', async (world) => {
    await world.others.addBridge('v-two')
    const wrong: RateResource = { ...both, link: 'v-two' }
    const failure = await refused(world, { add: [wrong] })
    expect(failure).toMatchObject({ code: 'ENODEV', key: resourceKey(wrong) })
  })
}

export function rateFaultCases(test: Case): void {
  test('undoes an addition at every step', async (world) => {
    await withPort(world)
    await sweep(world, { add: [both] }, 1)
    await expectThere(world, both)
  })

  test('undoes an addition with its link at every step', async (world) => {
    await add(world, ...network(world))
    await sweep(world, { add: [port(world), both] }, 3)
    await expectThere(world, both)
  })

  test('undoes a removal at every step', async (world) => {
    await withPort(world)
    await add(world, both)
    await sweep(world, { remove: [both] }, 1)
    await expectMissing(world, both)
  })

  test('undoes a removal with its link at every step', async (world) => {
    await withPort(world)
    await add(world, both)
    await sweep(world, { remove: [port(world), both] }, 2)
    await expectMissing(world, both)
  })

  for (const [what, other] of changes) {
    test(`undoes a change at every step: ${what}`, async (world) => {
      await withPort(world)
      await add(world, both)
      await sweep(world, { remove: [both], add: [other] }, 1)
      await expectThere(world, other)
    })
  }
}

function rate(limits: Pick<RateResource, 'toSandbox' | 'fromSandbox'>): RateResource {
  return { kind: 'rate', link: 'v-one', ...limits }
}

function network(world: KernelWorld): readonly Resource[] {
  return [bridge(), namespace(world)]
}

function port(world: KernelWorld): Resource {
  return veth(namespace(world).namespace)
}

async function withPort(world: KernelWorld): Promise<unknown> {
  await add(world, ...network(world), port(world))
  return settledState(world)
}
