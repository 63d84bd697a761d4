import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, stat } from 'node:fs/promises'
import { expect, it, vi } from 'vitest'
import type { LocalController } from '#dist/linux/library.js'
import { addressOf, engineRig, expectReached, reaches, type Way } from '../support/engine-rig.ts'
import { uplink } from '../support/host.ts'

const both = { ipv6: true }
const families = ['ipv4', 'ipv6'] as const

/** Whether br_netfilter lets bridged packets pass the rules for routed ones, too. */
function callIptables(call: number): string {
  return `for f in iptables ip6tables; do echo ${call} > /proc/sys/net/bridge/bridge-nf-call-$f; done`
}

it('lets one network talk, in both families, and keeps networks apart', async () => {
  await using rig = await engineRig()
  const cnm = await rig.start()
  for (const name of ['web', 'back']) await cnm.createNetwork({ name, ...both })
  const make = (name: string, ...networks: string[]) =>
    cnm.createSandbox({ name, connect: networks.map((network) => ({ network })) })
  const [a, b, c] = [await make('a', 'web'), await make('b', 'web'), await make('c', 'back')]
  const joined = await make('both', 'web', 'back')
  await expectReached(
    ...families.flatMap((family): Way[] => [
      [a, addressOf(b, family), true],
      [joined, addressOf(a, family), true],
      [joined, addressOf(c, family), true],
      [a, addressOf(c, family), false],
      [c, addressOf(a, family), false],
      [a, addressOf(joined, family, 1), false],
    ]),
  )
  await (await a.endpoints())[0]?.leave()
  await cnm.settled()
  expect((await a.exec(['ip', '-o', 'link'])).stdout.trim().split('\n')).toHaveLength(1)
})

it('an IPv6 address answers at once, the first of its network too', async () => {
  await using rig = await engineRig()
  const cnm = await rig.start()
  await cnm.createNetwork({ name: 'six', ipv4: false, ipv6: true })
  const box = await cnm.createSandbox({ connect: [{ network: 'six' }] })
  const [, state] = (
    await box.exec(['ip', '-6', '-o', 'addr', 'show', 'scope', 'global'])
  ).stdout.split('global')
  expect(state).not.toContain('tentative')
  const gateway = (await cnm.network('six').inspect()).ipv6?.gateway
  expect(await reaches(box, gateway)).toBe(true)
})

it.each([0, 1])(
  'carries no IPv6 on an IPv4 network, whatever a sandbox does (call-iptables %i)',
  async (call) => {
    await using rig = await engineRig()
    await rig.host.sh(callIptables(call))
    const cnm = await rig.start()
    await cnm.createNetwork({ name: 'four' })
    const make = () => cnm.createSandbox({ connect: [{ network: 'four' }] })
    const [a, b] = [await make(), await make()]
    expect((await a.exec(['ip', '-6', 'addr', 'show', 'dev', 'eth0'])).stdout).toBe('')
    // Root inside can switch it on and give itself an address; it gets no further than its own port.
    for (const [box, address] of [
      [a, 'fd00::a/64'],
      [b, 'fd00::b/64'],
    ] as const) {
      await box.exec(['sh', '-c', 'echo 0 > /proc/sys/net/ipv6/conf/eth0/disable_ipv6'])
      const { code } = await box.exec(['ip', 'addr', 'add', address, 'dev', 'eth0', 'nodad'])
      expect(code).toBe(0)
    }
    await expectReached([a, 'fd00::b', false], [a, await addressOf(b), true])
  },
)

it('takes sandboxes outside behind the host address, and lets nobody in', async () => {
  await using rig = await engineRig({ internet: true })
  const cnm = await rig.start()
  const web = await cnm.createNetwork({ name: 'web', ...both })
  const box = await cnm.createSandbox({ connect: [{ network: 'web' }] })
  // The internet has no route to our subnets, so an answer proves the masquerade.
  expect(await reaches(box, uplink.gateway4)).toBe(true)
  expect(await reaches(box, uplink.gateway6)).toBe(true)
  const inside = (argv: string) => rig.host.inside(rig.host.internet, argv.split(' ') as [string])
  await inside(`ip route add ${(await web.inspect()).ipv4?.subnet} via ${uplink.address4}`)
  await inside(`ip route add ${(await web.inspect()).ipv6?.subnet} via ${uplink.address6}`)
  await Promise.all(
    families.map(async (family) =>
      expect(inside(`ping -c1 -W1 ${await addressOf(box, family)}`)).rejects.toThrow(),
    ),
  )
})

