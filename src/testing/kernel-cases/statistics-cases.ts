import { expect } from 'vitest'
import { bridge, fullSample, namespace, veth } from './sample.ts'
import { add, type Case, remove } from './world.ts'

/** What links have counted. */
export function statisticsCases(test: Case): void {
  test('tells what every link of the host has counted', async (world) => {
    await world.others.addBridge('theirs')
    await add(world, ...fullSample(world))
    const links = await world.kernel.statistics()
    const names = links.map(({ name }) => name)
    expect(names).toEqual(expect.arrayContaining(['lo', 'theirs', 'br-one', 'v-one']))
    // Ends inside are none of the host's.
    expect(names).not.toContain('eth0')
    for (const { received, sent } of links) {
      for (const counters of [received, sent]) {
        const { bytes, packets, dropped, errors } = counters
        const counts = [bytes, packets, dropped, errors]
        expect(counts.filter((count) => !Number.isSafeInteger(count) || count < 0)).toEqual([])
      }
    }
  })

  test('tells nothing of links that are gone', async (world) => {
    await add(world, ...fullSample(world))
    await remove(world, veth(namespace(world).namespace))
    const names = async () => (await world.kernel.statistics()).map(({ name }) => name)
    // Though it may not be deleted yet.
    expect(await names()).not.toContain('v-one')
    expect(await names()).toContain('br-one')
    await remove(world, bridge())
    expect(await names()).not.toContain('br-one')
  })
}
