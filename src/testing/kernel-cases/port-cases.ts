import { expect } from 'vitest'
import type { IpAddress } from '../../address/address.ts'
import type { PortRange } from '../../address/port.ts'
import {
  type ElementResource,
  eachElement,
  type FlowsResource,
  resourceKey,
  type TableResource,
} from '../../kernel/resource.ts'
import { sweep } from './failure-cases.ts'
import { address, bridge, namespace, veth } from './sample.ts'
import {
  add,
  type Case,
  change,
  deepFreeze,
  expectMissing,
  expectThere,
  type KernelWorld,
  refused,
  remove,
  settledState,
} from './world.ts'

const table: TableResource = deepFreeze({
  kind: 'table',
  definition: {
    family: 'inet',
    name: 'ports',
    owned: true,
    sets: [
      {
        name: 'published',
        key: ['inet_proto', 'inet_service'],
        value: ['ipv4_addr', 'inet_service'],
      },
      { name: 'open', key: ['ipv4_addr', 'inet_proto', 'inet_service'] },
      { name: 'addresses', key: ['inet_proto', 'inet_service'], value: ['ipv4_addr'] },
      { name: 'names', key: ['inet_service', 'ifname'] },
      { name: 'verdicts', key: ['inet_service'], value: 'verdict' },
      { name: 'ranges', key: ['ipv4_addr', 'inet_proto', 'inet_service'], interval: true },
      { name: 'quiet', key: ['ipv4_addr', 'inet_proto', 'inet_service'], timeoutMs: 30_000 },
      {
        name: 'quiet_ranges',
        key: ['ipv4_addr', 'inet_proto', 'inet_service'],
        interval: true,
        timeoutMs: 60_000,
      },
    ],
    chains: [],
  },
})

function element(
  set: string,
  key: readonly string[],
  more: Partial<Pick<ElementResource, 'value' | 'run' | 'owner'>> = {},
): ElementResource {
  const place = { family: 'inet', table: 'ports', set } as const
  return { kind: 'element', ...place, key, owner: 'endpoint-one', ...more }
}

function published(run: number, more: Parameters<typeof element>[2] = {}): ElementResource {
  return element('published', ['tcp', '8000'], { value: ['10.77.0.2', '80'], run, ...more })
}

const open = element('open', ['10.77.0.2', 'udp', '65500'], { run: 36 })

function flows(ports: PortRange): FlowsResource {
  return {
    kind: 'flows',
    address: '10.77.0.2' as IpAddress,
    protocol: 'tcp',
    ports,
    link: 'v-one',
    quiet: { family: 'inet', table: 'ports', set: 'quiet', ranges: 'quiet_ranges' },
  }
}

