import { once } from 'node:events'
import { rename, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { expect, it, vi } from 'vitest'
import { hasDocker } from '../support/docker-daemon.ts'
import { DockerPluginRig } from '../support/docker-plugin-rig.ts'

// Either of the two daemons ends and begins again, and containers know nothing of it, or come back.

vi.setConfig({ testTimeout: 180_000 })

const serve = ['idle', 'sh', '-c', 'cd /bin && echo here > id && exec httpd -f -p 80']

/** A network, and two containers on it: one that serves, and one that asks. */
async function twoContainers({ docker, host }: DockerPluginRig, ...options: string[]) {
  await docker.docker('network', 'create', '-d', 'cnm', '--ipam-driver', 'cnm', 'web')
  const run = ['run', '-d', '--network', 'web', ...options]
  await docker.docker(...run, '--name', 'server', '-p', '8080:80', ...serve)
  await docker.docker(...run, '--name', 'client', 'idle', 'sleep', '3600')
  const pid = await docker.docker('inspect', '-f', '{{.State.Pid}}', 'client')
  return {
    /** From outside, by the published port. */
    fetch: () => host.sh('curl -sf -m 8 http://127.0.0.1:8080/id').catch(() => 'nothing'),
    ask: () => docker.docker('exec', 'client', 'wget', '-qO-', 'http://server/id'),
    /** Without a word to Docker. */
    ping: () => docker.inside(pid, ['ping', '-c1', '-W2', '198.51.100.1']),
  }
}

/** Refuses at once what Docker would ask again and again, for 15 s each time, of a daemon that is away. */
async function refusing(path: string): Promise<AsyncDisposable> {
  await rm(path)
  const server = createServer((_, response) => response.writeHead(500).end('{"Err":"away"}'))
  await once(server.listen(path), 'listening')
  return {
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await once(server.close(), 'close')
    },
  }
}

it.skipIf(!hasDocker)(
  'lets containers go on while our daemon is restarted, or killed',
  async () => {
    await using rig = await DockerPluginRig.start()
    const { docker, host } = rig
    const { fetch, ask, ping } = await twoContainers(rig)
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      rig.cnm.kill(signal)
      await rig.cnm.ended
      expect(await fetch()).toBe('here\n')
      expect(await ask()).toBe('here')
      await ping()
      await rig.startDaemon()
      expect(await rig.known('endpoints')).toHaveLength(2)
      expect(await rig.cnm.ask('POST /v1/doctor', {})).toEqual([])
      // What begins and ends now finds everything as it was.
      await docker.docker('run', '--rm', '--network', 'web', 'idle', 'ping', '-c1', 'server')
    }
    // What is on the host is mended, and the rest of a running container is let alone.
    for (const { id } of await rig.known('endpoints')) {
      await host.ip(`link set veth${id.slice(0, 10)} nomaster`)
    }
    await rig.cnm.ask('POST /v1/doctor', { fix: true })
    expect(await rig.cnm.ask('POST /v1/doctor', {})).toEqual([])
    await ping()
    expect(await ask()).toBe('here')
    // One dies while nobody is there to be told; Docker tries again until somebody is.
    rig.cnm.kill('SIGKILL')
    await rig.cnm.ended
    const removed = docker.docker('rm', '-f', 'server')
    await rig.startDaemon()
    await removed
    expect(await rig.known('endpoints')).toHaveLength(1)
    expect(await fetch()).toBe('nothing')
    await docker.docker('rm', '-f', 'client')
    await docker.docker('network', 'rm', 'web')
    await rig.expectNothingLeft()
  },
)

it.skipIf(!hasDocker)(
  'ends what was in a container that has ended while our daemon was away, for longer than Docker asks',
  async () => {
    await using rig = await DockerPluginRig.start()
    const { docker } = rig
    const { fetch, ask, ping } = await twoContainers(rig)
    rig.cnm.kill('SIGKILL')
    await rig.cnm.ended
    {
      await using _ = await refusing(join(rig.host.folder, 'plugins', 'cnm.sock'))
      await docker.docker('kill', 'server')
    }
    await rig.startDaemon()
    expect(await rig.known('endpoints')).toHaveLength(1)
    await ping()
    await docker.docker('start', 'server')
    expect(await fetch()).toBe('here\n')
    expect(await ask()).toBe('here')
    expect(await rig.cnm.ask('POST /v1/doctor', {})).toEqual([])
    await docker.docker('rm', '-f', 'server', 'client')
    await docker.docker('network', 'rm', 'web')
    await rig.expectNothingLeft()
  },
)

it.skipIf(!hasDocker)('outlives a dockerd with live-restore', async () => {
  await using rig = await DockerPluginRig.start({ args: ['--live-restore'] })
  const { docker } = rig
  const { fetch, ask, ping } = await twoContainers(rig)
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    await docker.end(signal)
    expect(await fetch()).toBe('here\n')
    await ping()
    await rig.replaceDaemon('SIGKILL')
    expect(await fetch()).toBe('here\n')
    await docker.begin()
    expect(await ask()).toBe('here')
    expect(await fetch()).toBe('here\n')
    expect(await rig.known('endpoints')).toHaveLength(2)
  }
  await docker.docker('run', '--rm', '--network', 'web', 'idle', 'ping', '-c1', 'server')
  await docker.docker('rm', '-f', 'server', 'client')
  await docker.docker('network', 'rm', 'web')
  await rig.expectNothingLeft()
})

it.skipIf(!hasDocker)('comes back with a dockerd without live-restore', async () => {
  await using rig = await DockerPluginRig.start()
  const { docker } = rig
  const { fetch } = await twoContainers(rig, '--restart', 'always')
  const before = await rig.known('endpoints')
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    await docker.end(signal)
    await docker.begin()
    await expect.poll(fetch).toBe('here\n')
    expect(await docker.docker('exec', 'client', 'wget', '-qO-', 'http://server/id')).toBe('here')
    // Those of before are gone: containers have new ones.
    await expect.poll(async () => (await rig.known('endpoints')).length).toBe(2)
    const ids = (await rig.known('endpoints')).map(({ id }) => id)
    for (const { id } of before) expect(ids).not.toContain(id)
  }
  await docker.docker('rm', '-f', 'server', 'client')
  await docker.docker('network', 'rm', 'web')
  await rig.expectNothingLeft()
})

it.skipIf(!hasDocker)('is found by a spec file, too', async () => {
  await using rig = await DockerPluginRig.start()
  const { docker, host } = rig
  const folder = join(host.folder, 'plugins')
  await rename(join(folder, 'cnm.sock'), join(host.folder, 'elsewhere.sock'))
  const refused = await docker.try('network', 'create', '-d', 'cnm', 'web')
  expect(refused.stderr).toContain('plugin "cnm" not found')
  const spec = `unix://${host.folder}/elsewhere.sock\n`
  await writeFile(join(host.folder, 'specs', 'cnm.spec'), spec)
  await docker.docker('network', 'create', '-d', 'cnm', 'web')
  await docker.docker('run', '--rm', '--network', 'web', 'idle', 'true')
  await docker.docker('network', 'rm', 'web')
  await rig.expectNothingLeft()
})
