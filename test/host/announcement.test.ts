import { describe, expect, it } from 'vitest'
import type { IpAddress, MacAddress } from '#dist/address/address.js'
import type { AnnouncementResource, Resource } from '#dist/kernel/resource.js'
import { Capture } from '../support/capture.ts'
import { pings } from '../support/echo.ts'
import { add, type KernelRig, kernelRig, network, port, remove } from '../support/kernel-rig.ts'
import { run } from '../support/run.ts'

/** The sandbox that is told of. */
const mac = '02:00:00:07:00:02' as MacAddress
const address4 = '10.7.0.2'
const address6 = 'fd00:7::2'

const told = `${mac} > `
const saysSo4 = `who-has ${address4} tell ${address4}`
const saysSo6 = `tgt is ${address6}`

interface Scene extends AsyncDisposable {
  readonly rig: KernelRig
  /** Sees all that is told in the network. */
  readonly capture: Capture
  readonly neighbour: string
}

/** A network with one sandbox that listens. */
async function scene(): Promise<Scene> {
  const rig = await kernelRig()
  try {
    const { path: neighbour } = rig.box('neighbour')
    await add(rig.kernel, ...network('br-a', 7, true), ...sandbox(rig, 'neighbour', 9))
    const filter = 'arp or (icmp6 and ip6[40] == 136 and ip6 dst ff02::1)'
    const capture = await Capture.open(neighbour, 'eth0', filter)
    return {
      rig,
      capture,
      neighbour,
      async [Symbol.asyncDispose]() {
        await capture[Symbol.asyncDispose]()
        await rig[Symbol.asyncDispose]()
      },
    }
  } catch (error) {
    await rig[Symbol.asyncDispose]()
    throw error
  }
}

function sandbox(rig: KernelRig, name: string, number: number): Resource[] {
  const namespace = rig.box(name)
  return [
    { kind: 'namespace', namespace },
    ...port({ namespace, name: `v-${name}`, bridge: 'br-a', n: 7, number, ipv6: true }),
  ]
}

function announcement(
  rig: KernelRig,
  address: string,
  times: number,
  intervalMs: number,
): AnnouncementResource {
  const place = { namespace: rig.box('box'), link: 'eth0', mac }
  return { kind: 'announcement', ...place, address: address as IpAddress, times, intervalMs }
}

const saysTime = 'who-has 10.7.0.8 tell 10.7.0.8'

/**
 * Resolves when an announcement that began now has been repeated after `intervalMs`, twice: so long
 * after whatever else there was to be told within that time.
 */
async function passTime({ rig, capture }: Scene, intervalMs: number): Promise<void> {
  const before = capture.packets(saysTime).length
  const namespace = rig.box('clock')
  const announced = { ...announcement(rig, '10.7.0.8', 3, intervalMs), namespace }
  const clock: MacAddress = '02:00:00:07:00:08' as MacAddress
  await add(rig.kernel, ...sandbox(rig, 'clock', 8), { ...announced, mac: clock })
  await capture.until(saysTime, before + 3)
}

