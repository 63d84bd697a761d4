import { expect, it } from 'vitest'
import { MemoryRig } from '../../../test/support/memory-rig.ts'
import { asAnother } from '../../../test/support/nested-queues.ts'
import { bridge } from '../../driver/bridge/bridge.ts'
import type { NetworkDriver } from '../../driver/driver.ts'
import type { Change } from '../../kernel/kernel.ts'
import type { ElementResource, Resource } from '../../kernel/resource.ts'
import type { TableDefinition } from '../../kernel/ruleset.ts'
import { type ControllerOptions, createController, type LocalController } from '../controller.ts'

const two = [
  { name: 'web', subnets: ['10.7.0.0/24'] },
  { name: 'back', subnets: ['10.8.0.0/24'] },
]

/** The bridge driver of a later version: what passes depends on sets that this version doesn't have. */
function later(base: NetworkDriver = bridge()): NetworkDriver {
  const element = (set: string, key: string, owner: string): ElementResource => {
    return { kind: 'element', family: 'inet', table: 'cnm', set, key: [key], owner }
  }
  return {
    ...base,
    describeHost: (networks, view) => base.describeHost!(networks, view).map(changed),
    describeNetwork: (network, view) => [
      ...base.describeNetwork(network, view),
      element('later_networks', network.name, network.id),
    ],
    describeEndpoint: (network, endpoint, view) => [
      ...base.describeEndpoint(network, endpoint, view),
      element('later_ports', endpoint.id.slice(0, 12), endpoint.id),
    ],
  }
}

function changed(resource: Resource): Resource {
  if (resource.kind !== 'table' || resource.definition.name !== 'cnm') return resource
  const { definition } = resource
  if (definition.family !== 'inet') return resource
  const sets: TableDefinition['sets'] = [
    ...definition.sets.filter(({ name }) => name !== 'trusted'),
    { name: 'later_networks', key: ['ifname'] },
    { name: 'later_ports', key: ['ifname'] },
  ]
  return { ...resource, definition: { ...definition, sets } }
}

function withDrivers(rig: MemoryRig, ...drivers: NetworkDriver[]): ControllerOptions {
  const parts = rig.parts()
  const names = new Set(drivers.map(({ name }) => name))
  return {
    ...parts,
    drivers: [...drivers, ...parts.drivers.filter(({ name }) => !names.has(name))],
  }
}

/** Notes every change. */
function watched(parts: ControllerOptions, changes: Change[]): ControllerOptions {
  const apply = async (change: Change) => {
    changes.push(change)
    await parts.kernel.apply(change)
  }
  return { ...parts, kernel: { ...parts.kernel, apply } }
}

async function twoNetworks(cnm: LocalController): Promise<void> {
  for (const network of two) await cnm.createNetwork(network)
  for (const name of ['a', 'b']) {
    await cnm.createSandbox({ name, connect: [{ network: 'web' }, { network: 'back' }] })
  }
}

function setsOf({ add }: Change): string[] {
  return add.flatMap((each) => (each.kind === 'element' ? [each.set] : []))
}

/** As the version before recorded it: what all share under each network, nothing under the host. */
function asBefore({ contents }: MemoryRig): void {
  const records = [...contents].map(([key, text]) => ({ key, record: JSON.parse(text) }))
  const host = records.find(({ record }) => record.kind === 'engine' && record.id === 'host')!
  contents.delete(host.key)
  for (const { key, record } of records) {
    if (record.kind !== 'applied') continue
    const resources = [...host.record.value.resources, ...record.value.resources]
    contents.set(key, JSON.stringify({ ...record, value: { ...record.value, resources } }))
  }
}

it.each([
  ['this version', () => {}],
  ['the version before', asBefore],
])('a changed table replaces that of %s with all elements in one step', async (_, recordedBy) => {
  const rig = new MemoryRig()
  const first = await rig.start()
  await twoNetworks(first)
  await first.close()
  recordedBy(rig)
  const changes: Change[] = []
  await using second = await createController(watched(withDrivers(rig, later()), changes))
  const [change, ...others] = changes.filter(({ add }) => add.some(({ kind }) => kind === 'table'))
  expect(others).toEqual([])
  expect(setsOf(change!).filter((set) => set === 'later_ports')).toHaveLength(4)
  expect(setsOf(change!).filter((set) => set === 'later_networks')).toHaveLength(2)
  expect(change!.remove.filter(({ kind }) => kind !== 'table')).toEqual([])
  expect(await second.doctor()).toEqual([])
  // And back again.
  await second.close()
  await using third = await rig.start()
  expect(await third.doctor()).toEqual([])
  await third.down()
  expect(rig.kernel.lines().join('\n')).not.toContain('cnm')
})

it('a network or an endpoint that can’t be described keeps nothing else from it', async () => {
  const rig = new MemoryRig()
  const first = await rig.start()
  await twoNetworks(first)
  await first.close()
  const driver = later()
  const broken: NetworkDriver = {
    ...driver,
    describeNetwork: (network, view) => {
      if (network.name === 'web') throw new Error('broken')
      return driver.describeNetwork(network, view)
    },
  }
  await using second = await createController(withDrivers(rig, broken))
  const found = await second.doctor()
  expect(found).toMatchObject([{ kind: 'lost', detail: expect.stringContaining('network "web"') }])
  const lines = rig.kernel.lines().join('\n')
  expect(lines.match(/later_ports/g)!.length).toBeGreaterThanOrEqual(4)
  expect(lines).toContain('br-')
})

