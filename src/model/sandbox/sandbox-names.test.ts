import { describe, expect, it } from 'vitest'
import { MemoryRig } from '../../../test/support/memory-rig.ts'
import type { SandboxOptions } from '../../api/options.ts'
import { type MemoryKernel, memoryKernel } from '../../kernel/memory/index.ts'
import type { Resource } from '../../kernel/resource.ts'
import { createController } from '../controller.ts'
import type { KnownLocalSandbox } from './sandbox.ts'

function resourcesOf(rig: MemoryRig, { id }: KnownLocalSandbox): readonly Resource[] {
  const records = [...rig.contents.values()].map((text) => JSON.parse(text))
  return records.find((record) => record.id === id)?.value.resources
}

function contents(rig: MemoryRig, box: KnownLocalSandbox): Record<string, string> {
  return Object.fromEntries(
    resourcesOf(rig, box).flatMap((each) => {
      return each.kind === 'file' ? [[each.path.split('/').at(-1)!, each.content]] : []
    }),
  )
}

/** A machine whose host has that in its resolv.conf. */
function hostWith(search: readonly string[], options: readonly string[]): MemoryKernel {
  const kernel = memoryKernel()
  return {
    ...kernel,
    view: async () => ({ ...(await kernel.view()), resolver: { search, options } }),
  }
}