describe('an announcement', () => {
  it('is heard as often as it should be, byte by byte', async () => {
    await using it = await scene()
    const { rig, capture } = it
    await add(
      rig.kernel,
      ...sandbox(rig, 'box', 2),
      announcement(rig, address4, 3, 50),
      announcement(rig, address6, 2, 50),
    )
    await capture.until(saysSo4, 3)
    await capture.until(saysSo6, 2)
    await passTime(it, 100)
    const arp = `${told}ff:ff:ff:ff:ff:ff, ethertype ARP (0x0806), length 42: Ethernet (len 6), IPv4 (len 4), Request ${saysSo4}, length 28`
    const advertisement = `${told}33:33:00:00:00:01, ethertype IPv6 (0x86dd), length 86: (hlim 255, next-header ICMPv6 (58) payload length: 32) ${address6} > ff02::1: [icmp6 sum ok] ICMP6, neighbor advertisement, length 32, ${saysSo6}, Flags [override] destination link-address option (2), length 8 (1): ${mac}`
    expect(capture.packets(saysSo4)).toEqual([arp, arp, arp])
    const chance = /flowlabel \w+, | 0x0000:.*/g
    const heard = capture.packets(saysSo6).map((packet) => packet.replace(chance, ''))
    expect(heard).toEqual([advertisement, advertisement])
  })

  it('leaves nothing behind in the sandbox', async () => {
    await using it = await scene()
    const { rig, capture } = it
    await add(rig.kernel, ...sandbox(rig, 'box', 2), announcement(rig, address4, 2, 20))
    await capture.until(saysSo4, 2)
    const list = ['ip', 'neigh', 'show', 'nud', 'all', 'to', address4] as const
    expect(await rig.host.inside(rig.box('box').path, list)).toBe('')
  })

  it.each([address4, address6])('corrects what others know of %s, at once', async (address) => {
    await using it = await scene()
    const { rig, neighbour } = it
    const neigh = ['ip', 'neigh', 'replace', address, 'lladdr', '02:00:00:00:00:99'] as const
    await rig.host.inside(neighbour, [...neigh, 'dev', 'eth0', 'nud', 'reachable'])
    await add(rig.kernel, ...sandbox(rig, 'box', 2))
    expect(await pings(neighbour, address)).toBe(false)
    // Hours later, were it to be repeated.
    await add(rig.kernel, announcement(rig, address, 3, 3_600_000))
    expect(await pings(neighbour, address)).toBe(true)
  })

  it('is not repeated once it is removed, or its link or its sandbox', async () => {
    await using it = await scene()
    const { rig, capture } = it
    const removals: ((all: readonly Resource[], mine: Resource) => Promise<unknown>)[] = [
      (_, mine) => remove(rig.kernel, mine),
      (all) => remove(rig.kernel, ...all.filter(({ kind }) => kind === 'veth')),
      (all) => remove(rig.kernel, ...all.filter(({ kind }) => kind === 'address')),
      (all) => remove(rig.kernel, ...all),
      () => rig.host.inside(rig.box('box').path, changeMac),
    ]
    for (const removal of removals) {
      const all = sandbox(rig, 'box', 2)
      const mine = announcement(rig, address4, 3, 1000)
      const before = capture.packets(saysSo4).length
      await add(rig.kernel, ...all, mine)
      await removal(all, mine)
      await passTime(it, 550)
      expect(capture.packets(saysSo4), String(removal)).toHaveLength(before + 1)
      await remove(rig.kernel, mine, ...all)
    }
    await rig.kernel.settled()
    expect((await rig.links()).sort()).toEqual(['br-a', 'v-clock', 'v-neighbour'])
  })

  it('is not repeated if its change fails, and those before it are', async () => {
    await using it = await scene()
    const { rig, capture } = it
    await add(rig.kernel, ...sandbox(rig, 'box', 2))
    const [old, fresh] = [announcement(rig, address4, 3, 250), announcement(rig, address6, 3, 250)]
    await add(rig.kernel, old)
    const bad: Resource = { ...fresh, namespace: rig.box('none') }
    const failure = rig.kernel.apply({ remove: [old], add: [fresh, bad] })
    await expect(failure).rejects.toMatchObject({ code: 'NAMESPACE_NOT_FOUND' })
    await capture.until(saysSo4, 3)
    await passTime(it, 150)
    expect(capture.packets(saysSo6)).toHaveLength(1)
  })

  it('needs a sandbox, and nothing else: what can not be said is no failure', async () => {
    await using rig = await kernelRig()
    const failure = add(rig.kernel, announcement(rig, address4, 3, 10))
    await expect(failure).rejects.toMatchObject({ code: 'NAMESPACE_NOT_FOUND' })
    await add(rig.kernel, { kind: 'namespace', namespace: rig.box('box') })
    await add(rig.kernel, announcement(rig, address4, 3, 10), announcement(rig, address6, 3, 10))
  })

  it('keeps no program alive', async () => {
    await using rig = await kernelRig()
    await add(rig.kernel, ...network('br-a', 7), ...sandbox(rig, 'box', 2))
    const door = new URL('../../dist/kernel/linux/index.js', import.meta.url).href
    const change = { remove: [], add: [announcement(rig, address4, 3, 60_000)] }
    const source = `
      import { linuxKernel } from '${door}'
      const kernel = await linuxKernel({ host: '${rig.host.netns}' })
      await kernel.apply(${JSON.stringify(change)})
      console.log('done')`
    expect(await run([process.execPath, '--input-type=module', '-e', source])).toBe('done\n')
  })
})

const changeMac = ['ip', 'link', 'set', 'eth0', 'address', '02:00:00:00:00:77'] as const
