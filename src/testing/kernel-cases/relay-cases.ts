import { expect } from 'vitest'
import type { IpAddress, MacAddress } from '../../address/address.ts'
import type { RelayResource } from '../../kernel/kept-resource.ts'
import { type AnnouncementResource, resourceKey } from '../../kernel/resource.ts'
import { address, fullSample, namespace } from './sample.ts'
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

function relay(changes: Partial<RelayResource> = {}): RelayResource {
  return {
    kind: 'relay',
    protocol: 'tcp',
    listen: { address: '::1' as IpAddress, port: 8080 },
    to: { address: 'fd77::2' as IpAddress, port: 80 },
    ...changes,
  }
}

const relays = [relay(), relay({ protocol: 'udp' })]
const spoiler = address('none', '10.81.0.1/24')

/** Relays. */
export function relayCases(test: Case): void {
  test('a relay comes and goes', async (world) => {
    await expectMissing(world, ...relays)
    await add(world, ...relays)
    await add(world, ...relays)
    await expectThere(world, ...relays)
    await remove(world, ...relays)
    await remove(world, ...relays)
    await expectMissing(world, ...relays)
    await add(world, ...relays)
    await expectThere(world, ...relays)
  })

  test('compare keeps the order of relays and all else', async (world) => {
    const [first, second] = relays as [RelayResource, RelayResource]
    await expectMissing(world, first, ...fullSample(world), second)
  })

  test('a relay is led elsewhere, by a change or as a repair', async (world) => {
    const other = relay({ to: { address: 'fd77::3' as IpAddress, port: 81 } })
    await add(world, relay())
    const [difference] = await world.kernel.compare([other])
    expect(difference).toMatchObject({ resource: other, state: 'different' })
    expect(difference?.detail).toMatch(/fd77::2.*fd77::3/)
    await world.kernel.apply(change({ remove: [relay()], add: [other] }))
    await expectThere(world, other)
    await add(world, relay())
    await expectThere(world, relay())
    await refused(world, { remove: [relay()], add: [other, spoiler] })
    await expectThere(world, relay())
  })

  test('a relay is not there if its change fails, and stays if its removal does', async (world) => {
    await refused(world, { add: [...relays, spoiler] })
    await expectMissing(world, ...relays)
    await add(world, ...relays)
    await refused(world, { remove: relays, add: [spoiler] })
    await expectThere(world, ...relays)
  })

  test('a relay needs its port, and says who has it', async (world) => {
    for (const protocol of ['tcp', 'udp'] as const) {
      const listen = { address: '::1' as IpAddress, port: 8080 }
      const { pid } = await world.others.bindPort({ protocol, ...listen })
      const failure = await refused(world, { add: [relay({ protocol })] })
      expect(failure).toMatchObject({ key: resourceKey(relay({ protocol })), code: 'PORT_IN_USE' })
      expect(failure.message).toContain(`8080/${protocol}`)
      expect(failure.message).toContain(String(pid))
    }
  })
}

function announcement(world: KernelWorld, box = 'box'): AnnouncementResource {
  return {
    kind: 'announcement',
    namespace: namespace(world, box).namespace,
    link: 'eth0',
    address: '10.77.0.2' as IpAddress,
    mac: '02:00:00:00:00:02' as MacAddress,
    times: 3,
    intervalMs: 10,
  }
}

/** Announcements. */
export function announcementCases(test: Case): void {
  test('an announcement leaves nothing behind', async (world) => {
    await add(world, ...fullSample(world))
    const state = await settledState(world)
    await add(world, announcement(world))
    await expectThere(world, announcement(world))
    await remove(world, announcement(world))
    expect(await settledState(world)).toEqual(state)
  })

  test('an announcement needs a sandbox', async (world) => {
    await add(world, ...fullSample(world))
    const bad = announcement(world, 'none')
    const failure = await refused(world, { add: [announcement(world), bad] })
    expect(failure).toMatchObject({ key: resourceKey(bad), code: 'NAMESPACE_NOT_FOUND' })
  })
}
