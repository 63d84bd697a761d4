import { release } from 'node:os'
import { expect, it } from 'vitest'
import type { LocalSandbox } from '#dist/linux/library.js'
import { addressOf, type EngineRig, engineRig, reaches } from '../support/engine-rig.ts'
import { arpFrom, sendFrames } from '../support/raw-frames.ts'

interface Neighbour {
  readonly dst: string
  readonly lladdr?: string
  readonly state: readonly string[]
  readonly protocol?: string
}

interface Entry {
  readonly mac: string
  readonly ifname: string
  readonly state?: string
  readonly flags: readonly string[]
}

async function json<T>({ host }: EngineRig, ...argv: [string, ...string[]]): Promise<readonly T[]> {
  return JSON.parse((await host.inside(host.netns, argv)) || '[]') as T[]
}

const permanent = (rig: EngineRig) =>
  json<Neighbour>(rig, 'ip', '-d', '-j', 'neigh', 'show', 'nud', 'permanent')

const forwarding = (rig: EngineRig) => json<Entry>(rig, 'bridge', '-j', '-d', 'fdb', 'show')

async function setCallIptables({ host }: EngineRig, call: number): Promise<void> {
  const sysctls = '/proc/sys/net/bridge/bridge-nf-call-ip'
  await host.sh(`echo ${call} | tee ${sysctls}tables ${sysctls}6tables`)
}

async function pathOf(box: LocalSandbox): Promise<string> {
  return (await box.inspect()).namespace?.path ?? ''
}

async function macOf(box: LocalSandbox): Promise<string> {
  const { stdout } = await box.exec(['ip', '-j', 'link', 'show', 'eth0'])
  return (JSON.parse(stdout) as { readonly address: string }[])[0]?.address ?? ''
}

async function twoOn(rig: EngineRig) {
  const cnm = await rig.start()
  await cnm.createNetwork({ name: 'web', ipv6: true })
  const make = () => cnm.createSandbox({ connect: [{ network: 'web' }] })
  return { cnm, a: await make(), b: await make() }
}

/** Each from another MAC and address. */
const flood = Array.from({ length: 5000 }, (_, index) => {
  const mac = Buffer.from([0x02, 0xaa, 0, 0, index >> 8, index & 0xff])
  return arpFrom(mac, [10, 255, index >> 8, index & 0xff])
})

it('knows an endpoint’s addresses and MAC for good, and forgets them with it', async () => {
  await using rig = await engineRig()
  const { cnm, a, b } = await twoOn(rig)
  const mac = await macOf(a)
  const known = await permanent(rig)
  for (const address of [await addressOf(a), await addressOf(a, 'ipv6')]) {
    expect(known).toContainEqual(
      expect.objectContaining({ dst: address, lladdr: mac, protocol: '211' }),
    )
  }
  const entries = (await forwarding(rig)).filter((it) => it.mac === mac)
  expect(entries).toMatchObject([{ state: 'static', flags: ['sticky'] }])
  const gone = [await addressOf(a), await addressOf(a, 'ipv6')]
  await a.delete()
  expect((await permanent(rig)).filter(({ dst }) => gone.includes(dst))).toEqual([])
  await cnm.settled()
  expect((await forwarding(rig)).filter((it) => it.mac === mac)).toEqual([])
  expect(await reaches(b, '127.0.0.1')).toBe(true)
  expect(await cnm.doctor()).toEqual([])
})

it.each([0, 1])('learns nothing from a flood of MACs (call-iptables %i)', async (call) => {
  await using rig = await engineRig()
  await setCallIptables(rig, call)
  const { a, b } = await twoOn(rig)
  const before = await forwarding(rig)
  sendFrames(await pathOf(a), 'eth0', flood)
  const after = await forwarding(rig)
  expect(after.filter(({ mac }) => mac.startsWith('02:aa:'))).toEqual([])
  expect(after.length).toBe(before.length)
  expect(await reaches(a, await addressOf(b))).toBe(true)
  expect(await reaches(b, await addressOf(a, 'ipv6'))).toBe(true)
})

