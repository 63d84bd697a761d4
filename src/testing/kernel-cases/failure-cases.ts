import { expect } from 'vitest'
import type { Change } from '../../kernel/kernel.ts'
import type { Resource } from '../../kernel/resource.ts'
import { resourceKey } from '../../kernel/resource.ts'
import {
  address,
  bridge,
  element,
  everyChange,
  fullSample,
  namespace,
  route,
  sysctl,
  veth,
} from './sample.ts'
import {
  add,
  type Case,
  change,
  expectMissing,
  expectThere,
  type KernelWorld,
  refused,
  settledState,
} from './world.ts'

/** apply: all or nothing. */
export function failureCases(test: Case): void {
  const spoilers: readonly (readonly [string, (world: KernelWorld) => Resource])[] = [
    ['an address on a link that is not there', () => address('none', '10.81.0.1/24')],
    [
      'an address in a namespace that is not there',
      ({ namespaceDir }) => address('eth0', '10.81.0.1/24', { path: `${namespaceDir}/none` }),
    ],
    ['a route on a link that is not there', () => route('none', '10.82.0.0/16')],
    ['a route by a gateway out of reach', () => route('br-one', '10.82.0.0/16', '10.83.0.1')],
    ['a link whose name is too long', () => bridge('br-0123456789abc')],
    [
      'a veth on a bridge that is not there',
      (world) => veth(namespace(world).namespace, { name: 'v-two', bridge: 'none', inner: 'eth1' }),
    ],
    [
      'a veth in a namespace that is not there',
      ({ namespaceDir }) => veth({ path: `${namespaceDir}/none` }, { name: 'v-two' }),
    ],
    [
      'a veth whose inner name is taken',
      (world) => veth(namespace(world).namespace, { name: 'v-two' }),
    ],
    ['an adopted bridge that is not there', () => bridge('none', { origin: 'adopt' })],
    ['a sysctl that is not there', () => sysctl('net/ipv4/conf/none/forwarding', '1')],
    [
      'an element of a table that is not there',
      () => element('bridges', ['br-one'], { table: 'none' }),
    ],
    ['an element of a set that is not there', () => element('none', ['br-one'])],
    [
      'an element that leads to no chain',
      () => element('modes', ['br-two'], { value: ['jump none'] }),
    ],
    ['an element that overlaps another', () => element('sources', ['br-one', '10.77.0.128/25'])],
  ]
  for (const [what, spoiler] of spoilers) {
    test(`undoes everything because of ${what}`, async (world) => {
      await add(world, ...fullSample(world))
      const bad = spoiler(world)
      const failure = await refused(world, { remove: leaving(world), add: [...coming(world), bad] })
      expect(failure.key).toBe(resourceKey(bad))
      expect(failure.message).not.toBe('')
    })
  }

  test('goes on after a failure', async (world) => {
    await refused(world, { add: [...fullSample(world), address('none', '10.81.0.1/24')] })
    await add(world, ...fullSample(world))
    await expectThere(world, ...fullSample(world))
  })
}

/** Something of each kind that goes while the spoiler is made … */
function leaving(world: KernelWorld): readonly Resource[] {
  const { namespace: inside } = namespace(world)
  return [
    element('modes', ['br-one'], { value: ['jump open'] }),
    address('br-one', 'fd77::1/64'),
    route('br-one', '10.78.0.0/16', '10.77.0.9'),
    sysctl('net/ipv4/conf/br-one/forwarding', '1', '0'),
    route('eth0', '10.99.0.0/16', '10.77.0.8', inside),
    address('eth0', 'fd77::2/64', inside),
  ]
}

/** … and something that comes. */
function coming(world: KernelWorld): readonly Resource[] {
  const box = namespace(world, 'other')
  const { namespace: inside } = box
  return [
    element('bridges', ['br-three']),
    bridge('br-three'),
    address('br-three', '10.84.0.1/24'),
    box,
    veth(inside, { name: 'v-three', bridge: 'br-three' }),
    address('eth0', '10.84.0.2/24', inside),
    route('eth0', '0.0.0.0/0', '10.84.0.1', inside),
  ]
}

const maxSteps = 500

/** apply: whatever step of it fails. */
export function faultCases(test: Case): void {
  test('undoes an addition at every step', async (world) => {
    await sweep(world, { add: fullSample(world) })
    await expectThere(world, ...fullSample(world))
  })

  test('undoes a removal at every step', async (world) => {
    await add(world, ...fullSample(world))
    await sweep(world, { remove: fullSample(world) })
    await expectMissing(world, bridge(), veth(namespace(world).namespace), namespace(world))
  })

  test('undoes a change at every step', async (world) => {
    await add(world, ...fullSample(world))
    await sweep(world, everyChange(world))
    await expectThere(world, ...everyChange(world).add)
  })
}

/** Lets the change fail at its first step, its second …, until it succeeds, after so many at least. */
export async function sweep(
  world: KernelWorld,
  wanted: Partial<Change>,
  fewest = 5,
): Promise<void> {
  const { faults } = world
  if (faults === undefined) return expect.fail('this world has no faults: skip these cases')
  const before = await settledState(world)
  for (let k = 1; k <= maxSteps; k += 1) {
    await faults.failAt(k)
    const error = await world.kernel.apply(change(wanted)).then(
      () => undefined,
      (reason: unknown) => reason,
    )
    await faults.failAt(Number.POSITIVE_INFINITY)
    if (error === undefined) {
      expect(k).toBeGreaterThan(fewest)
      return
    }
    expect(error).toMatchObject({ name: 'KernelError', errno: 'EIO' })
    expect(await settledState(world), `after a failure at step ${k}`).toEqual(before)
  }
  expect.fail(`fails even at step ${maxSteps}`)
}
