import { describe, expect, it } from 'vitest'
import { MemoryRig } from '../../../test/support/memory-rig.ts'
import type { EndpointOptions } from '../../api/endpoint-options.ts'
import type { NetworkOptions, SandboxOptions } from '../../api/options.ts'
import type { NamesResource } from '../../kernel/kept-resource.ts'
import type { Resource } from '../../kernel/resource.ts'
import type { LocalController } from '../controller.ts'
import type { KnownLocalSandbox } from './sandbox.ts'

const web: NetworkOptions = { name: 'web', subnets: ['10.7.0.0/24', 'fd00:7::/64'] }
const back: NetworkOptions = { name: 'back', subnets: ['10.8.0.0/24'], internal: true }

async function started(rig: MemoryRig): Promise<LocalController> {
  const cnm = await rig.start()
  await cnm.createNetwork(web)
  await cnm.createNetwork(back)
  return cnm
}

function connected(
  cnm: LocalController,
  name: string,
  options: EndpointOptions = {},
  sandbox: SandboxOptions = {},
): Promise<KnownLocalSandbox> {
  return cnm.createSandbox({ name, ...sandbox, connect: [{ network: 'web', ...options }] })
}

/** What is recorded of it in the machine. */
function resourcesOf(rig: MemoryRig, id: string): readonly Resource[] {
  const records = [...rig.contents.values()].map((text) => JSON.parse(text))
  return records.find((record) => record.id === id)?.value.resources ?? []
}

async function namesOf(rig: MemoryRig, box: KnownLocalSandbox, index = 0): Promise<NamesResource> {
  const { id } = (await box.endpoints())[index]!
  const names = resourcesOf(rig, id).find((each): each is NamesResource => each.kind === 'names')
  if (names === undefined) throw new Error('it has no names')
  return names
}

/** What its endpoints have put into its hosts file. */
function entriesOf(rig: MemoryRig, { id }: KnownLocalSandbox): string[] {
  const end = ` >> /run/cnm/sandboxes/${id.slice(0, 12)}/hosts`
  const lines = rig.kernel.lines().filter((line) => line.endsWith(end))
  return lines.map((line) => line.slice('echo '.length, -end.length))
}

function fileOf(rig: MemoryRig, { id }: KnownLocalSandbox, name: string): string {
  const file = resourcesOf(rig, id).find((it) => it.kind === 'file' && it.path.endsWith(`/${name}`))
  if (file?.kind !== 'file') throw new Error(`it has no ${name}`)
  return file.content
}

