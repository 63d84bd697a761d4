import { afterEach, expect, it, vi } from 'vitest'
import { MemoryRig } from '../../test/support/memory-rig.ts'
import type { Cidr, IpAddress } from '../address/address.ts'
import type { PortHolder } from '../kernel/kernel.ts'
import { memoryKernel } from '../kernel/memory/index.ts'

afterEach(() => {
  vi.useRealTimers()
})

/** Waits until everything that was under way has come to its end, with the clock standing still. */
async function pass(ms: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms)
  for (let n = 0; n < 50; n += 1) await new Promise((resolve) => setImmediate(resolve))
}

function stoppedClock(): void {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] })
}

const asked = (rig: MemoryRig) => rig.kernel.lines().filter((line) => /DOCKER-USER/.test(line))

it('asks where another program can be asked, in families that networks have', async () => {
  const rig = new MemoryRig()
  rig.kernel.addUserChain('ip')
  rig.kernel.addUserChain('ip6')
  await using cnm = await rig.start()
  const before = rig.snapshot()
  const four = await cnm.createNetwork({ name: 'four' })
  expect(asked(rig)).toEqual([expect.stringMatching(/^iptables -A/)])
  const six = await cnm.createNetwork({ name: 'six', ipv4: false, ipv6: true, internal: true })
  expect(asked(rig)).toHaveLength(2)
  await four.delete()
  expect(asked(rig)).toEqual([expect.stringMatching(/^ip6tables -A/)])
  await six.delete()
  expect(rig.snapshot()).toEqual(before)
})

it('asks nothing if it is told so', async () => {
  const rig = new MemoryRig()
  rig.kernel.addUserChain('ip')
  await using cnm = await rig.start(undefined, undefined, 'off')
  await cnm.createNetwork({ name: 'web' })
  expect(asked(rig)).toEqual([])
  expect(await cnm.doctor()).toEqual([])
})

it('takes back what an earlier life has asked, if it is told so', async () => {
  const rig = new MemoryRig()
  rig.kernel.addUserChain('ip')
  const first = await rig.start()
  await first.createNetwork({ name: 'web' })
  await first.close()
  expect(asked(rig)).toHaveLength(1)
  await using _ = await rig.start(undefined, undefined, 'off')
  expect(asked(rig)).toEqual([])
})

it('puts back what others take, a few times, and tries again after a minute', async () => {
  const rig = new MemoryRig()
  rig.kernel.addUserChain('ip')
  await using cnm = await rig.start()
  await cnm.createNetwork({ name: 'web' })
  stoppedClock()
  for (let n = 0; n < 5; n += 1) {
    rig.kernel.flushUserChain('ip')
    await pass(100)
    expect(asked(rig)).toHaveLength(1)
  }
  for (let n = 0; n < 3; n += 1) {
    rig.kernel.flushUserChain('ip')
    await pass(100)
    expect(asked(rig)).toEqual([])
  }
  expect(rig.problems.map(String)).toEqual([expect.stringContaining('consent:ip')])
  await pass(60_000)
  await pass(100)
  expect(asked(rig)).toHaveLength(1)
  expect(rig.problems).toHaveLength(1)
})

it('lets each thing have its own tries', async () => {
  const rig = new MemoryRig()
  rig.kernel.addUserChain('ip')
  await using cnm = await rig.start()
  await cnm.createNetwork({ name: 'web' })
  const uplink = 'net/ipv4/conf/uplink/forwarding'
  stoppedClock()
  for (let n = 0; n < 6; n += 1) {
    rig.kernel.flushUserChain('ip')
    await pass(100)
  }
  rig.kernel.writeSysctl(uplink, '0')
  await pass(100)
  expect(rig.kernel.readSysctl(uplink)).toBe('1')
})

it('doctor tells what others do to us, and what would mend it', async () => {
  const rig = new MemoryRig()
  await using cnm = await rig.start()
  const obstacle = { where: 'there', detail: 'there nothing passes', remedy: 'make room' }
  rig.kernel.addObstacle(obstacle)
  const { where: _, ...told } = obstacle
  const finding = { kind: 'blocked', mended: false, ...told }
  expect(await cnm.doctor()).toEqual([finding])
  // It isn't ours to be mended.
  expect(await cnm.doctor({ fix: true })).toEqual([finding])
})