it('lets nobody send with the address of another, whatever rp_filter says', async () => {
  await using rig = await engineRig({ internet: true })
  const { host } = rig
  await host.sh('for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 > $f; done')
  const cnm = await rig.start()
  await cnm.createNetwork({ name: 'web', ...both })
  const box = await cnm.createSandbox({ connect: [{ network: 'web' }] })
  const seen = ['ip saddr 192.0.2.9', 'ip6 saddr 2001:db8:9::9']
  const nft = ['add table inet t', 'add chain inet t in { type filter hook input priority 0; }']
  for (const match of seen) nft.push(`add rule inet t in ${match} counter`)
  await host.inside(host.internet, ['nft', '-f', '-'], { input: nft.join('\n') })
  for (const address of ['192.0.2.9/32', '2001:db8:9::9/128']) {
    expect((await box.exec(['ip', 'addr', 'add', address, 'dev', 'lo'])).code).toBe(0)
  }
  await Promise.all([
    box.exec(['ping', '-c1', '-W1', '-I', '192.0.2.9', uplink.gateway4]),
    box.exec(['ping', '-c1', '-W1', '-I', '2001:db8:9::9', uplink.gateway6]),
  ])
  const counters = await host.inside(host.internet, ['nft', 'list', 'table', 'inet', 't'])
  expect(counters.match(/counter packets 0 /g)).toHaveLength(2)
  expect(await reaches(box, uplink.gateway4)).toBe(true)
})

it("leaves the administrator's own rules alone", async () => {
  await using rig = await engineRig()
  const cnm = await rig.start()
  const first = await cnm.createNetwork({ name: 'first' })
  await rig.host.nft('add rule inet cnm-user forward ip daddr 192.0.2.1 drop')
  await first.delete()
  await cnm.createNetwork({ name: 'second' })
  expect(await cnm.doctor()).toEqual([])
  expect(await rig.host.nft('list table inet cnm-user')).toContain('ip daddr 192.0.2.1 drop')
})

it('leaves an adopted namespace its own default route', async () => {
  await using rig = await engineRig()
  const { host } = rig
  const cnm = await rig.start()
  await cnm.createNetwork({ name: 'web', ...both })
  const netns = await host.createNamespace('theirs')
  const inside = (args: string) => host.inside(netns, ['ip', ...args.split(' ')])
  await inside('link add eth0 type veth peer name far')
  for (const args of ['addr add 192.0.2.2/24 dev eth0', 'link set eth0 up', 'link set far up'])
    await inside(args)
  await inside('route add default via 192.0.2.1')
  const before = await inside('route')
  const box = await cnm.createSandbox({ netns, connect: [{ network: 'web' }] })
  expect(await inside('route')).toContain('default via 192.0.2.1 dev eth0')
  // It has none of IPv6, so that is ours to give.
  expect(await inside('-6 route')).toContain('default via')
  expect(await cnm.doctor()).toEqual([])
  await box.delete()
  expect(await inside('route')).toBe(before)
})

it('makes no router of the host, and puts back what it switched on', async () => {
  await using rig = await engineRig({ internet: true })
  const { host } = rig
  const other = await host.createNamespace('other')
  await host.ip(`link add other type veth peer name eth0 netns ${other}`)
  await host.ip('addr add 203.0.113.1/24 dev other')
  await host.ip('link set other up')
  for (const args of [
    'addr add 203.0.113.2/24 dev eth0',
    'link set eth0 up',
    'route add default via 203.0.113.1',
  ])
    await host.inside(other, ['ip', ...args.split(' ')])
  await host.inside(
    host.internet,
    'ip route add 203.0.113.0/24 via 198.51.100.2'.split(' ') as [string],
  )
  const forwarding = async (name: string) =>
    (await host.sh(`cat /proc/sys/net/ipv4/conf/${name}/forwarding`)).trim()
  const cnm = await rig.start()
  const web = await cnm.createNetwork({ name: 'web' })
  expect(await forwarding('uplink')).toBe('1')
  expect(await forwarding('other')).toBe('1')
  expect(await host.sh('cat /proc/sys/net/ipv4/ip_forward')).toBe('0\n')
  await expect(host.inside(host.internet, ['ping', '-c1', '-W1', '203.0.113.2'])).rejects.toThrow()
  await web.delete()
  expect(await forwarding('uplink')).toBe('0')
  expect(await forwarding('other')).toBe('0')
})