/** Elements that come in runs. */
export function runCases(test: Case): void {
  test('a run is just its elements', async (world) => {
    await add(world, table, published(5), open)
    await expectThere(world, published(5), open)
    const elements = [...eachElement(published(5)), ...eachElement(open)]
    await expectThere(world, ...elements)
    const tables = [{ family: 'inet', name: 'ports' }] as const
    const { namespaceDir } = world
    const survey = await world.kernel.survey({ namespaceDir, tables })
    const found = survey.elements.flatMap(eachElement)
    expect(found).toHaveLength(elements.length)
    expect(found).toEqual(expect.arrayContaining(elements.map((it) => ({ ...it }))))
    const state = await settledState(world)
    await remove(world, ...elements)
    await expectMissing(world, ...elements, published(5), open)
    await add(world, ...elements)
    expect(await settledState(world)).toEqual(state)
  })

  test('adds a run that is there, and removes one that is gone', async (world) => {
    await add(world, table)
    const before = await settledState(world)
    await add(world, published(5), open)
    const state = await settledState(world)
    await add(world, open, published(5))
    expect(await settledState(world)).toEqual(state)
    await remove(world, published(5), open)
    expect(await settledState(world)).toEqual(before)
    await remove(world, published(5), open)
    expect(await settledState(world)).toEqual(before)
  })

  test('removes a run of which something is gone', async (world) => {
    await add(world, table)
    const before = await settledState(world)
    for (const index of [0, 2, 4]) {
      await add(world, published(5))
      await remove(world, eachElement(published(5))[index]!)
      await expectMissing(world, published(5))
      await remove(world, published(5))
      expect(await settledState(world)).toEqual(before)
    }
  })

  test('tells and mends what is different in a run', async (world) => {
    await add(world, table, published(5))
    const state = await settledState(world)
    const other = { ...eachElement(published(5))[2]!, value: ['10.77.0.9', '9'] }
    await add(world, other)
    const [difference] = await world.kernel.compare([published(5)])
    expect(difference).toMatchObject({ state: 'different' })
    expect(difference?.detail).toMatch(/8002.*10\.77\.0\.9/)
    await add(world, published(5))
    expect(await settledState(world)).toEqual(state)
  })

  test('removes a run only of its owner', async (world) => {
    await add(world, table, published(5))
    const state = await settledState(world)
    await remove(world, published(5, { owner: 'endpoint-two' }))
    expect(await settledState(world)).toEqual(state)
  })

  test('changes a run into another', async (world) => {
    await add(world, table, published(5))
    const shorter = published(3, { value: ['10.77.0.3', '70'] })
    await world.kernel.apply(change({ remove: [published(5)], add: [shorter] }))
    await expectThere(world, shorter)
    await expectMissing(world, ...eachElement(published(5)).slice(3))
    const wanted = { remove: [shorter], add: [published(5), address('none', '10.81.0.1/24')] }
    expect((await refused(world, wanted)).key).toBe(resourceKey(wanted.add[1]!))
  })

  test('adds ten thousand in one change and removes them in one', async (world) => {
    await add(world, table)
    const before = await settledState(world)
    await add(world, published(10_000))
    await expectThere(world, published(10_000))
    await remove(world, published(10_000))
    expect(await settledState(world)).toEqual(before)
  })

  const impossible: readonly (readonly [string, ElementResource])[] = [
    ['of intervals', element('ranges', ['10.77.0.2', 'tcp', '80'], { run: 3 })],
    ['beyond the last port', element('open', ['10.77.0.2', 'tcp', '65530'], { run: 7 })],
    ['beyond the last port of its value', published(65_000, { value: ['10.77.0.2', '1000'] })],
    ['whose key has no port', element('names', ['80', 'eth0'], { run: 3 })],
    [
      'whose value has no port',
      element('addresses', ['tcp', '80'], { run: 3, value: ['10.77.0.2'] }),
    ],
    ['of verdicts', element('verdicts', ['80'], { run: 3, value: ['accept'] })],
    ['of none', published(0)],
    ['of a set that is not there', element('none', ['80'], { run: 3 })],
  ]
  for (const [what, bad] of impossible) {
    test(`refuses a run ${what}`, async (world) => {
      await add(world, table)
      const failure = await refused(world, { add: [published(3), bad] })
      expect(failure.key).toBe(resourceKey(bad))
      expect(failure.message).not.toBe('')
    })
  }
}

/** What has been forwarded. */
export function flowsCases(test: Case): void {
  const web = flows({ from: 80, to: 80 })
  const many = flows({ from: 8000, to: 8999 })

  test('flows come and go with their link, and leave nothing', async (world) => {
    await add(world, table, bridge(), namespace(world))
    const before = await settledState(world)
    const endpoint = [veth(namespace(world).namespace), web, many]
    await add(world, ...endpoint)
    await add(world, ...endpoint)
    await expectThere(world, ...endpoint)
    await remove(world, ...endpoint)
    expect(await settledState(world)).toEqual(before)
    await remove(world, ...endpoint)
    expect(await settledState(world)).toEqual(before)
  })

  test('flows can end where their table is gone', async (world) => {
    await add(world, table, web, many)
    await remove(world, table)
    await remove(world, web, many)
  })

  test('flows need the sets in which quiet senders are kept', async (world) => {
    const failure = await refused(world, { add: [bridge(), web] })
    expect(failure.key).toBe(resourceKey(web))
  })
}

/** apply: whatever step of it fails. */
export function portFaultCases(test: Case): void {
  const web = flows({ from: 80, to: 84 })

  test('undoes publishing at every step', async (world) => {
    await add(world, table, bridge())
    await sweep(world, { add: [...endpoint(world), published(5), open, web] })
    await expectThere(world, published(5), open)
  })

  test('undoes unpublishing at every step', async (world) => {
    await add(world, table, bridge(), ...endpoint(world), published(5), open, web)
    const last = address('br-one', '10.77.0.1/24')
    await sweep(world, { remove: [published(5), open, web], add: [last] }, 2)
    await expectMissing(world, published(5), open)
    // What is quiet now is so no longer, and is again where that fails.
    const other = address('br-one', '10.77.0.5/24')
    await sweep(world, { add: [published(5), flows({ from: 82, to: 82 }), other] }, 2)
    await sweep(world, { remove: [...endpoint(world), published(5), web] }, 2)
  })
}

function endpoint(world: KernelWorld) {
  const box = namespace(world)
  return [box, veth(box.namespace), address('eth0', '10.77.0.2/24', box.namespace)]
}
