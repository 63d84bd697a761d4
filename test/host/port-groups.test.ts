import { expect, it } from 'vitest'
import { LINK_GROUP, PORT_GROUPS, portGroup, RETIRED_GROUP } from '#dist/kernel/link-groups.js'
import type { Resource, VethResource } from '#dist/kernel/resource.js'
import { add, type KernelRig, kernelRig, network, port, remove } from '../support/kernel-rig.ts'
import { LinkMonitor } from '../support/link-monitor.ts'

/** A sandbox on a bridge, its port in the group of network 5. */
async function attached(rig: KernelRig, group: number | undefined = portGroup(5)) {
  const namespace = rig.box('box')
  const made = port({ namespace, name: 'v-a', bridge: 'br-a', n: 7, number: 2 })
  const veth = { ...(made[0] as VethResource), ...(group === undefined ? {} : { group }) }
  const rest = [...network('br-a', 7), { kind: 'namespace', namespace } as const]
  await add(rig.kernel, ...rest, veth, ...made.slice(1))
  return { namespace, veth }
}

interface PortInfo {
  readonly ifindex: number
  readonly group: string
  readonly linkinfo: { readonly info_slave_data: Readonly<Record<string, unknown>> }
}

async function portOf({ host }: KernelRig, name = 'v-a') {
  const [{ ifindex, group, linkinfo }] = await host.ip<[PortInfo]>(`-j -d link show ${name}`)
  const { hairpin, group_fwd_mask } = linkinfo.info_slave_data
  return { ifindex, group: Number(group), hairpin, group_fwd_mask }
}

function groupsIn(said: readonly string[]): number[] {
  return said.flatMap((line) => {
    const group = / group (\d+)/.exec(line)?.[1]
    return group === undefined ? [] : [Number(group)]
  })
}

const asItShouldBe = { group: portGroup(5), hairpin: true, group_fwd_mask: '0xfffd' }

it('is born in its group, and no moment in another', async () => {
  await using rig = await kernelRig()
  await using monitor = await LinkMonitor.open(rig.host)
  await attached(rig)
  expect(await portOf(rig)).toMatchObject(asItShouldBe)
  const said = await monitor.until('v-a', /group_fwd_mask 0xfffd/)
  expect(new Set(groupsIn(said))).toEqual(new Set([portGroup(5)]))
})

it('goes as a port', async () => {
  await using rig = await kernelRig()
  await using monitor = await LinkMonitor.open(rig.host)
  const { veth } = await attached(rig)
  await remove(rig.kernel, veth)
  const groups = groupsIn(await monitor.until('v-a', /^Deleted/))
  expect(groups).toContain(RETIRED_GROUP)
  for (const group of groups) expect(group & 0xffff0000).toBe(PORT_GROUPS)
})

it.each<[string, string]>([
  ['of an earlier version', `group ${LINK_GROUP}`],
  ['of another network', `group ${portGroup(6)}`],
  ['that somebody has taken out of all of them', 'group 0'],
  ['whose setting is lost', 'type bridge_slave group_fwd_mask 0'],
])('mends a port %s', async (_, change) => {
  await using rig = await kernelRig()
  const { veth } = await attached(rig)
  await rig.host.ip(`link set v-a ${change}`)
  const { ifindex } = await portOf(rig)
  expect(await rig.kernel.compare([veth])).toMatchObject([{ state: 'different' }])
  await add(rig.kernel, veth)
  expect(await portOf(rig)).toEqual({ ...asItShouldBe, ifindex })
  expect(await rig.kernel.compare([veth])).toEqual([])
})

it('puts a port back as it was when a change fails', async () => {
  await using rig = await kernelRig()
  const { veth } = await attached(rig)
  await rig.host.ip(`link set v-a group ${portGroup(6)}`)
  const impossible: Resource = { kind: 'sysctl', name: 'net/ipv4/no_such', value: '1' }
  await expect(add(rig.kernel, veth, impossible)).rejects.toThrow('no_such')
  expect(await portOf(rig)).toMatchObject({ ...asItShouldBe, group: portGroup(6) })
  await expect(rig.kernel.apply({ remove: [veth], add: [impossible] })).rejects.toThrow('no_such')
  expect(await portOf(rig)).toMatchObject({ ...asItShouldBe, group: portGroup(6) })
})

it('is that of an earlier version where no group is asked for', async () => {
  await using rig = await kernelRig()
  const { group: _, ...earlier } = (await attached(rig)).veth
  expect(await rig.kernel.compare([earlier])).toMatchObject([{ state: 'different' }])
  await add(rig.kernel, earlier)
  expect((await portOf(rig)).group).toBe(LINK_GROUP)
  expect(await rig.kernel.compare([earlier])).toEqual([])
})

it('is told by its network, and is neither a stranger nor to be lent', async () => {
  await using rig = await kernelRig()
  const { veth, namespace } = await attached(rig)
  const { links } = await rig.kernel.view()
  expect(links.find(({ name }) => name === 'v-a')).toMatchObject({ ours: true, portOf: 5 })
  expect(links.find(({ name }) => name === 'br-a')).not.toHaveProperty('portOf')
  const survey = await rig.kernel.survey({ tables: [] })
  expect(survey.links).toContainEqual({ name: 'v-a', type: 'veth', bridge: 'br-a' })
  const lent = { kind: 'lent-link', name: 'v-a', namespace, inside: 'x', ipv6: false } as const
  await expect(add(rig.kernel, lent)).rejects.toThrow('own')
  await remove(rig.kernel, veth)
  expect((await rig.kernel.survey({ tables: [] })).links).toEqual([
    { name: 'br-a', type: 'bridge' },
  ])
})