/** Without its comments. */
const lines = (text = '') => text.split('\n').filter((line) => line !== '' && !/^#/.test(line))

describe('a sandbox has', () => {
  it('files and a resolver, for as long as it is there', async () => {
    const rig = new MemoryRig()
    const before = rig.snapshot()
    await using cnm = await rig.start()
    const box = await cnm.createSandbox({ name: 'api' })
    const folder = `/run/cnm/sandboxes/${box.id.slice(0, 12)}`
    expect(await box.inspect()).toMatchObject({
      hostname: 'api',
      files: {
        hosts: `${folder}/hosts`,
        hostname: `${folder}/hostname`,
        resolvConf: `${folder}/resolv.conf`,
      },
      names: {},
    })
    expect(contents(rig, box).hostname).toBe('api\n')
    expect(lines(contents(rig, box)['resolv.conf'])).toEqual([
      'nameserver 127.0.0.11',
      'options ndots:0',
    ])
    await box.delete()
    expect(rig.snapshot()).toEqual(before)
  })

  it('them where it had them before, if an engine keeps them elsewhere now', async () => {
    const rig = new MemoryRig()
    const before = await createController({ ...rig.parts(), sandboxDir: '/run/cnm/earlier' })
    await before.createNetwork({ name: 'web' })
    await before.createSandbox({ name: 'old' })
    await before.close()
    await using cnm = await rig.start()
    const [old, young] = [cnm.now.sandbox('old'), await cnm.createSandbox({ name: 'young' })]
    const folder = `/run/cnm/earlier/${old.id.slice(0, 12)}`
    expect((await old.inspect()).files?.hosts).toBe(`${folder}/hosts`)
    expect((await young.inspect()).files?.hosts).toMatch(/^\/run\/cnm\/sandboxes\//)
    await old.connect(cnm.network('web'))
    const entries = rig.kernel.lines().filter((line) => line.includes(`>> ${folder}/hosts`))
    expect(entries).not.toEqual([])
    expect(await cnm.doctor()).toEqual([])
    await old.delete()
    expect(rig.kernel.lines().filter((line) => line.includes(folder))).toEqual([])
  })

  it('the same in a foreign namespace', async () => {
    const rig = new MemoryRig()
    rig.kernel.addNamespace('/run/netns/theirs')
    const before = rig.snapshot()
    await using cnm = await rig.start()
    const box = await cnm.createSandbox({ netns: '/run/netns/theirs' })
    expect(resourcesOf(rig, box).map(({ kind }) => kind)).toEqual([
      'file',
      'file',
      'file',
      'resolver',
    ])
    await box.delete()
    expect(rig.snapshot()).toEqual(before)
  })

  it('neither resolver nor resolv.conf where its runtime answers names itself', async () => {
    const rig = new MemoryRig()
    await using cnm = await rig.start()
    const box = await cnm.createSandbox({ name: 'api', resolver: false })
    expect(Object.keys(contents(rig, box))).toEqual(['hosts', 'hostname'])
    expect(rig.kernel.lines().join('\n')).not.toContain('# resolver in')
    expect((await box.inspect()).files).not.toHaveProperty('resolvConf')
    expect(await box.inspect()).not.toHaveProperty('names')
  })

  it('its short id for a hostname, where no host can be called as it is', async () => {
    const rig = new MemoryRig()
    await using cnm = await rig.start()
    for (const name of ['my_api', '10.7.0.9', 'localhost']) {
      const box = await cnm.createSandbox({ name })
      expect((await box.inspect()).hostname).toBe(box.id.slice(0, 12))
    }
  })

  it('its domain in its hosts file', async () => {
    const rig = new MemoryRig()
    await using cnm = await rig.start()
    await cnm.createNetwork({ name: 'web', subnets: ['10.7.0.0/24'] })
    const connect = [{ network: 'web' }]
    await cnm.createSandbox({ name: 'a', hostname: 'api', domainname: 'example.org', connect })
    await cnm.createSandbox({ name: 'b', hostname: 'db.example.org', connect })
    const machine = rig.kernel.lines().join('\n')
    expect(machine).toContain('echo 10.7.0.2 api.example.org api >>')
    expect(machine).toContain('echo 10.7.0.3 db.example.org db >>')
  })

  it('lines of its user in its hosts file', async () => {
    const rig = new MemoryRig()
    await using cnm = await rig.start()
    const box = await cnm.createSandbox({ extraHosts: ['db:10.9.0.9', 'gate:host-gateway'] })
    const hosts = lines(contents(rig, box).hosts)
    expect(hosts.filter((line) => /^(10|127)/.test(line))).toEqual([
      '127.0.0.1\tlocalhost',
      '10.9.0.9\tdb',
    ])
    expect(hosts.join()).not.toContain('gate')
  })
})

describe('its resolv.conf', () => {
  const wanted = { dnsSearch: ['example.org'], dnsOptions: ['rotate'] }

  it.each<[string, SandboxOptions, string[], true | undefined]>([
    ['as the host has it', {}, ['search lan', 'options ndots:2 trust-ad'], true],
    ['as its user has it', wanted, ['search example.org', 'options rotate ndots:0'], undefined],
    ['with nothing to be searched', { dnsSearch: ['.'] }, ['options ndots:2 trust-ad'], true],
    ['with dots', { dnsOptions: ['ndots:1'] }, ['search lan', 'options ndots:1'], true],
  ])('is %s', async (_, options, rest, ndots) => {
    const rig = new MemoryRig(hostWith(['lan'], ['ndots:2', 'trust-ad']))
    await using cnm = await rig.start()
    const box = await cnm.createSandbox(options)
    expect(lines(contents(rig, box)['resolv.conf'])).toEqual(['nameserver 127.0.0.11', ...rest])
    const resolver = resourcesOf(rig, box).find((each) => each.kind === 'resolver')
    expect(resolver?.ndots).toBe(ndots)
  })
})

describe('it is refused', () => {
  it.each<[SandboxOptions, string]>([
    [{ host: true, hostname: 'a' }, 'so there can be no hostname'],
    [{ host: true, dns: ['10.0.0.1'] }, 'so there can be no dns'],
    [{ host: true, resolver: false }, 'so there can be no resolver'],
    [{ resolver: false, dnsSearch: ['a'] }, 'to which dnsSearch could apply'],
  ])('what would have no effect: %j', async (options, message) => {
    await using cnm = await new MemoryRig().start()
    await expect(cnm.createSandbox(options)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining(message),
    })
    expect(await cnm.sandboxes()).toEqual([])
  })

  it('servers where its endpoint has no link', async () => {
    await using cnm = await new MemoryRig().start()
    const connect = [{ network: 'none', dns: ['10.0.0.1'] }]
    await expect(cnm.createSandbox({ connect })).rejects.toMatchObject({
      code: 'NOT_ALLOWED',
      message: expect.stringContaining('so it can have no dns'),
    })
  })

  it('aliases where nothing could find them', async () => {
    await using cnm = await new MemoryRig().start()
    const connect = [{ network: 'none', aliases: ['db'] }]
    await expect(cnm.createSandbox({ connect })).rejects.toMatchObject({
      code: 'NOT_ALLOWED',
      message: expect.stringContaining('so it can have no aliases'),
    })
  })
})

it('a sandbox of an earlier version gets files, names and a resolver when an engine starts', async () => {
  const rig = new MemoryRig()
  const first = await rig.start()
  await first.createNetwork({ name: 'web' })
  const { id } = await first.createSandbox({ name: 'api', connect: [{ network: 'web' }] })
  await first.close()
  const before = rig.snapshot()
  const isNew = ({ kind }: Resource) =>
    ['file', 'hosts-entry', 'names', 'resolver', 'zone'].includes(kind)
  for (const [key, text] of rig.contents) {
    const record = JSON.parse(text)
    const { resources } = record.value ?? {}
    if (resources === undefined) continue
    await rig.kernel.apply({ remove: resources.filter(isNew), add: [] })
    record.value.resources = resources.filter((each: Resource) => !isNew(each))
    rig.contents.set(key, JSON.stringify(record))
  }
  expect(rig.kernel.lines()).not.toEqual(before.machine)
  await using second = await rig.start()
  expect(rig.snapshot().machine).toEqual(before.machine)
  expect((await second.sandbox(id).inspect()).names).toEqual({})
  expect(await second.doctor()).toEqual([])
})
