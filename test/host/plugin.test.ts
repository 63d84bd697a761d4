import type { ChildProcess } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import type { EngineOptions, LocalController } from '#dist/linux/library.js'
import { cliHost, until } from '../support/cli-host.ts'
import { DaemonProcess } from '../support/daemon-process.ts'
import { addressOf, type EngineRig, engineRig, expectReached } from '../support/engine-rig.ts'
import { type Sample, SamplePlugins } from '../support/sample-plugins.ts'

let folder: string
let samples: SamplePlugins
let rig: EngineRig
let sockets: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cnm-plugins-'))
  samples = await SamplePlugins.compile(folder)
})

afterAll(() => rm(folder, { recursive: true, force: true }))

beforeEach(async () => {
  rig = await engineRig()
  sockets = join(rig.host.folder, 'plugins')
  await mkdir(sockets)
})

afterEach(async () => {
  await samples[Symbol.asyncDispose]()
  await rig[Symbol.asyncDispose]()
})

/** One of the sample programs, on the throw-away host. */
function startSample(program: Sample, name: string): Promise<ChildProcess> {
  return samples.start(program, join(sockets, `${name}.sock`), rig.host.netns)
}

function stop(child: ChildProcess): Promise<void> {
  return samples.kill(child)
}

function start(options: EngineOptions = {}): Promise<LocalController> {
  return rig.start({ plugins: { sockets: [sockets], specs: [] }, ...options })
}

/** Waits until an endpoint has become so. */
async function becomes(
  cnm: LocalController,
  id: string,
  plugin: 'ready' | 'degraded',
): Promise<void> {
  await expect
    .poll(async () => (await cnm.endpoint(id).inspect()).plugin, { timeout: 20_000 })
    .toBe(plugin)
}

it('networks of a sample driver with a sample IPAM', async () => {
  await startSample('network-driver', 'sample')
  await startSample('ipam-driver', 'sample-ipam')
  const cnm = await start()
  const before = await rig.host.ip('link')
  const web = await cnm.createNetwork({ name: 'web', driver: 'sample', ipam: 'sample-ipam' })
  const other = await cnm.createNetwork({ name: 'other', driver: 'sample', ipam: 'sample-ipam' })
  expect((await web.inspect()).ipv4?.subnet).toMatch(/^10\.201\./)
  const a = await cnm.createSandbox({ name: 'a', connect: [{ network: 'web' }] })
  const b = await cnm.createSandbox({ name: 'b' })
  await b.connect(web)
  const c = await cnm.createSandbox({
    name: 'c',
    connect: [{ network: 'other' }, { network: 'web' }],
  })
  await expectReached(
    [a, await addressOf(b), true],
    [b, await addressOf(a), true],
    [c, await addressOf(a), true],
    [c, (await other.inspect()).ipv4?.gateway, true],
  )
  expect(await cnm.doctor()).toEqual([])
  expect(await cnm.plugins()).toMatchObject([
    { name: 'sample', state: 'ready', implements: ['NetworkDriver'], networks: ['web', 'other'] },
    { name: 'sample-ipam', state: 'ready', implements: ['IpamDriver'], degraded: 0 },
  ])
  await cnm.down()
  const links = (text: string) => text.replace(/^(\d+: )/gm, '')
  expect(links(await rig.host.ip('link'))).toBe(links(before))
  expect(rig.problems).toEqual([])
})

it('what a plugin forgets when it is started anew is made again', async () => {
  let plugin = await startSample('network-driver', 'sample')
  const cnm = await start()
  const web = await cnm.createNetwork({ name: 'web', driver: 'sample' })
  const [a, b] = [await cnm.createSandbox({ name: 'a' }), await cnm.createSandbox({ name: 'b' })]
  const [end] = [await a.connect(web), await b.connect(web)]
  const before = await end.inspect()
  await stop(plugin)
  await becomes(cnm, end.id, 'degraded')
  // What there is goes on.
  await expectReached([a, await addressOf(b), true])
  plugin = await startSample('network-driver', 'sample')
  await becomes(cnm, end.id, 'ready')
  await becomes(cnm, (await b.endpoints())[0]!.id, 'ready')
  expect(await end.inspect()).toEqual(before)
  await expectReached([a, await addressOf(b), true], [b, await addressOf(a), true])
  expect(await cnm.doctor()).toEqual([])
})

it('starts without its plugin, and meets it later', async () => {
  const plugin = await startSample('network-driver', 'sample')
  const cnm = await start({ keeper: { stay: true } })
  const web = await cnm.createNetwork({ name: 'web', driver: 'sample' })
  const a = await cnm.createSandbox({ name: 'a', connect: [{ network: web.name }] })
  const { id } = (await a.endpoints())[0]!
  await cnm.close()
  await stop(plugin)
  const begun = Date.now()
  const again = await start()
  expect(Date.now() - begun).toBeLessThan(5_000)
  expect((await again.endpoint(id).inspect()).plugin).toBe('degraded')
  const b = await again.createSandbox({ name: 'b' })
  await expect(b.connect(again.network('web'))).rejects.toMatchObject({
    code: 'PLUGIN_UNAVAILABLE',
  })
  expect(await b.endpoints()).toEqual([])
  await startSample('network-driver', 'sample')
  await becomes(again, id, 'ready')
  await b.connect(again.network('web'))
  await expectReached([b, await addressOf(again.sandbox('a')), true])
  await again.down()
})

it('the daemon is told where plugins are, and tells how they are', async () => {
  await using cli = await cliHost()
  const plugins = join(cli.host.folder, 'plugins')
  await mkdir(plugins)
  const config = join(cli.host.folder, 'config.json')
  await writeFile(config, JSON.stringify({ plugins: { sockets: [plugins], specs: [plugins] } }))
  await new DaemonProcess(cli.host, ['--config', config]).ready()
  expect(await cli.ok('plugin', 'ls', '-q')).toBe('')
  const socket = join(plugins, 'sample.sock')
  const program = await samples.start('network-driver', socket, cli.host.netns)
  await writeFile(join(plugins, 'broken.spec'), 'nowhere')
  await cli.ok('network', 'create', '-d', 'sample', 'web')
  await cli.ok('sandbox', 'create', '--network', 'web', 'box')
  const row = (await cli.ok('plugin', 'ls')).split('\n').find((line) => line.startsWith('sample'))
  expect(row?.split(/ {2,}/)).toEqual([
    'sample',
    'ready',
    'NetworkDriver',
    'web',
    `unix://${socket}`,
  ])
  expect(await cli.json('plugin', 'inspect', 'broken')).toMatchObject([
    { name: 'broken', state: 'unavailable', problem: expect.stringContaining('is no address') },
  ])
  await samples.kill(program)
  await until(async () => {
    const [{ degraded }] = await cli.json<[{ degraded: number }]>('plugin', 'inspect', 'sample')
    return degraded === 1
  }, 'the endpoint is not degraded')
  expect(await cli.ok('plugin', 'ls')).toContain('1 degraded')
  expect(await cli.cnm('plugin', 'inspect', 'nobody')).toMatchObject({ code: 3, out: '[]\n' })
  expect(await cli.cnm('network', 'create', '-d', 'nobody', 'lan')).toMatchObject({
    code: 3,
    err: expect.stringContaining('there is no driver "nobody"'),
  })
  // Nothing of it waits for the plugin.
  await cli.ok('sandbox', 'rm', 'box')
  await cli.ok('network', 'rm', 'web')
})