describe('the names of an endpoint', () => {
  it('are those of endpoint and sandbox, each once, whatever its capitals', async () => {
    const rig = new MemoryRig()
    await using cnm = await started(rig)
    const options = {
      aliases: ['backend', 'API', 'Backend'],
      expose: ['9090'],
      publish: ['8080:80'],
    }
    const box = await connected(cnm, 'api', options, { hostname: 'api1' })
    expect(await namesOf(rig, box)).toEqual({
      kind: 'names',
      endpoint: (await box.endpoints())[0]!.id,
      sandbox: box.id,
      network: { id: cnm.now.network('web').id, name: 'web' },
      names: ['api', 'backend', 'api1', box.id.slice(0, 12)],
      addresses: ['10.7.0.2', 'fd00:7::2'],
      subnets: ['10.7.0.0/24', 'fd00:7::/64'],
      services: [
        { protocol: 'tcp', ports: { from: 80, to: 80 } },
        { protocol: 'tcp', ports: { from: 9090, to: 9090 } },
      ],
      own: { 'host.internal': ['10.7.0.1', 'fd00:7::1'] },
      outside: true,
      gateway: true,
    })
  })

  it('come and go with publishing, and with the endpoint', async () => {
    const rig = new MemoryRig()
    await using cnm = await started(rig)
    const box = await connected(cnm, 'api')
    const [endpoint] = await box.endpoints()
    const services = async () => (await namesOf(rig, box)).services.map(({ ports }) => ports)
    expect(await services()).toEqual([])
    await endpoint?.publish(['8000-8009:8000-8009', '8010:8010'])
    expect(await services()).toEqual([{ from: 8000, to: 8010 }])
    await endpoint?.unpublish(['8010:8010'])
    expect(await services()).toEqual([{ from: 8000, to: 8009 }])
    const named = () => rig.kernel.lines().filter((line) => line.startsWith('# names of'))
    expect(named()).toHaveLength(1)
    await endpoint?.leave()
    expect(named()).toEqual([])
    expect(entriesOf(rig, box)).toEqual([])
  })

  it('lead nowhere outside on an internal network, nor on one without a gateway', async () => {
    const rig = new MemoryRig()
    await using cnm = await started(rig)
    const box = await cnm.createSandbox({ connect: [{ network: 'back' }, { network: 'web' }] })
    expect(await namesOf(rig, box, 0)).toMatchObject({ outside: false, gateway: false, own: {} })
    expect(await namesOf(rig, box, 1)).toMatchObject({ outside: true, gateway: true })
  })

  it('are not there where there are no addresses', async () => {
    const rig = new MemoryRig()
    await using cnm = await rig.start()
    const alone = await cnm.createSandbox({ connect: [{ network: 'none' }] })
    const hosted = await cnm.createSandbox({ host: true, connect: [{ network: 'host' }] })
    for (const box of [alone, hosted])
      expect((await (await box.endpoints())[0]?.inspect())?.dns).toBeUndefined()
    expect((await alone.inspect()).names).toEqual({})
    expect(await hosted.inspect()).not.toHaveProperty('names')
    expect(await hosted.inspect()).not.toHaveProperty('files')
    const kept = rig.kernel.lines().filter((line) => /^(# (names|resolver)|printf)/.test(line))
    expect(kept).toHaveLength(4)
  })
})

describe('the host', () => {
  it('is what leads outside, and moves with that', async () => {
    const rig = new MemoryRig()
    await using cnm = await started(rig)
    await cnm.createNetwork({ name: 'other', subnets: ['10.9.0.0/24'] })
    const box = await connected(cnm, 'api', {}, { extraHosts: ['gate:host-gateway'] })
    const own = { 'host.internal': ['10.7.0.1', 'fd00:7::1'], gate: ['10.7.0.1', 'fd00:7::1'] }
    expect((await namesOf(rig, box)).own).toEqual(own)
    const onWeb = ['10.7.0.2 api', 'fd00:7::2 api']
    expect(entriesOf(rig, box)).toEqual(
      ['10.7.0.1 host.internal gate', 'fd00:7::1 host.internal gate', ...onWeb].sort(),
    )
    const moved = await box.connect(cnm.network('other'), { gwPriority: 1 })
    // IPv6 still leaves by the first one.
    expect((await namesOf(rig, box, 0)).own['host.internal']).toEqual(['fd00:7::1'])
    expect((await namesOf(rig, box, 1)).own['host.internal']).toEqual(['10.9.0.1'])
    expect(entriesOf(rig, box)).toContain('10.9.0.1 host.internal gate')
    expect(entriesOf(rig, box)).not.toContain('10.7.0.1 host.internal gate')
    await moved.leave()
    expect((await namesOf(rig, box)).own).toEqual(own)
    expect(await cnm.doctor()).toEqual([])
  })

  it('is another address for `host-gateway`, where the engine is told so', async () => {
    const rig = new MemoryRig()
    rig.dns = { hostGateway: '192.0.2.9' }
    await using cnm = await started(rig)
    const box = await connected(cnm, 'api', {}, { extraHosts: ['gate:host-gateway'] })
    expect(fileOf(rig, box, 'hosts')).toContain('\n192.0.2.9\tgate\n')
    expect((await namesOf(rig, box)).own).toEqual({ 'host.internal': ['10.7.0.1', 'fd00:7::1'] })
  })

  it('is not `host.internal` where that is another’s name', async () => {
    const rig = new MemoryRig()
    await using cnm = await started(rig)
    const box = await connected(cnm, 'api', {}, { extraHosts: ['Host.Internal:192.0.2.9'] })
    expect((await namesOf(rig, box)).own).toEqual({})
    expect(entriesOf(rig, box)).toEqual(['10.7.0.2 api', 'fd00:7::2 api'])
  })
})

describe('the name of a link', () => {
  it('is known to its own sandbox only, as long as the other is in one', async () => {
    const rig = new MemoryRig()
    await using cnm = await started(rig)
    const db = await cnm.network('web').createEndpoint({ name: 'db', persistent: true })
    const box = await connected(cnm, 'api', { links: ['db:store', 'db'] })
    expect((await (await box.endpoints())[0]?.inspect())?.links).toEqual([db.id])
    const store = async () => (await namesOf(rig, box)).own.store
    expect(await store()).toBeUndefined()
    const other = await cnm.createSandbox({ name: 'other' })
    await db.join(other)
    await expect.poll(store).toEqual(['10.7.0.2', 'fd00:7::2'])
    expect((await namesOf(rig, other)).names).toEqual(['db', 'other', other.id.slice(0, 12)])
    await db.leave()
    await expect.poll(store).toBeUndefined()
    expect(await cnm.doctor()).toEqual([])
    expect(rig.problems).toEqual([])
  })

  it.each(['db:', 'db:a b', 'db:a:b'])('is refused: %s', async (link) => {
    await using cnm = await started(new MemoryRig())
    await connected(cnm, 'db')
    await expect(connected(cnm, 'api', { links: [link] })).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      message: `endpoint options: links has "${link}", which gives no name`,
    })
  })
})

