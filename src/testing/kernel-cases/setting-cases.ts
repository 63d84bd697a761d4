import { expect } from 'vitest'
import { resourceKey } from '../../kernel/resource.ts'
import { address, bridge, element, networkSample, route, sysctl, table } from './sample.ts'
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

/** Addresses and routes. */
export function addressCases(test: Case): void {
  test('finds gateways by routes of the same change', async (world) => {
    const via = route('br-one', '10.90.0.0/16', '192.0.2.1')
    const onLink = route('br-one', '192.0.2.1/32')
    await add(world, via, onLink, bridge(), address('br-one', '10.77.0.1/24'))
    await expectThere(world, via, onLink)
  })

  test('refuses an IPv6 address on a link without IPv6', async (world) => {
    const wanted = address('br-one', 'fd77::1/64')
    const failure = await refused(world, { add: [bridge('br-one', { ipv6: false }), wanted] })
    expect(failure.key).toBe(resourceKey(wanted))
  })

  test('removes a route only if it is that one', async (world) => {
    await add(world, ...networkSample())
    await remove(world, route('br-one', '10.78.0.0/16', '10.77.0.200'))
    await expectThere(world, ...networkSample())
  })
}

const forwarding = 'net/ipv4/conf/br-one/forwarding'
const metric = 'net/ipv4/conf/br-one/medium_id'

/** Sysctls. */
export function sysctlCases(test: Case): void {
  test('puts back on removal what it is told to', async (world) => {
    await add(world, bridge(), sysctl(metric, '7', '3'))
    expect(await world.others.readSysctl(metric)).toBe('7')
    await remove(world, sysctl(metric, '7', '3'))
    expect(await world.others.readSysctl(metric)).toBe('3')
  })

  test('puts nothing back if it is not told to', async (world) => {
    await add(world, bridge(), sysctl(forwarding, '1'))
    await remove(world, sysctl(forwarding, '1'))
    expect(await world.others.readSysctl(forwarding)).toBe('1')
  })

  test('puts nothing back over what another program has written since', async (world) => {
    await add(world, bridge(), sysctl(metric, '7', '3'))
    await world.others.writeSysctl(metric, '5')
    await remove(world, sysctl(metric, '7', '3'))
    expect(await world.others.readSysctl(metric)).toBe('5')
  })

  test('tells and mends what another program has written', async (world) => {
    await add(world, bridge(), sysctl(metric, '7', '3'))
    await world.others.writeSysctl(metric, '5')
    const [difference, ...rest] = await world.kernel.compare([sysctl(metric, '7', '3')])
    expect(rest).toEqual([])
    expect(difference).toMatchObject({ state: 'different' })
    expect(difference?.detail).toMatch(/\b5\b/)
    expect(difference?.detail).toMatch(/\b7\b/)
    await add(world, sysctl(metric, '7', '3'))
    expect(await world.others.readSysctl(metric)).toBe('7')
  })
}

/** Tables and elements. */
export function rulesetCases(test: Case): void {
  test('removes an element only of its owner', async (world) => {
    await add(world, ...networkSample())
    await remove(world, element('bridges', ['br-one'], { owner: 'network-two' }))
    await expectThere(world, element('bridges', ['br-one']))
    await remove(world, element('bridges', ['br-one']))
    await expectMissing(world, element('bridges', ['br-one']))
  })

  test('keeps intervals of different names and prefixes side by side', async (world) => {
    const elements = [
      element('sources', ['br-one', '10.77.0.0/25']),
      element('sources', ['br-one', '10.77.0.128/25']),
      element('sources', ['br-two', '10.77.0.0/24']),
    ]
    await add(world, table, ...elements)
    await expectThere(world, ...elements)
    await remove(world, elements[0]!)
    await expectMissing(world, elements[0]!)
    await expectThere(world, elements[1]!, elements[2]!)
    // In one change: what overlapped makes room.
    const whole = element('sources', ['br-one', '10.77.0.0/24'])
    await world.kernel.apply(change({ remove: [elements[1]!], add: [whole] }))
    await expectThere(world, whole, elements[2]!)
  })

  test('takes elements with their table', async (world) => {
    const before = await settledState(world)
    const elements = networkSample().filter(({ kind }) => kind === 'element')
    await add(world, table, ...elements)
    await remove(world, table)
    await expectMissing(world, ...elements)
    expect(await settledState(world)).toEqual(before)
  })

  test('adds a thousand elements in one change and removes them in one', async (world) => {
    await add(world, table)
    const before = await settledState(world)
    const many = Array.from({ length: 1000 }, (_, n) => element('bridges', [`br-${n}`]))
    await add(world, ...many)
    await expectThere(world, ...many)
    await remove(world, ...many)
    expect(await settledState(world)).toEqual(before)
  })
}
