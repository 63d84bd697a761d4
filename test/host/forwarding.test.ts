import { join } from 'node:path'
import { expect, it, vi } from 'vitest'
import { bridge } from '#dist/driver/bridge/bridge.js'
import { local } from '#dist/ipam/local/local.js'
import { linuxKernel } from '#dist/kernel/linux/index.js'
import { createController, type LocalController } from '#dist/model/controller.js'
import { memory } from '#dist/store/memory/memory.js'
import { pings } from '../support/echo.ts'
import { reaches } from '../support/engine-rig.ts'
import { type ThrowAwayHost, throwAwayHost, uplink } from '../support/host.ts'
import { keeperOf } from '../support/kernel-rig.ts'
import { advertise } from '../support/router-advertisement.ts'

// Kernels that can forward IPv6 for single links, and those that can't.
const modes = [{ forceForwarding: true }, { forceForwarding: false }]

interface Scene extends AsyncDisposable {
  readonly host: ThrowAwayHost
  readonly cnm: LocalController
  readonly problems: unknown[]
}

async function scene(options: {
  readonly internet: boolean
  readonly forceForwarding?: boolean
  readonly before?: (host: ThrowAwayHost) => Promise<void>
}): Promise<Scene> {
  const { internet, forceForwarding = true, before = async () => {} } = options
  const host = await throwAwayHost({ internet })
  try {
    await before(host)
    const namespaceDir = join(host.folder, 'netns')
    const problems: unknown[] = []
    const cnm = await createController({
      kernel: await linuxKernel({ host: host.netns, keeper: keeperOf(host), forceForwarding }),
      store: memory(new Map()),
      drivers: [bridge()],
      ipams: [local({ seed: 'test' })],
      namespaceDir,
      sandboxDir: join(host.folder, 'sandboxes'),
      onProblem: (problem) => problems.push(problem),
    })
    const dispose = async () => {
      await cnm.close()
      await host[Symbol.asyncDispose]()
    }
    return { host, cnm, problems, [Symbol.asyncDispose]: dispose }
  } catch (error) {
    await host[Symbol.asyncDispose]()
    throw error
  }
}

/** A link of the host's to another namespace, with a machine in it that knows the way by us. */
async function addLan(host: ThrowAwayHost, addresses = true): Promise<string> {
  const path = await host.createNamespace('lan')
  await host.ip(`link add lan up type veth peer name eth0 netns ${path}`)
  const inside = [
    'addr add 203.0.113.2/24 dev eth0',
    'addr add 2001:db8:1::2/64 dev eth0 nodad',
    'link set eth0 up',
    'route add default via 203.0.113.1',
    'route add default via 2001:db8:1::1',
  ]
  await host.inside(path, ['ip', '-batch', '-'], { input: inside.join('\n') })
  if (addresses) await addLanAddresses(host)
  return path
}

async function addLanAddresses(host: ThrowAwayHost): Promise<void> {
  await host.ip('addr add 203.0.113.1/24 dev lan')
  await host.ip('addr add 2001:db8:1::1/64 dev lan nodad')
}

async function addBox(cnm: LocalController) {
  await cnm.createNetwork({ name: 'web', ipv6: true })
  return cnm.createSandbox({ name: 'box', connect: [{ network: 'web' }] })
}

const bridgeOf = (cnm: LocalController) => `br-${cnm.now.network('web').id.slice(0, 10)}`

async function sysctl(host: ThrowAwayHost, name: string): Promise<string> {
  return (await host.sh(`cat /proc/sys/net/${name}`)).trim()
}

async function within(check: () => Promise<void>, ms = 5000): Promise<void> {
  await vi.waitFor(check, { timeout: ms, interval: 20 })
}

it.each(modes)('every link with an address leads outwards ($forceForwarding)', async (mode) => {
  await using it = await scene({
    internet: false,
    ...mode,
    before: async (host) => void (await addLan(host)),
  })
  const box = await addBox(it.cnm)
  expect(await reaches(box, '203.0.113.2')).toBe(true)
  expect(await reaches(box, '2001:db8:1::2')).toBe(true)
  expect(await it.cnm.doctor()).toEqual([])
})

it.each(modes)('so does one that gets its address later ($forceForwarding)', async (mode) => {
  await using it = await scene({ internet: true, ...mode })
  const box = await addBox(it.cnm)
  await addLan(it.host, false)
  await addLanAddresses(it.host)
  await within(async () => expect(await reaches(box, '203.0.113.2')).toBe(true), 8000)
  await within(async () => expect(await reaches(box, '2001:db8:1::2')).toBe(true), 8000)
  expect(await it.cnm.doctor()).toEqual([])
  // And what goes with it is forgotten with it.
  await it.host.ip('link del lan')
  await within(async () => expect(await it.cnm.doctor()).toEqual([]))
})

