import { expect } from 'vitest'
import type { IpAddress } from '../../address/address.ts'
import type { FileResource, HostsEntryResource } from '../../kernel/resource.ts'
import { sweep } from './failure-cases.ts'
import { address } from './sample.ts'
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

const spoiler = address('none', '10.81.0.1/24')

function pathOf({ namespaceDir }: KernelWorld, name: string): string {
  return `${namespaceDir}-files/box/${name}`
}

function file(
  world: KernelWorld,
  name = 'hosts',
  content = '127.0.0.1\tlocalhost\n',
): FileResource {
  return { kind: 'file', path: pathOf(world, name), content }
}

function entry(world: KernelWorld, text = '10.77.0.2', ...names: string[]): HostsEntryResource {
  return {
    kind: 'hosts-entry',
    path: pathOf(world, 'hosts'),
    address: text as IpAddress,
    names: names.length === 0 ? ['one.example', 'one'] : names,
  }
}

const entries = (world: KernelWorld) => [entry(world), entry(world, 'fd77::2', 'one')]
const all = (world: KernelWorld) => [
  file(world),
  file(world, 'hostname', 'one\n'),
  ...entries(world),
]

/** Files and lines of hosts files. What is in a file is for tests of each kernel. */
export function fileCases(test: Case): void {
  test('files and lines come and go', async (world) => {
    const before = await settledState(world)
    await expectMissing(world, file(world), file(world, 'hostname'))
    for (let round = 0; round < 2; round += 1) {
      await add(world, ...all(world))
      await add(world, ...all(world))
      await expectThere(world, ...all(world))
      await remove(world, entry(world))
      await expectMissing(world, entry(world))
      await remove(world, ...all(world))
      await remove(world, ...all(world))
      await expectMissing(world, file(world), file(world, 'hostname'))
    }
    expect(await settledState(world)).toEqual(before)
  })

  test('a line comes to a file that is there, and goes with it', async (world) => {
    await add(world, file(world))
    await expectMissing(world, ...entries(world))
    await add(world, ...entries(world))
    await expectThere(world, ...entries(world))
    await remove(world, file(world))
    await add(world, file(world))
    await expectMissing(world, ...entries(world))
  })

  test('without its file, a line is not there and not missing', async (world) => {
    const before = await settledState(world)
    await add(world, ...entries(world))
    await expectThere(world, ...entries(world))
    expect(await settledState(world)).toEqual(before)
    await add(world, file(world))
    await expectMissing(world, ...entries(world))
  })

  test('a line with other names is another one', async (world) => {
    const other = entry(world, '10.77.0.2', 'two')
    await add(world, file(world), entry(world))
    await world.kernel.apply(change({ remove: [entry(world)], add: [other] }))
    await expectThere(world, other)
    await expectMissing(world, entry(world))
  })

  test('a file is changed to other contents', async (world) => {
    const other = file(world, 'hosts', '127.0.0.1\tlocalhost\n192.0.2.1\tgate\n')
    await add(world, ...all(world))
    await world.kernel.apply(change({ remove: [file(world)], add: [other] }))
    await expectThere(world, other, ...entries(world))
  })

  test('nothing of a change that fails stays, and nothing is lost', async (world) => {
    await refused(world, { add: [...all(world), spoiler] })
    await expectMissing(world, file(world), file(world, 'hostname'))
    await add(world, ...all(world))
    await refused(world, { remove: all(world), add: [spoiler] })
    await expectThere(world, ...all(world))
    const other = entry(world, '10.77.0.3', 'other')
    await refused(world, { remove: [entry(world)], add: [other, spoiler] })
    await expectThere(world, ...all(world))
    await expectMissing(world, other)
  })
}

/** Files: whatever step fails. */
export function fileFaultCases(test: Case): void {
  test('undoes it at every step', async (world) => {
    await sweep(world, { add: all(world) }, 2)
    await expectThere(world, ...all(world))
    const other = file(world, 'hosts', 'other\n')
    await sweep(world, { remove: [file(world), entry(world)], add: [other] }, 1)
    await expectThere(world, other)
    await sweep(world, { remove: all(world) }, 2)
    await expectMissing(world, file(world), file(world, 'hostname'))
  })
}
