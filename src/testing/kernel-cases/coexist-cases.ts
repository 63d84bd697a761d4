import { expect } from 'vitest'
import type { Cidr } from '../../address/address.ts'
import type { ConsentResource } from '../../kernel/resource.ts'
import { sweep } from './failure-cases.ts'
import { listen } from './life-cases.ts'
import { bridge, sysctl } from './sample.ts'
import { add, type Case, expectMissing, expectThere, remove, settledState } from './world.ts'

const consent = (family: 'ip' | 'ip6' = 'ip', mark = 0x1000000): ConsentResource => {
  return { kind: 'consent', family, mark }
}

/** Consents. */
export function consentCases(test: Case): void {
  test('view tells whose chains there are', async ({ kernel, others }) => {
    expect((await kernel.view()).dockerUser).toEqual([])
    await others.addUserChain('ip6')
    expect((await kernel.view()).dockerUser).toEqual(['ip6'])
    await others.addUserChain('ip')
    expect((await kernel.view()).dockerUser).toEqual(['ip', 'ip6'])
  })

  test('asks once, and takes that back', async (world) => {
    await world.others.addUserChain('ip')
    const before = await settledState(world)
    await expectMissing(world, consent())
    await add(world, consent())
    await expectThere(world, consent())
    const once = await settledState(world)
    expect(once).not.toEqual(before)
    await add(world, consent())
    expect(await settledState(world)).toEqual(once)
    await remove(world, consent())
    expect(await settledState(world)).toEqual(before)
    await remove(world, consent())
    expect(await settledState(world)).toEqual(before)
  })

  test('asks for another mark instead', async (world) => {
    await world.others.addUserChain('ip')
    await add(world, consent())
    await world.kernel.apply({ remove: [consent()], add: [consent('ip', 0x2000000)] })
    await expectThere(world, consent('ip', 0x2000000))
    const now = await settledState(world)
    await add(world, consent('ip', 0x2000000))
    expect(await settledState(world)).toEqual(now)
  })

  test('asks nothing where nothing has to be asked, and nothing is missing', async (world) => {
    const before = await settledState(world)
    await add(world, consent(), consent('ip6'))
    expect(await settledState(world)).toEqual(before)
    await expectThere(world, consent(), consent('ip6'))
    await remove(world, consent(), consent('ip6'))
    expect(await settledState(world)).toEqual(before)
  })

  test('tells that others have flushed it, and can be asked again', async (world) => {
    await world.others.addUserChain('ip')
    const heard = await listen(world)
    await add(world, consent())
    await world.others.flushUserChain('ip')
    await heard.wait({ type: 'ruleset', table: 'ip filter' })
    await heard.stop()
    await expectMissing(world, consent())
    await add(world, consent())
    await expectThere(world, consent())
  })
}

/** Consents: whatever step fails. */
export function consentFaultCases(test: Case): void {
  test('undoes it at every step', async (world) => {
    for (const family of ['ip', 'ip6'] as const) await world.others.addUserChain(family)
    const all = [consent(), consent('ip6')]
    await sweep(world, { add: all }, 1)
    await expectThere(world, ...all)
    await sweep(world, { remove: all }, 1)
    await expectMissing(world, ...all)
  })
}

const of = (version: 4 | 6, link: string, what: string) => `net/ipv${version}/conf/${link}/${what}`

/** What the host forwards. */
export function forwardingCases(test: Case): void {
  test('view tells what links forward and believe', async ({ kernel, others }) => {
    await others.addBridge('theirs')
    await others.addAddress('theirs', '10.70.0.5/24' as Cidr)
    const theirs = async () => (await kernel.view()).links.find(({ name }) => name === 'theirs')
    for (const [path, value] of [
      [of(4, 'theirs', 'forwarding'), '0'],
      [of(4, 'theirs', 'route_localnet'), '0'],
      [of(6, 'theirs', 'accept_ra'), '0'],
    ] as const) {
      await others.writeSysctl(path, value)
    }
    const nothing = { forwarding4: false, routeLocalnet: false, acceptRa6: 0 }
    expect(await theirs()).toMatchObject(nothing)
    await others.writeSysctl(of(4, 'theirs', 'forwarding'), '1')
    expect(await theirs()).toMatchObject({ ...nothing, forwarding4: true })
    await others.writeSysctl(of(4, 'theirs', 'route_localnet'), '1')
    await others.writeSysctl(of(6, 'theirs', 'accept_ra'), '2')
    expect(await theirs()).toMatchObject({ forwarding4: true, routeLocalnet: true, acceptRa6: 2 })
    expect(await kernel.view()).toMatchObject({ allForwarding4: false, allForwarding6: false })
    expect(await theirs()).toMatchObject({ forwarding6: false })
    await others.writeSysctl('net/ipv4/ip_forward', '1')
    await others.writeSysctl('net/ipv6/conf/all/forwarding', '1')
    expect(await kernel.view()).toMatchObject({ allForwarding4: true, allForwarding6: true })
    expect(await theirs()).toMatchObject({ forwarding6: true })
  })

  test('tells of forwarding that others switch, on ours only off', async (world) => {
    await world.others.addBridge('theirs')
    await world.others.writeSysctl(of(4, 'theirs', 'forwarding'), '0')
    await add(world, bridge(), sysctl(of(4, 'br-one', 'forwarding'), '1'))
    const heard = await listen(world)
    for (const link of ['theirs', 'br-one']) {
      await world.others.writeSysctl(of(4, link, 'forwarding'), '1')
      await world.others.writeSysctl(of(4, link, 'forwarding'), '0')
      await heard.wait({ type: 'forwarding', link, family: 4, on: false })
    }
    await heard.stop()
    const on = heard.all().filter((event) => event.type === 'forwarding' && event.on)
    expect(on).toEqual([{ type: 'forwarding', link: 'theirs', family: 4, on: true }])
  })

  test('puts nothing back once another program has made a router of the host', async (world) => {
    const wanted = sysctl(of(4, 'theirs', 'forwarding'), '1', '0')
    await world.others.addBridge('theirs')
    await world.others.writeSysctl(wanted.name, '0')
    await add(world, wanted)
    await world.others.writeSysctl('net/ipv4/ip_forward', '1')
    await remove(world, wanted)
    expect(await world.others.readSysctl(wanted.name)).toBe('1')
  })
}