it('learns so many MACs at most where any may send, if the kernel can', async () => {
  await using rig = await engineRig()
  const cnm = await rig.start()
  await cnm.createNetwork({ name: 'vms' })
  const any = { macs: 'any', addresses: 'any' } as const
  const a = await cnm.createSandbox({ connect: [{ network: 'vms', ...any }] })
  const b = await cnm.createSandbox({ connect: [{ network: 'vms' }] })
  sendFrames(await pathOf(a), 'eth0', flood)
  const learned = (await forwarding(rig)).filter(({ mac }) => mac.startsWith('02:aa:')).length
  const [major = 0, minor = 0] = release().split('.').map(Number)
  const canBound = major > 6 || (major === 6 && minor >= 7)
  expect(learned).toBeGreaterThan(4000)
  if (canBound) expect(learned).toBeLessThanOrEqual(4096)
  // Who is known for good has its place.
  expect(await reaches(a, await addressOf(b))).toBe(true)
  expect(await cnm.doctor()).toEqual([])
})

it.each([0, 1])('lets nobody take a neighbour’s place (call-iptables %i)', async (call) => {
  await using rig = await engineRig()
  await setCallIptables(rig, call)
  const { a, b } = await twoOn(rig)
  const mac = await macOf(a)
  const before = await forwarding(rig)
  const victim = Buffer.from(mac.replaceAll(':', ''), 'hex')
  const thief = Buffer.from((await macOf(b)).replaceAll(':', ''), 'hex')
  const address = (await addressOf(a)).split('.').map(Number)
  // In the victim's name, and with its address at one's own.
  sendFrames(await pathOf(b), 'eth0', [arpFrom(victim, address), arpFrom(thief, address)])
  expect(await forwarding(rig)).toEqual(before)
  expect(await permanent(rig)).toContainEqual(
    expect.objectContaining({ dst: await addressOf(a), lladdr: mac }),
  )
  const { host } = rig
  await host.inside(host.netns, ['ping', '-c1', '-W2', await addressOf(a)])
})

it('makes ports that learned what they should be, and removes what belongs to nobody', async () => {
  await using rig = await engineRig()
  const { cnm, a } = await twoOn(rig)
  const mac = await macOf(a)
  const port = (await forwarding(rig)).find((it) => it.mac === mac)?.ifname ?? ''
  const bridge = (await cnm.network('web').inspect()).id.slice(0, 10)
  await rig.host.sh(`
    ip link set ${port} type bridge_slave learning on
    bridge fdb del ${mac} dev ${port} master
    ip neigh del ${await addressOf(a)} dev br-${bridge}
    ip neigh add 10.254.254.254 lladdr ${mac} dev br-${bridge} nud permanent protocol 211
    ip neigh add 10.254.254.253 lladdr ${mac} dev br-${bridge} nud permanent`)
  const found = await cnm.doctor()
  expect(found.map(({ kind, detail }) => [kind, detail])).toEqual(
    expect.arrayContaining([
      ['different', expect.stringContaining(`${port} has learning on`)],
      ['missing', expect.stringContaining(`no fixed entry for ${mac} at ${port}`)],
      ['missing', expect.stringContaining(`no permanent neighbour ${await addressOf(a)}`)],
      ['orphan', expect.stringContaining('neighbour 10.254.254.254')],
    ]),
  )
  expect(found).toHaveLength(4)
  await cnm.doctor({ fix: true })
  expect(await cnm.doctor()).toEqual([])
  const left = await permanent(rig)
  expect(left.map(({ dst }) => dst)).toContain('10.254.254.253')
  expect(left.map(({ dst }) => dst)).not.toContain('10.254.254.254')
})

it('counts neighbours of sandboxes for the whole machine, but none that is permanent', async () => {
  await using rig = await engineRig()
  const { a } = await twoOn(rig)
  // Few: it is the machine's table, and what else runs on it needs it, too.
  const count = 40
  const counted = async (path: string) => {
    const text = await rig.host.inside(path, 'ip -s ntable show name arp_cache'.split(' ') as never)
    return Number(/ entries (\d+)/.exec(text)?.[1])
  }
  const add = async (how: string) => {
    const lines = Array.from({ length: count }, (_, index) => {
      return `neigh replace 10.100.200.${index + 1} lladdr 02:00:00:00:00:01 dev eth0 nud ${how}`
    })
    return rig.host.inside(await pathOf(a), ['ip', '-batch', '-'], { input: lines.join('\n') })
  }
  const before = await counted(rig.host.netns)
  await add('stale')
  // Others come and go meanwhile, but not as many.
  expect(await counted(rig.host.netns)).toBeGreaterThan(before + count / 2)
  expect(Math.abs((await counted(rig.host.netns)) - (await counted(await pathOf(a))))).toBeLessThan(
    20,
  )
})