describe('servers for names outside', () => {
  it('are those of the endpoint, or of its network; and of the sandbox', async () => {
    const rig = new MemoryRig()
    await using cnm = await started(rig)
    await cnm.createNetwork({ name: 'lab', dns: ['10.7.0.53', '[fd00::53]:5353'] })
    const connect = [{ network: 'lab' }, { network: 'web', dns: ['192.0.2.53'] }]
    const box = await cnm.createSandbox({ dns: ['192.0.2.54:54'], connect })
    expect((await namesOf(rig, box, 0)).servers).toEqual([
      { address: '10.7.0.53', port: 53 },
      { address: 'fd00::53', port: 5353 },
    ])
    expect((await namesOf(rig, box, 1)).servers).toEqual([{ address: '192.0.2.53', port: 53 }])
    const resolver = resourcesOf(rig, box.id).find(({ kind }) => kind === 'resolver')
    expect(resolver).toMatchObject({ servers: [{ address: '192.0.2.54', port: 54 }] })
    const same = { name: 'lab', dns: ['10.7.0.53:53', '[fd00::53]:5353'] }
    expect((await cnm.ensureNetwork(same)).name).toBe('lab')
    await expect(cnm.ensureNetwork({ name: 'lab', dns: ['192.0.2.1'] })).rejects.toMatchObject({
      code: 'NETWORK_EXISTS',
      message: expect.stringContaining(
        'its dns is 10.7.0.53:53, [fd00::53]:5353, not 192.0.2.1:53',
      ),
    })
  })
})

describe('the zone of the host', () => {
  const zones = (rig: MemoryRig) => {
    return rig.kernel.lines().filter((line) => line.startsWith('# resolver of the host'))
  }

  it('is there as long as there is a network', async () => {
    const rig = new MemoryRig()
    await using cnm = await started(rig)
    expect(zones(rig)).toEqual(['# resolver of the host at 127.0.0.153 for cnm.internal'])
    await cnm.network('web').delete()
    expect(zones(rig)).toHaveLength(1)
    await cnm.network('back').delete()
    expect(zones(rig)).toEqual([])
  })

  it.each([
    [{ listen: '127.0.0.99' }, ['# resolver of the host at 127.0.0.99 for cnm.internal']],
    [{ listen: '::1' }, ['# resolver of the host at ::1 for cnm.internal']],
    [{ zone: 'Box.Test' }, ['# resolver of the host at 127.0.0.153 for box.test']],
    [{ zone: false }, []],
  ] as const)('is another one for an engine that is told %j', async (dns, lines) => {
    const rig = new MemoryRig()
    await (await started(rig)).close()
    rig.dns = dns
    await using cnm = await rig.start()
    expect(zones(rig)).toEqual(lines)
    expect(await cnm.doctor()).toEqual([])
    expect(rig.problems).toEqual([])
  })

  it.each([
    { listen: '0.0.0.0' },
    { listen: '192.0.2.1' },
    { listen: '127.0.0.11' },
    { zone: 'a b' },
    { zone: '' },
  ])('is not %j', async (dns) => {
    const rig = new MemoryRig()
    rig.dns = dns
    await expect(rig.start()).rejects.toMatchObject({ code: 'INVALID_OPTION' })
  })
})
