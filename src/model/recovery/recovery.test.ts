import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { MemoryRig } from '../../../test/support/memory-rig.ts'
import { failsCleanly, type Story, survivesCrashes } from '../../../test/support/stories.ts'
import { KernelError } from '../../base/errors.ts'
import { createController, type LocalController } from '../controller.ts'

const network = { name: 'web', subnets: ['10.7.0.0/24', 'fd00:7::/64'] }
const other = { name: 'back', subnets: ['10.8.0.0/24'] }

async function twoNetworks(cnm: LocalController): Promise<void> {
  await cnm.createNetwork(network)
  await cnm.createNetwork(other)
}

async function aBusyHost(cnm: LocalController): Promise<void> {
  await twoNetworks(cnm)
  const connect = [{ network: 'web' }, { network: 'back' }]
  await cnm.createSandbox({ name: 'api', connect })
  await cnm.network('web').createEndpoint({ name: 'db', persistent: true })
  await cnm.createSandbox({ name: 'idle' })
}

async function joinDb(cnm: LocalController): Promise<void> {
  await (await cnm.network('web').endpoints())
    .find(({ name }) => name === 'db')
    ?.join(cnm.sandbox('idle'))
}

async function endpointOf(cnm: LocalController, sandbox: string, on: string) {
  const { id } = cnm.now.network(on)
  return (await cnm.sandbox(sandbox).endpoints()).find((endpoint) => endpoint.info.network === id)
}

const stories: readonly Story[] = [
  {
    name: 'creating the first network',
    prepare: async () => {},
    act: (cnm) => cnm.createNetwork(network),
  },
  {
    name: 'creating another network',
    prepare: aBusyHost,
    act: (cnm) => cnm.createNetwork({ name: 'third' }),
  },
  {
    name: 'deleting the last network',
    prepare: async (cnm) => {
      await cnm.createNetwork(network)
    },
    act: (cnm) => cnm.network('web').delete(),
  },
  { name: 'deleting a network', prepare: twoNetworks, act: (cnm) => cnm.network('back').delete() },
  {
    name: 'creating a sandbox',
    prepare: twoNetworks,
    act: (cnm) => cnm.createSandbox({ name: 'api' }),
  },
  {
    name: 'creating a connected sandbox',
    prepare: twoNetworks,
    act: (cnm) =>
      cnm.createSandbox({ name: 'api', connect: [{ network: 'web' }, { network: 'back' }] }),
  },
  {
    name: 'connecting where the default route moves',
    prepare: async (cnm) => {
      await twoNetworks(cnm)
      await cnm.createSandbox({ name: 'api', connect: [{ network: 'web' }] })
    },
    act: (cnm) => cnm.sandbox('api').connect(cnm.network('back'), { gwPriority: 1 }),
  },
  { name: 'joining', prepare: aBusyHost, act: joinDb },
  {
    name: 'leaving',
    prepare: async (cnm) => {
      await aBusyHost(cnm)
      await joinDb(cnm)
    },
    act: async (cnm) => (await endpointOf(cnm, 'idle', 'web'))?.leave(),
  },
  {
    name: 'disconnecting where the default route moves',
    prepare: aBusyHost,
    act: async (cnm) => (await endpointOf(cnm, 'api', 'web'))?.leave(),
  },
  { name: 'deleting a sandbox', prepare: aBusyHost, act: (cnm) => cnm.sandbox('api').delete() },
]

function networkId(rig: MemoryRig, name: string): string {
  const records = [...rig.contents.values()].map((text) => JSON.parse(text))
  return records.find(({ kind, value }) => kind === 'network' && value.name === name)?.value.id
}

it.each(stories)('$name: a failure at any step leaves everything as it was', failsCleanly)

it.each(stories)(
  '$name: a crash at any call is undone or finished at the next start',
  survivesCrashes,
)

it('finds everything again after a restart', async () => {
  const rig = new MemoryRig()
  const first = await rig.start()
  await aBusyHost(first)
  await first.close()
  const before = rig.snapshot()
  await using second = await rig.start()
  expect(rig.snapshot()).toEqual(before)
  expect(await second.doctor()).toEqual([])
  const web = second.network('web')
  expect((await web.endpoints()).map(({ name }) => name).sort()).toEqual(['api', 'db'])
  await expect(web.createEndpoint({ name: 'x', ip: '10.7.0.2' })).rejects.toMatchObject({
    code: 'ADDRESS_IN_USE',
  })
})

it('writes nothing at a restart that finds everything as it is recorded: the disk may be full', async () => {
  const rig = new MemoryRig()
  const first = await rig.start()
  await aBusyHost(first)
  await first.close()
  const before = [...rig.contents]
  const second = await rig.start()
  await second.close()
  expect([...rig.contents]).toEqual(before)
})