it.each(modes)('the host routes for nobody else ($forceForwarding)', async (mode) => {
  let lan = ''
  await using it = await scene({
    internet: true,
    ...mode,
    before: async (host) => {
      lan = await addLan(host)
      const inside = (args: string) => host.inside(host.internet, ['ip', ...args.split(' ')])
      await inside(`route add 203.0.113.0/24 via ${uplink.address4}`)
      await inside(`route add 2001:db8:1::/64 via ${uplink.address6}`)
    },
  })
  const box = await addBox(it.cnm)
  const others = [
    ...[uplink.gateway4, uplink.gateway6].map((to) => ({ from: lan, to })),
    ...['203.0.113.2', '2001:db8:1::2'].map((to) => ({ from: it.host.internet, to })),
  ]
  // All at once: that nothing comes back takes its time.
  await Promise.all(
    others.map(async ({ from, to }) => {
      expect(await reaches(box, to)).toBe(true)
      expect(await pings(from, to), `${from} to ${to}`).toBe(false)
    }),
  )
  // Until somebody says it shall.
  await it.host.sh('sysctl -qw net.ipv4.ip_forward=1')
  await within(async () => expect(await pings(lan, uplink.gateway4)).toBe(true), 8000)
  expect(await reaches(box, uplink.gateway4)).toBe(true)
  // Then it stays so when we are gone.
  await box.delete()
  await it.cnm.network('web').delete()
  expect(await pings(lan, uplink.gateway4)).toBe(true)
  expect(await pings(lan, uplink.gateway6)).toBe(false)
})

it.each(modes)('what was switched on is switched off again ($forceForwarding)', async (mode) => {
  await using it = await scene({ internet: true, ...mode })
  const read = () =>
    it.host.sh('sysctl -a 2>/dev/null | grep -E "conf.(all|uplink).(.*forwarding|accept_ra) "')
  const before = await read()
  const box = await addBox(it.cnm)
  expect(await read()).not.toBe(before)
  await box.delete()
  await it.cnm.network('web').delete()
  expect(await read()).toBe(before)
})

it.each(modes)('puts back forwarding that somebody clears ($forceForwarding)', async (mode) => {
  await using it = await scene({ internet: true, ...mode })
  const box = await addBox(it.cnm)
  const name = bridgeOf(it.cnm)
  const on6 = mode.forceForwarding
    ? [`ipv6/conf/${name}/force_forwarding`, 'ipv6/conf/uplink/force_forwarding']
    : ['ipv6/conf/all/forwarding']
  for (const path of [`ipv4/conf/${name}/forwarding`, 'ipv4/conf/uplink/forwarding', ...on6]) {
    await it.host.sh(`echo 0 > /proc/sys/net/${path}`)
    await within(async () => expect([path, await sysctl(it.host, path)]).toEqual([path, '1']))
  }
  // All at once.
  await it.host.sh('sysctl -qw net.ipv4.ip_forward=1 net.ipv4.ip_forward=0')
  await within(async () => {
    expect(await sysctl(it.host, `ipv4/conf/${name}/forwarding`)).toBe('1')
    expect(await sysctl(it.host, 'ipv4/conf/uplink/forwarding')).toBe('1')
  })
  expect(await reaches(box, uplink.gateway4)).toBe(true)
  expect(await reaches(box, uplink.gateway6)).toBe(true)
  expect(await it.cnm.doctor()).toEqual([])
  expect(it.problems).toEqual([])
})

it('does not fight for it: after some tries it tells', async () => {
  await using it = await scene({ internet: false })
  await addBox(it.cnm)
  const path = `ipv4/conf/${bridgeOf(it.cnm)}/forwarding`
  for (let n = 0; n < 6; n += 1) {
    await within(async () => expect(await sysctl(it.host, path)).toBe('1'))
    await it.host.sh(`echo 0 > /proc/sys/net/${path}`)
  }
  await within(async () => expect(it.problems).toHaveLength(1))
  expect(String(it.problems[0])).toContain(path)
  expect(await sysctl(it.host, path)).toBe('0')
  await it.cnm.doctor({ fix: true })
  expect(await sysctl(it.host, path)).toBe('1')
})

interface Route6 {
  readonly protocol: string
  readonly gateway: string
  readonly expires: number
}

it.each(modes)('a host goes on to believe its router ($forceForwarding)', async (mode) => {
  await using it = await scene({
    internet: false,
    ...mode,
    before: async (host) => {
      const path = await host.createNamespace('router')
      await host.inside(path, ['sh', '-c', 'echo 1 > /proc/sys/net/ipv6/conf/all/forwarding'])
      await host.ip(`link add uplink up type veth peer name downlink netns ${path}`)
      const inside = [
        'link set downlink addrgenmode none',
        'link set downlink up',
        'addr add fe80::1/64 dev downlink nodad',
      ]
      await host.inside(path, ['ip', '-batch', '-'], { input: inside.join('\n') })
    },
  })
  const { host, cnm } = it
  const router = join(host.folder, 'router')
  const defaults = () => host.ip<Route6[]>('-j -6 route show default')
  const hears = async (lifetimeS: number) => {
    await within(async () => {
      advertise(router, 'downlink', '2001:db8:2::', lifetimeS)
      const [route, ...rest] = await defaults()
      expect(rest).toEqual([])
      expect(route).toMatchObject({ protocol: 'ra', gateway: 'fe80::1' })
      expect(Math.abs(Number(route?.expires) - lifetimeS)).toBeLessThan(100)
    })
  }
  await hears(1800)
  const box = await addBox(cnm)
  expect(await defaults()).toHaveLength(1)
  await hears(3600)
  // Its own address there is from the router, too.
  await host.inside(router, ['ip', 'addr', 'add', '2001:db8:2::1/64', 'dev', 'downlink', 'nodad'])
  // As soon as the host has made sure that its own is nobody else's.
  await within(async () => expect(await reaches(box, '2001:db8:2::1')).toBe(true), 8000)
  await box.delete()
  await cnm.network('web').delete()
  expect(await defaults()).toHaveLength(1)
  await hears(1800)
  expect(await sysctl(host, 'ipv6/conf/uplink/accept_ra')).toBe('1')
  expect(await sysctl(host, 'ipv6/conf/all/forwarding')).toBe('0')
})