it('doctor tells who listens at a published port', async () => {
  // On a machine that can't keep others from it.
  const heard: PortHolder[] = []
  const rig = new MemoryRig({ ...memoryKernel(), holders: async () => heard })
  await using cnm = await rig.start()
  await cnm.createNetwork({ name: 'web' })
  await cnm.createSandbox({ connect: [{ network: 'web', publish: ['8080:80'] }] })
  expect(await cnm.doctor()).toEqual([])
  const address = '192.0.2.1' as IpAddress
  heard.push({ protocol: 'tcp', address, port: 8080, pid: 812, process: 'nginx' })
  // Our own relays and reservations are no strangers.
  heard.push({ protocol: 'tcp', address, port: 8080, pid: process.pid, process: 'node' })
  expect(await cnm.doctor()).toEqual([
    {
      kind: 'shadowed',
      detail:
        "nginx (pid 812) listens at 192.0.2.1 port 8080/tcp, which is published: it doesn't hear what comes in there",
      mended: false,
    },
  ])
})

/** A host with two links besides the bridge, of which one believes routers. */
function hostWithoutForce(): MemoryRig {
  const rig = new MemoryRig(memoryKernel({ forceForwarding6: false }))
  rig.kernel.writeSysctl('net/ipv6/conf/uplink/accept_ra', '1')
  rig.kernel.addLink({ name: 'lan', addresses: ['fd00:9::1/64' as Cidr] })
  return rig
}

const sysctls6 = (rig: MemoryRig) =>
  rig.kernel.lines().filter((line) => /^sysctl .*ipv6.*(forwarding|accept_ra)/.test(line))

it('forwards IPv6 as a whole where it must, guarded, and undoes that', async () => {
  const rig = hostWithoutForce()
  await using cnm = await rig.start()
  const before = rig.snapshot()
  const make = (name: string) => cnm.createNetwork({ name, ipv6: true })
  const web = await make('web')
  expect(sysctls6(rig)).toEqual([
    'sysctl -w net/ipv6/conf/all/forwarding=1',
    'sysctl -w net/ipv6/conf/uplink/accept_ra=2',
  ])
  const guarded = rig.kernel.lines().filter((line) => /inet cnm uplinks \{ ipv6/.test(line))
  expect(guarded.map((line) => /ipv6 \. \S+/.exec(line)?.[0])).toEqual([
    'ipv6 . lan',
    'ipv6 . uplink',
  ])
  // The second one sees the same host, though it forwards by now.
  const second = await make('second')
  await web.delete()
  expect(sysctls6(rig)).toHaveLength(2)
  await second.delete()
  expect(rig.snapshot()).toEqual(before)
})

it('takes forwarding for its own in the next life, with records or without', async () => {
  const rig = hostWithoutForce()
  const first = await rig.start()
  await first.createNetwork({ name: 'web', ipv6: true })
  await first.close()
  const { machine } = rig.snapshot()
  const second = await rig.start()
  expect(rig.snapshot().machine).toEqual(machine)
  await second.close()
  for (const [key, text] of rig.contents) {
    if (JSON.parse(text).kind !== 'network') rig.contents.delete(key)
  }
  await using third = await rig.start()
  expect(sysctls6(rig)).toContain('sysctl -w net/ipv6/conf/all/forwarding=1')
  await third.network('web').delete()
  expect(sysctls6(rig)).not.toContain('sysctl -w net/ipv6/conf/all/forwarding=1')
})

it('leaves a host alone that is a router by its own will', async () => {
  const rig = hostWithoutForce()
  rig.kernel.writeSysctl('net/ipv4/ip_forward', '1')
  rig.kernel.writeSysctl('net/ipv4/conf/uplink/forwarding', '1')
  rig.kernel.writeSysctl('net/ipv6/conf/all/forwarding', '1')
  // Another program has taken that one out.
  rig.kernel.writeSysctl('net/ipv4/conf/lan/forwarding', '0')
  rig.kernel.addAddress('lan', '10.9.0.1/16' as Cidr)
  await using cnm = await rig.start()
  await cnm.createNetwork({ name: 'web', ipv6: true })
  expect(rig.kernel.lines().filter((line) => / element .* uplinks \{/.test(line))).toEqual([])
  expect(rig.kernel.readSysctl('net/ipv4/conf/lan/forwarding')).toBe('0')
  expect(rig.kernel.readSysctl('net/ipv6/conf/uplink/accept_ra')).toBe('1')
})