it('brings networks back after a reboot, and forgets what died with the boot', async () => {
  const rig = new MemoryRig()
  const first = await rig.start()
  await aBusyHost(first)
  await first.close()
  const rebooted = new MemoryRig()
  for (const [key, text] of rig.contents) {
    if (JSON.parse(text).kind === 'network') rebooted.contents.set(key, text)
  }
  await using second = await rebooted.start()
  expect((await second.networks()).map(({ name }) => name).sort()).toEqual([
    'back',
    'host',
    'none',
    'web',
  ])
  expect(await second.sandboxes()).toEqual([])
  await second.createSandbox({ connect: [{ network: 'web', ip: '10.7.0.2' }] })
  expect(await second.doctor()).toEqual([])
})

it('adopts what runs when the records of this boot are lost', async () => {
  const rig = new MemoryRig()
  const first = await rig.start()
  await aBusyHost(first)
  const api = first.now.sandbox('api')
  const prefix = api.id.slice(0, 12)
  await first.close()
  // The keeper knows what endpoints are called, but not what sandboxes call themselves.
  const lines = () => rig.kernel.lines().filter((line) => !/hostname$| (api|\w{12}) >> /.test(line))
  const machine = lines()
  expect(machine.join('\n')).toContain(`# names of api ${prefix} on web`)
  for (const [key, text] of rig.contents) {
    if (JSON.parse(text).kind !== 'network') rig.contents.delete(key)
  }
  await using second = await rig.start()
  expect(lines()).toEqual(machine)
  const adopted = second.now.sandbox(api.id)
  expect((await adopted.endpoints()).map(({ name }) => name)).toEqual(['api', 'api'])
  expect((await adopted.endpoints()).map((each) => each.info.ipv4).sort()).toEqual([
    '10.7.0.2',
    '10.8.0.2',
  ])
  const findings = await second.doctor()
  expect(findings.map(({ kind }) => kind)).toEqual(['lost', 'lost'])
  expect(findings[0]?.detail).toContain(prefix)
  expect(rig.problems).toEqual(findings.map(({ detail }) => detail))
  const told = await second.doctor({ fix: true })
  expect(told).toEqual(findings.map((finding) => ({ ...finding, mended: true })))
  expect(await second.doctor()).toEqual([])
  await adopted.delete()
  for (const each of await second.sandboxes()) await each.delete()
  for (const name of ['web', 'back']) await second.network(name).delete()
  expect(rig.snapshot()).toEqual(new MemoryRig().snapshot())
})

it('adopts nothing that has a record, whatever else is lost', async () => {
  const rig = new MemoryRig()
  const first = await rig.start()
  await aBusyHost(first)
  await first.close()
  for (const [key, text] of rig.contents) {
    if (JSON.parse(text).kind === 'engine') rig.contents.delete(key)
  }
  const parts = rig.parts()
  // Its keeper is gone as well, and with it what told whole ids.
  const survey: typeof parts.kernel.survey = async (query) => {
    const { kept: _, ...rest } = await parts.kernel.survey(query)
    return rest
  }
  await using second = await createController({ ...parts, kernel: { ...parts.kernel, survey } })
  expect((await second.sandboxes()).map(({ name }) => name)).toEqual(['api', 'idle'])
  expect(await second.doctor()).toEqual([])
})

it('starts although a default route can not move at once', async () => {
  const rig = new MemoryRig()
  const first = await rig.start()
  await aBusyHost(first)
  await first.close()
  const web = networkId(rig, 'web')
  for (const [key, text] of rig.contents) {
    const { kind, id } = JSON.parse(text)
    if (id === web && kind !== 'endpoint') rig.contents.delete(key)
  }
  const parts = rig.parts()
  let refused = 0
  const apply: typeof parts.kernel.apply = async (change) => {
    const routes = change.add.some(({ kind }) => kind === 'route')
    if (routes && ++refused === 1) throw new KernelError('RTM_NEWROUTE', 'ENODEV')
    return parts.kernel.apply(change)
  }
  await using second = await createController({ ...parts, kernel: { ...parts.kernel, apply } })
  expect(refused).toBe(2)
  expect(await second.sandbox('api').endpoints()).toHaveLength(1)
  expect(rig.kernel.lines().join('\n')).toContain('default via 10.8.0.1')
  const kinds = new Set((await second.doctor()).map(({ kind }) => kind))
  expect(kinds).toEqual(new Set(['orphan']))
})

it('starts on a host with what has no record, and touches it only when told to', async () => {
  const rig = new MemoryRig()
  const first = await rig.start()
  await first.createNetwork(network)
  await first.close()
  const machine = rig.kernel.lines()
  rig.contents.clear()
  await using second = await rig.start()
  expect(rig.kernel.lines()).toEqual(machine)
  const kinds = new Set((await second.doctor()).map(({ kind }) => kind))
  expect(kinds).toEqual(new Set(['orphan']))
})

