import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it, vi } from 'vitest'
import { DaemonProcess, isWarning, runDir } from '../support/daemon-process.ts'
import { hasDocker } from '../support/docker-daemon.ts'
import { DockerPluginRig } from '../support/docker-plugin-rig.ts'
import { isRunning, keeperPid } from '../support/keeper-rig.ts'
import { hasLastRelease, lastRelease } from '../support/last-release.ts'
import { type Seen, UpgradeWorld } from '../support/upgrade-world.ts'

// The last release and this version, one after the other on a host whose sandboxes are at work all the time.

vi.setConfig({ testTimeout: 180_000 })

/** Everything that was to be seen is still so; a later version may say more. */
function expectStill(before: Seen): Seen {
  return JSON.parse(JSON.stringify(before), (_, value) => {
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    return isObject ? expect.objectContaining(value) : value
  })
}

it.skipIf(!hasLastRelease).each(['SIGTERM', 'SIGKILL'] as const)(
  'takes over from the last release, which ends by %s, and nothing is lost',
  async (signal) => {
    await using world = await UpgradeWorld.start(lastRelease())
    await world.populate()
    await world.work()
    await world.goOn()
    expect(await world.say('before ')).toBe(true)
    const before = await world.seen()
    const keeper = (await keeperPid(world.host))!

    await world.end(signal)
    await world.goOn()
    await world.follow()
    await world.goOn()
    expect(await world.say('after ')).toBe(true)
    expect(await world.seen()).toEqual(expectStill(before))
    expect(await world.daemon.ask('POST /v1/doctor', {})).toEqual([])
    expect(await isRunning(keeper)).toBe(true)

    // And it comes back by itself, with the keeper of the release before.
    await world.end('SIGKILL')
    await world.follow()
    await world.goOn()
    expect(await world.say('again ')).toBe(true)
    expect(await world.seen()).toEqual(expectStill(before))
    expect(await world.daemon.ask('POST /v1/doctor', {})).toEqual([])
    expect(await world.losses()).toEqual([])
  },
)

it('refuses what a newer cnm has left, and changes nothing of it', async () => {
  await using world = await UpgradeWorld.start()
  await world.populate()
  await world.work()
  const before = await world.seen()
  await world.end('SIGTERM')
  const format = join(runDir(world.host), 'records/format')
  const written = await readFile(format, 'utf8')
  await writeFile(format, '999\n')
  const [file] = await readdir(join(world.host.folder, 'state/networks'))
  const network = join(world.host.folder, 'state/networks', file!)
  const record = await readFile(network, 'utf8')

  const refused = new DaemonProcess(world.host)
  expect(await refused.ended).toBe(4)
  expect(refused.said).toMatch(/records is of a newer cnm: its format is 999, and this one knows/)
  await writeFile(format, written)
  await writeFile(network, record.replace('"format": 1', '"format": 999'))
  const again = new DaemonProcess(world.host)
  expect(await again.ended).toBe(4)
  expect(again.said).toContain(`${network} is of a newer cnm`)
  await writeFile(network, record)

  await world.goOn()
  await world.follow()
  await world.goOn()
  expect(await world.seen()).toEqual(before)
  expect(await world.daemon.ask('POST /v1/doctor', {})).toEqual([])
  expect(await world.losses()).toEqual([])
})

it.skipIf(!hasLastRelease || !hasDocker)("takes over Docker's containers, too", async () => {
  await using rig = await DockerPluginRig.start({ program: lastRelease() })
  const { docker, host } = rig
  await docker.docker('network', 'create', '-d', 'cnm', '--ipam-driver', 'cnm', 'web')
  const run = ['run', '-d', '--network', 'web']
  const serve = ['idle', 'sh', '-c', 'cd /bin && echo here > id && exec httpd -f -p 80']
  await docker.docker(...run, '--name', 'server', '-p', '8080:80', ...serve)
  await docker.docker(...run, '--name', 'client', 'idle', 'sleep', '3600')
  const fetch = () => host.sh('curl -sf -m 8 http://127.0.0.1:8080/id').catch(() => 'nothing')
  const ask = () => docker.docker('exec', 'client', 'wget', '-qO-', 'http://server/id')
  await expect.poll(fetch).toBe('here\n')
  const before = await rig.known('endpoints')

  await rig.replaceDaemon('SIGTERM')
  expect(await rig.known('endpoints')).toEqual(before.map((it) => expect.objectContaining(it)))
  expect(await rig.cnm.ask('POST /v1/doctor', {})).toEqual([])
  expect(await fetch()).toBe('here\n')
  expect(await ask()).toBe('here')
  await docker.docker('run', '--rm', '--network', 'web', 'idle', 'ping', '-c1', 'server')
  await docker.docker('rm', '-f', 'server', 'client')
  await docker.docker('network', 'rm', 'web')
  await rig.expectNothingLeft()
})

it.skipIf(!hasLastRelease)(
  'is not followed by the last release unless it hands the host back, and nothing is lost',
  async () => {
    await using world = await UpgradeWorld.start()
    await world.populate()
    await world.work()
    const before = await world.seen()
    await world.end('SIGTERM')
    const refused = new DaemonProcess(world.host, [], { program: lastRelease() })
    expect(await refused.ended).not.toBe(0)
    expect(refused.said).toMatch(/the store can't use .*records.mdb/)
    await world.goOn()
    await world.follow()
    await world.goOn()
    expect(await world.seen()).toEqual(before)
    expect(await world.daemon.ask('POST /v1/doctor', {})).toEqual([])
    expect(await world.losses()).toEqual([])
  },
)

it.skipIf(!hasLastRelease)(
  'hands the host back to the last release, and nothing is lost',
  async () => {
    await using world = await UpgradeWorld.start(lastRelease())
    await world.populate()
    await world.work()
    await world.goOn()
    expect(await world.say('before ')).toBe(true)
    const before = await world.seen()
    await world.end('SIGTERM')
    await world.follow()
    await world.goOn()

    await world.end('SIGTERM')
    const handing = new DaemonProcess(world.host, ['--hand-back'])
    expect(await handing.ended, handing.said).toBe(0)
    await world.goOn()
    await world.follow(lastRelease())
    await world.goOn()
    expect(await world.say('back ')).toBe(true)
    expect(await world.seen()).toEqual(expectStill(before))
    expect(await world.daemon.ask('POST /v1/doctor', {})).toEqual([])
    expect(world.daemon.log.filter(isWarning)).toEqual([])
    expect(await world.losses()).toEqual([])
    // It can do what it could, and be followed again.
    await world.daemon.ask('DELETE /v1/sandboxes/db')
    await world.daemon.ask('POST /v1/sandboxes', { name: 'db2', connect: [{ network: 'inner' }] })
    await world.end('SIGKILL')
    await world.follow()
    expect(await world.daemon.ask('POST /v1/doctor', {})).toEqual([])
  },
)
