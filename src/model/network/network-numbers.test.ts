import { describe, expect, it } from 'vitest'
import { MemoryRig } from '../../../test/support/memory-rig.ts'
import type { NetworkId } from '../../base/id.ts'
import type { HostView, Kernel } from '../../kernel/kernel.ts'
import { NETWORK_NUMBERS, portGroup } from '../../kernel/link-groups.ts'
import type { Resource, VethResource } from '../../kernel/resource.ts'
import { createController, type LocalController } from '../controller.ts'
import { NetworkNumbers } from './network-numbers.ts'

const id = (text: string) => text as NetworkId
const nothing = { links: [] } as unknown as HostView
const numberOf = async (cnm: LocalController, name: string) =>
  (await cnm.network(name).inspect()).number

describe('numbers', () => {
  it('go up, come round, and leave out what others have', () => {
    const numbers = new NetworkNumbers()
    const { first, last } = NETWORK_NUMBERS
    numbers.goOnAfter(last - 1)
    expect(numbers.hold(first, id('a'))).toBe(true)
    const links = [{ portOf: first + 1 }] as unknown as HostView['links']
    const next = () => numbers.take(id('b'), { ...nothing, links })
    expect([next(), next()]).toEqual([last, first + 2])
    numbers.release(last)
    expect(next()).toBe(first + 3)
  })

  it('are of one network each', () => {
    const numbers = new NetworkNumbers()
    expect([numbers.hold(7, id('a')), numbers.hold(7, id('a'))]).toEqual([true, true])
    expect(numbers.hold(7, id('b'))).toBe(false)
  })

  it('come to an end', () => {
    const numbers = new NetworkNumbers()
    const { first, last } = NETWORK_NUMBERS
    const all = Array.from({ length: last }, () => numbers.take(id('a'), nothing))
    expect(new Set(all).size).toBe(last - first + 1)
    expect(() => numbers.take(id('a'), nothing)).toThrow(`there are ${last} networks`)
  })
})

describe('a network', () => {
  it('has a number of its own, for ever, and no other has it soon after', async () => {
    const rig = new MemoryRig()
    const cnm = await rig.start()
    const names = ['a', 'b', 'c', 'd']
    await Promise.all(names.map((name) => cnm.createNetwork({ name })))
    const numbers = await Promise.all(names.map((name) => numberOf(cnm, name)))
    expect(new Set(numbers).size).toBe(4)
    await cnm.network('d').delete()
    await cnm.close()
    const again = await rig.start()
    const later = await Promise.all(names.slice(0, 3).map((name) => numberOf(again, name)))
    expect(later).toEqual(numbers.slice(0, 3))
    await again.createNetwork({ name: 'e' })
    expect(numbers).not.toContain(await numberOf(again, 'e'))
    await expect(again.createNetwork({ name: 'f', subnets: ['10.0.0.0/33'] })).rejects.toThrow()
    await again.close()
  })

  it('does not get that of unknown ports', async () => {
    const rig = new MemoryRig()
    const bridge: Resource = { kind: 'bridge', name: 'br-left', origin: 'own', ipv6: false }
    const peer = { name: 'p', mac: '02:00:00:00:00:01' as never, ipv6: false }
    const group = portGroup(1)
    const port: Resource = { kind: 'veth', name: 'v', bridge: 'br-left', group, mtu: 1500, peer }
    await rig.kernel.apply({ remove: [], add: [bridge, port] })
    const cnm = await rig.start()
    await cnm.createNetwork({ name: 'a' })
    expect(await numberOf(cnm, 'a')).toBe(2)
    await cnm.close()
  })

  it('that has the number of another gets a new one at the start', async () => {
    const rig = new MemoryRig()
    const cnm = await rig.start()
    for (const name of ['a', 'b']) await cnm.createNetwork({ name })
    await cnm.createSandbox({ connect: [{ network: 'b' }] })
    await cnm.close()
    edit(rig, (text) => text.replaceAll('"number":2', '"number":1'))
    const again = await rig.start()
    expect([await numberOf(again, 'a'), await numberOf(again, 'b')]).toEqual([1, 3])
    expect(portsOf(rig)).toEqual([expect.stringContaining('group cnm-3 ')])
    await again.close()
  })

  it('of an earlier version gets one at the start, and its ports are in their group before the tables change', async () => {
    const rig = new MemoryRig()
    const cnm = await rig.start()
    for (const name of ['a', 'b']) await cnm.createNetwork({ name })
    await cnm.createSandbox({ name: 's', connect: [{ network: 'a' }, { network: 'b' }] })
    await cnm.close()
    edit(rig, (text) => text.replaceAll(/,"(number|group)":\d+/g, ''))
    rig.contents.delete('engine/numbers')
    const ports = (await resourcesOf(rig)).filter((it): it is VethResource => it.kind === 'veth')
    await rig.kernel.apply({ remove: ports, add: ports })
    expect(portsOf(rig).filter((line) => / group cnm /.test(line))).toHaveLength(2)

    const changes: string[] = []
    const parts = rig.parts()
    const kernel = observed(parts.kernel, changes)
    const again = await createController({ ...parts, kernel })
    expect(changes.slice(0, 2)).toEqual(['veth veth', expect.stringContaining('table')])
    expect(groupsOf(rig)).toEqual(['cnm-1', 'cnm-2'])
    expect([await numberOf(again, 'a'), await numberOf(again, 'b')]).toEqual([1, 2])
    expect(await again.doctor()).toEqual([])
    await again.close()
    const stays = await rig.start()
    expect([await numberOf(stays, 'a'), await numberOf(stays, 'b')]).toEqual([1, 2])
    await stays.close()
  })
})

/** Of every change, what is added. */
function observed(kernel: Kernel, changes: string[]): Kernel {
  return new Proxy(kernel, {
    get(target, key, receiver) {
      if (key !== 'apply') return Reflect.get(target, key, receiver)
      return async (change: Parameters<Kernel['apply']>[0]) => {
        changes.push(change.add.map(({ kind }) => kind).join(' '))
        return target.apply(change)
      }
    },
  })
}

function edit(rig: MemoryRig, change: (text: string) => string): void {
  for (const [key, text] of rig.contents) rig.contents.set(key, change(text))
}

async function resourcesOf(rig: MemoryRig): Promise<Resource[]> {
  return [...rig.contents.values()].flatMap((text) => JSON.parse(text).value?.resources ?? [])
}

function groupsOf(rig: MemoryRig): string[] {
  return portsOf(rig)
    .map((line) => / group (\S+)/.exec(line)![1]!)
    .sort()
}

function portsOf(rig: MemoryRig): string[] {
  return rig.kernel
    .lines()
    .filter((line) => line.includes('type veth peer'))
    .sort()
}