it('what all share stays as it is where it can’t be described, and the rest comes', async () => {
  const rig = new MemoryRig()
  const first = await rig.start()
  await twoNetworks(first)
  await first.close()
  const broken: NetworkDriver = {
    ...bridge(),
    describeHost: () => {
      throw new Error('broken')
    },
  }
  await using second = await createController(withDrivers(rig, broken))
  expect(await second.doctor()).toMatchObject([
    { kind: 'lost', detail: expect.stringContaining('what networks share') },
  ])
  expect(rig.kernel.lines().join('\n')).toContain('table inet cnm')
})

/** A bridge with hooks: its networks have a queue key of their own, and are made as slowly as `hook` is. */
function hooked(hook: () => Promise<void> = async () => {}): NetworkDriver {
  const nothing = async () => ({})
  return {
    ...bridge(),
    name: 'hooked',
    hooks: {
      open: async () => {},
      withoutGateway: async () => [],
      createNetwork: hook,
      deleteNetwork: async () => {},
      createEndpoint: nothing,
      deleteEndpoint: async () => {},
      join: async () => ({ routes: [] }),
      leave: async () => {},
      publish: async () => {},
      unpublish: async () => {},
      operInfo: nothing,
    } as unknown as NonNullable<NetworkDriver['hooks']>,
  }
}

it('a network that is taken back leaves what another wants by now', async () => {
  const rig = new MemoryRig()
  const parts = withDrivers(rig, hooked())
  const abort = new AbortController()
  const started: Promise<unknown>[] = []
  let cnm: LocalController | undefined
  const apply = async (change: Change) => {
    if (change.add.some(({ kind }) => kind === 'table') && started.length === 0) {
      const b = { name: 'b', driver: 'hooked', subnets: ['10.9.0.0/24'] }
      started.push(asAnother(() => cnm!.createNetwork(b)))
      await parts.kernel.apply(change)
      abort.abort()
      return
    }
    await parts.kernel.apply(change)
  }
  cnm = await createController({ ...parts, kernel: { ...parts.kernel, apply } })
  await using _ = cnm
  const making = cnm.createNetwork({ ...two[0]!, signal: abort.signal })
  await expect(making).rejects.toMatchObject({ code: 'CANCELLED' })
  await Promise.all(started)
  expect(rig.kernel.lines().join('\n')).toContain('table inet cnm')
  expect(await cnm.doctor()).toEqual([])
  await cnm.down()
  expect(rig.kernel.lines().join('\n')).not.toContain('cnm')
})

it('a hook that fails late takes back no more than its network', async () => {
  const rig = new MemoryRig()
  let fail = (_: Error) => {}
  const hook = () => new Promise<void>((_, reject) => (fail = reject))
  await using cnm = await createController(withDrivers(rig, hooked(hook)))
  const made = cnm.createNetwork({ name: 'b', driver: 'hooked', subnets: ['10.9.0.0/24'] })
  await expect.poll(() => rig.kernel.lines().join('\n')).toContain('table inet cnm')
  await cnm.createNetwork(two[0]!)
  fail(new Error('refused'))
  await expect(made).rejects.toThrow('refused')
  expect(await cnm.doctor()).toEqual([])
  await cnm.network('web').delete()
  expect(rig.kernel.lines().join('\n')).not.toContain('cnm')
})

it('the last network goes while another one is made, in whatever order', async () => {
  const rig = new MemoryRig()
  await using cnm = await createController(withDrivers(rig, hooked()))
  for (let turns = 0; turns < 12; turns += 1) {
    const web = await cnm.createNetwork(two[0]!)
    const gone = web.delete()
    for (let turn = 0; turn < turns; turn += 1) await new Promise(setImmediate)
    const made = cnm.createNetwork({ name: 'b', driver: 'hooked', subnets: ['10.9.0.0/24'] })
    await Promise.all([gone, made])
    expect(await cnm.doctor()).toEqual([])
    await cnm.network('b').delete()
    expect(rig.kernel.lines().join('\n')).not.toContain('cnm')
  }
})

it.each(['the next start', 'doctor'])(
  'what can’t be taken back is told, recorded, and goes with %s',
  async (by) => {
    const rig = new MemoryRig()
    const parts = rig.parts()
    const abort = new AbortController()
    let calls = 0
    const apply = async (change: Change) => {
      calls += 1
      if (calls === 2) throw new Error('not now')
      await parts.kernel.apply(change)
      abort.abort()
    }
    const first = await createController({ ...parts, kernel: { ...parts.kernel, apply } })
    const making = first.createNetwork({ ...two[0]!, signal: abort.signal })
    await expect(making).rejects.toMatchObject({ code: 'CANCELLED' })
    expect(rig.problems).toEqual([expect.objectContaining({ message: 'not now' })])
    const recorded = () => [...rig.contents.values()].map((text) => JSON.parse(text).id)
    expect(recorded()).toContain('leftovers')
    const found = await first.doctor({ fix: by === 'doctor' })
    expect(new Set(found.map(({ kind }) => kind))).toEqual(new Set(['orphan']))
    if (by === 'doctor') {
      expect(await first.doctor()).toEqual([])
      expect(recorded()).not.toContain('leftovers')
    }
    await first.close()
    await using second = await rig.start()
    expect(await second.doctor()).toEqual([])
    expect(rig.kernel.lines().join('\n')).not.toContain('cnm')
  },
)
