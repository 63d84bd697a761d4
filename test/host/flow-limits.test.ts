import { expect, it } from 'vitest'
import type { LocalSandbox } from '#dist/linux/library.js'
import { addressOf, type EngineRig, engineRig, reaches } from '../support/engine-rig.ts'

const most = 20
const burst = 5 * most

/** One datagram to each of so many ports: each is a flow. */
async function flood(from: LocalSandbox, to: string, count = 600): Promise<void> {
  const script = `for ((i = 1; i <= ${count}; i++)); do echo > /dev/udp/${to}/$((2000 + i)); done 2>/dev/null`
  await from.exec(['bash', '-c', script])
}

async function tracked({ host }: EngineRig): Promise<number> {
  return Number(await host.inside(host.netns, ['conntrack', '-C']))
}

async function twoOn(rig: EngineRig, newFlowsPerSecond: number) {
  const cnm = await rig.start()
  const options = { newFlowsPerSecond }
  const web = await cnm.createNetwork({ name: 'web', ipv6: true, options })
  const make = () => cnm.createSandbox({ connect: [{ network: 'web' }] })
  const gateway = (await web.inspect()).ipv4?.gateway ?? ''
  const gateway6 = (await web.inspect()).ipv6?.gateway ?? ''
  return { cnm, a: await make(), b: await make(), gateway, gateway6 }
}

it.each([0, 1])('lets no sandbox begin more flows than it may (call-iptables %i)', async (call) => {
  await using rig = await engineRig()
  const sysctls = '/proc/sys/net/bridge/bridge-nf-call-ip'
  await rig.host.sh(`echo ${call} | tee ${sysctls}tables ${sysctls}6tables`)
  const { cnm, a, b, gateway, gateway6 } = await twoOn(rig, most)
  const began = performance.now()
  const before = await tracked(rig)
  // To the host, and to a neighbour, where the machine tracks that as well.
  for (const to of [gateway, gateway6, await addressOf(b)]) await flood(a, to)
  const seconds = (performance.now() - began) / 1000
  expect((await tracked(rig)) - before).toBeLessThanOrEqual(burst + most * (seconds + 1))
  const shown = await rig.host.nft('list set inet cnm flows_limited')
  expect(shown).toContain('elements')
  // A neighbour has its own share.
  expect(await reaches(b, gateway)).toBe(true)
  expect(await cnm.doctor()).toMatchObject([
    { kind: 'limited', detail: expect.stringContaining(`sandbox "${a.name}"`) },
  ])
})

it('tells of those whose MACs nobody knows, and that share a limit', async () => {
  await using rig = await engineRig()
  const cnm = await rig.start()
  const web = await cnm.createNetwork({ name: 'web', options: { newFlowsPerSecond: most } })
  const a = await cnm.createSandbox({ connect: [{ network: 'web', macs: 'any' }] })
  await flood(a, (await web.inspect()).ipv4?.gateway ?? '')
  expect(await rig.host.nft('list set inet cnm flows_limited_rest')).toContain('elements')
  expect(await cnm.doctor()).toMatchObject([
    { kind: 'limited', detail: expect.stringContaining('network "web"') },
  ])
})

it('limits nothing where the network says so', async () => {
  await using rig = await engineRig()
  const { a, gateway } = await twoOn(rig, 0)
  await flood(a, gateway)
  expect(await tracked(rig)).toBeGreaterThan(500)
})