it.each([0, 1])(
  'separates internal networks and endpoints without ICC (call-iptables %i)',
  async (call) => {
    await using rig = await engineRig({ internet: true })
    await rig.host.sh(callIptables(call))
    const cnm = await rig.start()
    const inner = await cnm.createNetwork({ name: 'inner', internal: true, ...both })
    await cnm.createNetwork({ name: 'apart', options: { icc: false }, ...both })
    const make = (network: string) => cnm.createSandbox({ connect: [{ network }] })
    const [a, b] = [await make('inner'), await make('inner')]
    const [c, d] = [await make('apart'), await make('apart')]
    await expectReached(
      ...families.flatMap((family): Way[] => [
        [a, addressOf(b, family), true],
        [a, addressOf(c, family), false],
        [c, addressOf(a, family), false],
        [c, addressOf(d, family), false],
        [a, inner.info[family]?.gateway, false],
      ]),
      [a, uplink.gateway4, false],
      [c, uplink.gateway4, true],
      [c, (await cnm.network('apart').inspect()).ipv4?.gateway, true],
    )
    for (const family of families) await rig.host.sh(`ping -c1 -W1 ${await addressOf(a, family)}`)
  },
)

it('has as many rules with one network as with a hundred', async () => {
  await using rig = await engineRig()
  const cnm = await rig.start()
  await cnm.createNetwork({ name: 'first' })
  const rules = async () =>
    (await rig.host.nft('list table inet cnm'))
      .split('\n')
      .filter((line) => /\b(accept|drop|return|vmap|masquerade)\b/.test(line)).length
  const before = await rules()
  expect(before).toBeGreaterThan(5)
  await Promise.all([...Array(99).keys()].map((n) => cnm.createNetwork({ name: `n${n}` })))
  for (let n = 0; n < 10; n += 1) await cnm.createSandbox({ connect: [{ network: `n${n}` }] })
  expect(await rules()).toBe(before)
})

it('adopts the namespace of a process, and collects it when the process ends', async () => {
  await using rig = await engineRig()
  const cnm = await rig.start()
  await cnm.createNetwork({ name: 'web' })
  const guest = spawn('unshare', ['--net', 'sh', '-c', 'echo ready; exec sleep 60'])
  await once(guest.stdout, 'data')
  const box = await cnm.createSandbox({
    name: 'guest',
    pid: guest.pid,
    connect: [{ network: 'web' }],
  })
  const peer = await cnm.createSandbox({ name: 'peer', connect: [{ network: 'web' }] })
  expect(await reaches(peer, await addressOf(box))).toBe(true)
  const gone = (async () => {
    for await (const event of await cnm.events({ signal: AbortSignal.timeout(10_000) })) {
      if (event.type === 'sandbox' && event.action === 'delete') return event.name
    }
  })()
  guest.kill('SIGKILL')
  expect(await gone).toBe('guest')
  expect((await cnm.network('web').endpoints()).map(({ name }) => name)).toEqual(['peer'])
  expect(rig.problems).toEqual([])
})

it('gives an adopted namespace back as it was', async () => {
  await using rig = await engineRig()
  const cnm = await rig.start()
  await cnm.createNetwork({ name: 'web', ...both })
  const netns = await rig.host.createNamespace('theirs')
  const before = await rig.host.inside(netns, ['ip', 'addr'])
  const box = await cnm.createSandbox({ netns, connect: [{ network: 'web' }] })
  await box.delete()
  await cnm.settled()
  expect(await rig.host.inside(netns, ['ip', 'addr'])).toBe(before)
})

it("refuses the host's own namespace, and one that is none", async () => {
  await using rig = await engineRig()
  const cnm = await rig.start()
  await expect(cnm.createSandbox({ netns: rig.host.netns })).rejects.toMatchObject({
    code: 'HOST_NAMESPACE',
  })
  await expect(cnm.createSandbox({ netns: '/etc/passwd' })).rejects.toMatchObject({
    code: 'NAMESPACE_NOT_FOUND',
  })
  await expect(cnm.createSandbox({ pid: 2 ** 22 + 7 })).rejects.toMatchObject({
    code: 'NAMESPACE_NOT_FOUND',
  })
  expect(await cnm.sandboxes()).toEqual([])
})

it('refuses a second engine, and lets go of its host at the end', async () => {
  await using rig = await engineRig()
  const cnm = await rig.start()
  await expect(rig.start()).rejects.toMatchObject({
    code: 'ENGINE_RUNNING',
    details: { pid: process.pid },
  })
  await cnm.close()
  await rig.start()
})

it('refuses a second engine with another state folder on the same host', async () => {
  await using rig = await engineRig()
  const cnm = await rig.start()
  await cnm.createNetwork({ name: 'web' })
  const { folder } = rig.host
  const options = { stateDir: `${folder}/state2`, runDir: `${folder}/run2` }
  await expect(
    (async () => {
      await using second: LocalController = await rig.start(options)
      await second.createNetwork({ name: 'other' })
    })(),
  ).rejects.toMatchObject({ code: 'ENGINE_RUNNING' })
})