it('starts although a network can not be brought back', async () => {
  const rig = new MemoryRig()
  rig.kernel.addLink({ name: 'lan', type: 'bridge' })
  const first = await rig.start()
  await first.createNetwork({ name: 'lan', subnets: ['10.9.0.0/24'], options: { bridge: 'lan' } })
  await first.createNetwork(network)
  await first.close()
  rig.kernel.removeLink('lan')
  rig.kernel.removeLink(`br-${networkId(rig, 'web').slice(0, 10)}`)
  await using second = await rig.start()
  const findings = await second.doctor()
  expect(findings.find(({ kind }) => kind === 'lost')?.detail).toContain('network "lan"')
  // It is so still, and keeps nothing else from being mended.
  rig.kernel.removeLink(`br-${networkId(rig, 'web').slice(0, 10)}`)
  const told = await second.doctor({ fix: true })
  expect(told.filter(({ mended }) => mended).map(({ detail }) => detail)).toContainEqual(
    expect.stringContaining('br-'),
  )
  const lan = expect.stringContaining('network "lan" can\'t be brought back')
  expect(told).toContainEqual({ kind: 'lost', detail: lan, mended: false })
  const open = await second.doctor()
  expect(open.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['missing', 'lost']))
  expect(open.every(({ detail }) => !detail.includes('br-'))).toBe(true)
  await second.createSandbox({ connect: [{ network: 'web' }] })
  await second.network('lan').delete()
})

it('forgets a sandbox on the host stack that had no program', async () => {
  const rig = new MemoryRig()
  const first = await rig.start()
  await first.createSandbox({ name: 'brief', host: true, ephemeral: true })
  await first.createSandbox({ name: 'kept', host: true })
  await first.close()
  await using second = await rig.start()
  expect((await second.sandboxes()).map(({ name }) => name)).toEqual(['kept'])
})

it('says in which sandbox something is missing', async () => {
  const rig = new MemoryRig()
  await using cnm = await rig.start()
  await aBusyHost(cnm)
  const endpoint = await endpointOf(cnm, 'api', 'web')
  rig.kernel.removeLink(`veth${endpoint?.id.slice(0, 10)}`)
  const found = await cnm.doctor()
  expect(found).not.toEqual([])
  for (const { detail } of found) expect(detail).toMatch(/ \(sandbox "api"\)$/)
})

it('lists what others did to the machine, and mends it', async () => {
  const rig = new MemoryRig()
  await using cnm = await rig.start()
  await aBusyHost(cnm)
  const before = rig.kernel.lines()
  const web = cnm.now.network('web')
  rig.kernel.removeLink(`br-${web.id.slice(0, 10)}`)
  rig.kernel.writeSysctl('net/ipv4/conf/uplink/forwarding', '0')
  const found = await cnm.doctor()
  expect(found.length).toBeGreaterThan(2)
  expect(found.every(({ mended }) => !mended)).toBe(true)
  const mended = await cnm.doctor({ fix: true })
  expect(mended.every((finding) => finding.mended)).toBe(true)
  expect(await cnm.doctor()).toEqual([])
  expect(rig.kernel.lines()).toEqual(before)
})

it.each<[string, (cnm: LocalController, signal: AbortSignal) => Promise<unknown>]>([
  [
    'creating a connected sandbox',
    (cnm, signal) => {
      const connect = [{ network: 'web', publish: ['8080:80'] }, { network: 'back' }]
      return cnm.createSandbox({ name: 'new', connect, signal })
    },
  ],
  [
    'publishing',
    async (cnm, signal) => {
      const [endpoint] = await cnm.sandbox('api').endpoints()
      return endpoint?.publish(['8080:80'], { signal }) ?? Promise.resolve()
    },
  ],
])('%s: a cancelled call leaves nothing half made, whenever it is cancelled', async (_, act) => {
  for (let turns = 0; ; turns += 1) {
    const rig = new MemoryRig()
    await using cnm = await rig.start()
    await aBusyHost(cnm)
    const before = rig.snapshot()
    const abort = new AbortController()
    const call = act(cnm, abort.signal)
    // The kernel answers in another turn of the event loop.
    for (let n = 1; n <= turns; n += 1) await (n % 8 === 0 ? nextTurn() : undefined)
    abort.abort()
    const cancelled = await call.then(
      () => false,
      (error) => error.code === 'CANCELLED',
    )
    if (cancelled) expect(rig.snapshot()).toEqual(before)
    expect(await cnm.doctor()).toEqual([])
    if (cancelled) continue
    expect(turns).toBeGreaterThanOrEqual(8)
    return
  }
})
