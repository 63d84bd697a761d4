import { expect, it } from 'vitest'
import { addressOf, engineRig, reaches } from '../support/engine-rig.ts'
import { sendTagged } from '../support/tagged-frame.ts'

it('carries no IPv6 on an IPv4 network behind VLAN tags either', async () => {
  await using rig = await engineRig()
  const { host } = rig
  const cnm = await rig.start()
  await cnm.createNetwork({ name: 'four' })
  const make = () => cnm.createSandbox({ connect: [{ network: 'four' }] })
  const [a, b] = [await make(), await make()]
  // Ours is at -200. The kernel has taken the first tag off; what is left says what the packet is.
  const count = 'iifname "veth*" meta protocol { ip6, 8021q, 8021ad } counter'
  const chain = (name: string, priority: number) =>
    `chain ${name} { type filter hook prerouting priority ${priority}; ${count}; }`
  const input = `table bridge t {\n${chain('before', -201)}\n${chain('behind', -199)}\n}`
  await host.inside(host.netns, ['nft', '-f', '-'], { input })
  const counted = async (name: string) => {
    const rules = await host.nft(`list chain bridge t ${name}`)
    return Number(/packets (\d+)/.exec(rules)?.[1])
  }
  const all = [[0x8100], [0x8100, 0x8100], [0x88a8], [0x88a8, 0x8100]]
  for (const tags of all) sendTagged((await a.inspect()).namespace?.path ?? '', 'eth0', tags)
  await expect.poll(() => counted('before')).toBe(all.length)
  expect(await counted('behind')).toBe(0)
  expect(await reaches(a, await addressOf(b))).toBe(true)
})

it.each([0, 1])(
  'carries link-local addresses within a network (call-iptables %i)',
  async (call) => {
    await using rig = await engineRig()
    const sysctls = '/proc/sys/net/bridge/bridge-nf-call-ip'
    await rig.host.sh(`echo ${call} | tee ${sysctls}tables ${sysctls}6tables`)
    const cnm = await rig.start()
    await cnm.createNetwork({ name: 'web', ipv6: true })
    const make = (...linkLocal: string[]) =>
      cnm.createSandbox({ connect: [{ network: 'web', linkLocal }] })
    const [a] = [await make('169.254.1.1', 'fe80::a'), await make('169.254.1.2', 'fe80::b')]
    expect(await reaches(a, '169.254.1.2')).toBe(true)
    expect(await reaches(a, 'fe80::b%eth0')).toBe(true)
  },
)