it('adopts running sandboxes when the records of this boot are lost', async () => {
  await using rig = await engineRig({ internet: true })
  const first = await rig.start()
  await first.createNetwork({ name: 'web', ...both })
  const a = await first.createSandbox({ name: 'a', connect: [{ network: 'web' }] })
  const b = await first.createSandbox({ name: 'b', connect: [{ network: 'web' }] })
  const [address, id] = [await addressOf(b), a.id.slice(0, 12)]
  await first.close()
  await rig.host.sh(`rm -r ${rig.host.folder}/run/records`)
  const second = await rig.start()
  const adopted = second.sandbox(id)
  expect(await reaches(adopted, address)).toBe(true)
  expect(await reaches(adopted, uplink.gateway4)).toBe(true)
  const findings = await second.doctor()
  expect(findings.map(({ kind }) => kind)).toEqual(['lost', 'lost'])
  await expect(
    second.createSandbox({ connect: [{ network: 'web', ip: address }] }),
  ).rejects.toMatchObject({ code: 'ADDRESS_IN_USE' })
})

it('finds and mends what others did', async () => {
  await using rig = await engineRig()
  const cnm = await rig.start()
  await cnm.createNetwork({ name: 'web', options: { bridge: 'web0' } })
  const a = await cnm.createSandbox({ name: 'a', connect: [{ network: 'web' }] })
  const b = await cnm.createSandbox({ name: 'b', connect: [{ network: 'web' }] })
  await rig.host.ip('link del web0')
  await b.exec(['ip', 'link', 'del', 'eth0'])
  expect(await reaches(a, await addressOf(b))).toBe(false)
  const found = await cnm.doctor({ fix: true })
  expect(found.map(({ detail }) => detail).join('\n')).toContain('web0')
  expect(await cnm.doctor()).toEqual([])
  // Its kernel still looks for b, whom it has missed: it asks again once a second.
  const again = { timeout: 10_000 }
  await expect.poll(async () => reaches(a, await addressOf(b)), again).toBe(true)
})

it('runs programs inside, with exactly the descriptors 0, 1 and 2', async () => {
  await using rig = await engineRig()
  const cnm = await rig.start()
  const box = await cnm.createSandbox()
  const list = await box.exec(['ls', '/proc/self/fd'])
  // ls itself opens one more, to read the folder.
  expect(list.stdout.trim().split('\n')).toEqual(['0', '1', '2', '3'])
  expect(await box.exec(['sh', '-c', 'cat; echo no >&2; exit 7'], { input: 'hello' })).toEqual({
    code: 7,
    signal: null,
    stdout: 'hello',
    stderr: 'no\n',
  })
  await expect(box.exec(['no-such-program'])).rejects.toMatchObject({ code: 'COMMAND_NOT_FOUND' })
  const abort = new AbortController()
  const long = box.exec(['sleep', '60'], { signal: abort.signal })
  abort.abort()
  await expect(long).rejects.toMatchObject({ code: 'CANCELLED' })
})

it('leaves nothing behind', async () => {
  await using rig = await engineRig({ internet: true })
  const state = async () => [
    (await rig.host.ip<{ ifname: string }[]>('-j link')).map(({ ifname }) => ifname),
    await rig.host.nft('list ruleset'),
  ]
  const before = await state()
  const cnm = await rig.start()
  for (let n = 0; n < 3; n += 1) await cnm.createNetwork({ name: `n${n}`, ...both })
  const boxes = await Promise.all(
    [...Array(30).keys()].map((n) => cnm.createSandbox({ connect: [{ network: `n${n % 3}` }] })),
  )
  await Promise.all(boxes.map((box) => box.delete()))
  for (let n = 0; n < 3; n += 1) await cnm.network(`n${n}`).delete()
  await cnm.settled()
  expect(await state()).toEqual(before)
  const mounts = await readFile('/proc/self/mountinfo', 'utf8')
  expect(mounts).not.toContain(`${rig.host.folder}/run/netns/`)
  await expect(stat(`${rig.host.folder}/run/netns`)).resolves.toBeTruthy()
})

it('kills a program on abort, and waits for nobody who holds its output', async () => {
  await using rig = await engineRig()
  const cnm = await rig.start()
  const box = await cnm.createSandbox()
  const abort = new AbortController()
  const ready = `${rig.host.folder}/ready`
  const script = `sleep 40 & echo $! > ${ready}.new; mv ${ready}.new ${ready}; wait`
  const running = box.exec(['sh', '-c', script], { signal: abort.signal })
  running.catch(() => {})
  const pid = Number(await vi.waitFor(() => readFile(ready, 'utf8'), { timeout: 10_000 }))
  const started = performance.now()
  abort.abort()
  await expect(running).rejects.toMatchObject({ code: 'CANCELLED' })
  expect(performance.now() - started).toBeLessThan(20_000)
  // It is still there: nobody but the program itself was killed.
  process.kill(pid, 'SIGKILL')
})
