import { type ChildProcess, spawn } from 'node:child_process'
import { lstat, readdir, readlink, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { askAt, DaemonProcess, runDir } from '../support/daemon-process.ts'
import { daemonAtGivenSocket } from '../support/given-socket.ts'
import { throwAwayHost } from '../support/host.ts'
import { keeperPid } from '../support/keeper-rig.ts'
import { NotifySocket } from '../support/notify-socket.ts'

interface Box {
  readonly id: string
  readonly name: string
  readonly namespace: { readonly path: string }
}

async function twoBoxes(daemon: DaemonProcess): Promise<readonly [Box, Box]> {
  await daemon.ask('POST /v1/networks', { name: 'web', subnets: ['10.7.0.0/24'] })
  const make = (name: string) =>
    daemon.ask<Box>('POST /v1/sandboxes', { name, connect: [{ network: 'web' }] })
  return [await make('a'), await make('b')]
}

const everything = ['networks', 'sandboxes', 'endpoints'] as const

/** When the keeper has answered everything that it was told. */
async function seen(daemon: DaemonProcess): Promise<unknown[]> {
  const late = async () => {
    const all = await daemon.ask<{ dns?: string }[]>('GET /v1/endpoints')
    return all.filter(({ dns }) => dns === 'degraded')
  }
  await expect.poll(late).toEqual([])
  return Promise.all(everything.map((what) => daemon.ask(`GET /v1/${what}`)))
}

async function end(daemon: DaemonProcess): Promise<void> {
  await daemon.ask('POST /v1/down')
  expect(await daemon.stop()).toBe(0)
}

it('is killed and comes back, and everything has gone on', async () => {
  await using host = await throwAwayHost({ internet: true })
  const first = await new DaemonProcess(host).ready()
  const [a, b] = await twoBoxes(first)
  await first.ask(`POST /v1/sandboxes/${a.id}/exec`, { argv: ['true'] })
  const before = await seen(first)
  first.kill('SIGKILL')
  expect(await first.ended).toBe('SIGKILL')
  const ping = () => host.inside(a.namespace.path, ['ping', '-c1', '-W2', '10.7.0.3'])
  await ping()
  const second = await new DaemonProcess(host).ready()
  await ping()
  expect(await seen(second)).toEqual(before)
  expect(await second.ask('POST /v1/doctor', {})).toEqual([])
  const result = await second.ask(`POST /v1/sandboxes/${b.name}/exec`, {
    argv: ['sh', '-c', 'cat; hostname; env | sed "s/=.*//" | sort; exit 3'],
    input: 'hello\n',
    env: { PATH: process.env.PATH, ONE: '1' },
  })
  expect(result).toEqual({
    code: 3,
    signal: null,
    stdout: 'hello\nb\nONE\nPATH\nPWD\n',
    stderr: '',
  })
  await end(second)
  expect(await host.ip('-j link show type bridge')).toEqual([])
})

it('leaves sandboxes as they are when it is stopped', async () => {
  await using host = await throwAwayHost()
  const first = await new DaemonProcess(host).ready()
  const [a] = await twoBoxes(first)
  const before = await seen(first)
  first.kill('SIGHUP')
  expect(await first.stop()).toBe(0)
  await expect(lstat(join(runDir(host), 'cnm.sock'))).rejects.toMatchObject({ code: 'ENOENT' })
  await host.inside(a.namespace.path, ['ping', '-c1', '-W2', '10.7.0.3'])
  expect(first.log.map(({ msg }) => msg)).toContain('stopping')
  const second = await new DaemonProcess(host).ready()
  expect(await seen(second)).toEqual(before)
  await end(second)
})

it('is the only one of its folders, and of its host, and whoever is refused leaves nothing', async () => {
  await using host = await throwAwayHost()
  const first = await new DaemonProcess(host).ready()
  await twoBoxes(first)
  const keeper = await keeperPid(host)
  const other = (name: string) => join(host.folder, `other-${name}`)
  const state = ['--state-dir', other('state')]
  const run = ['--run-dir', other('run')]
  for (const [flags, message] of [
    [[], `process ${first.pid} is the engine of the state folder`],
    [state, `process ${first.pid} is the engine of the run folder`],
    [run, `process ${first.pid} is the engine of the state folder`],
    [[...state, ...run], 'another engine on this host owns'],
  ] as const) {
    const second = new DaemonProcess(host, flags)
    await expect(second.ready()).rejects.toThrow(message)
    expect(await second.ended).toBe(4)
  }
  expect((await readdir(host.folder)).filter((name) => name.startsWith('other-'))).toEqual([])
  expect(await host.sh('ss -xlpnH')).not.toContain(other('run'))
  expect(await keeperPid(host)).toBe(keeper)
  expect(await first.ask('GET /v1/status')).toMatchObject({ pid: first.pid, networks: 3 })
  expect(await first.ask('POST /v1/doctor', {})).toEqual([])
  await end(first)
})

it('has a socket for its group, and logs who connects', async () => {
  await using host = await throwAwayHost()
  const daemon = await new DaemonProcess(host, ['--log-level', 'debug']).ready()
  const { mode, uid } = await lstat(join(runDir(host), 'cnm.sock'))
  expect([(mode & 0o777).toString(8), uid]).toEqual(['660', process.getuid?.()])
  await daemon.ask('POST /v1/networks', { name: 'web' })
  const peer = { pid: process.pid, uid: process.getuid?.() }
  await expect
    .poll(() => daemon.log)
    .toContainEqual(expect.objectContaining({ msg: 'connection', ...peer }))
  await expect
    .poll(() => daemon.log)
    .toContainEqual(expect.objectContaining({ msg: 'create network', ...peer }))
  await end(daemon)
})

/** A process that is in that namespace already: until it has got there it is one of another host. */
async function sleeperIn(netns: string): Promise<ChildProcess> {
  const sleeper = spawn('nsenter', [`--net=${netns}`, 'sleep', '60'])
  const { ino } = await stat(netns)
  await expect.poll(() => readlink(`/proc/${sleeper.pid}/ns/net`)).toBe(`net:[${ino}]`)
  return sleeper
}

it('ends by itself when nothing goes on, and not while a sandbox is there', async () => {
  await using host = await throwAwayHost()
  const daemon = await new DaemonProcess(host, ['--idle-exit', '500ms']).ready()
  const sleeper = await sleeperIn(host.netns)
  await daemon.ask('POST /v1/sandboxes', { name: 'box', ephemeral: true, program: sleeper.pid })
  const waited = new Promise((resolve) => setTimeout(resolve, 1000, 'waited'))
  expect(await Promise.race([daemon.ended, waited])).toBe('waited')
  sleeper.kill('SIGKILL')
  expect(await daemon.ended).toBe(0)
})

it('lets a sandbox go with its program, and not with who has started it', async () => {
  await using host = await throwAwayHost()
  const daemon = await new DaemonProcess(host).ready()
  const creator = await sleeperIn(host.netns)
  const box = await daemon.ask<Box>('POST /v1/sandboxes', {
    name: 'box',
    ephemeral: true,
    program: creator.pid,
  })
  const program = spawn('nsenter', [`--net=${box.namespace.path}`, 'sleep', '60'])
  const bound = async () => {
    await daemon.ask('POST /v1/sandboxes/box/program', { pid: program.pid })
    return daemon.ask('GET /v1/sandboxes/box')
  }
  // Until it has got inside it is a process of the host.
  await expect.poll(bound).not.toHaveProperty('creator')
  creator.kill('SIGKILL')
  daemon.kill('SIGKILL')
  await daemon.ended
  const second = await new DaemonProcess(host).ready()
  expect(await second.ask('GET /v1/sandboxes')).toMatchObject([{ program: program.pid }])
  program.kill('SIGKILL')
  await expect.poll(() => second.ask('GET /v1/sandboxes')).toEqual([])
  await end(second)
})

it('takes sockets that were made for it', async () => {
  await using host = await throwAwayHost()
  const { daemon, path } = await daemonAtGivenSocket(host, 'cnm.sock')
  expect(await askAt(path, 'GET /v1/networks')).toMatchObject({ status: 200 })
  await expect(lstat(join(runDir(host), 'cnm.sock'))).rejects.toMatchObject({ code: 'ENOENT' })
  expect(await daemon.stop()).toBe(0)
  expect((await lstat(path)).isSocket()).toBe(true)
})

it('tells systemd when it is ready and when it stops, and goes on if nobody listens there', async () => {
  await using host = await throwAwayHost()
  using notify = new NotifySocket(join(host.folder, 'notify'))
  const env = { NOTIFY_SOCKET: notify.path, LISTEN_FDS: '0' }
  const told = await new DaemonProcess(host, [], { env }).ready()
  await expect.poll(() => notify.said).toEqual(['READY=1'])
  expect(await told.stop()).toBe(0)
  expect(notify.said).toEqual(['READY=1', 'STOPPING=1'])
  const nowhere = { NOTIFY_SOCKET: join(host.folder, 'nowhere') }
  const daemon = await new DaemonProcess(host, [], { env: nowhere }).ready()
  expect(await daemon.ask('GET /v1/status')).toMatchObject({ pid: daemon.pid })
  expect(await daemon.stop()).toBe(0)
  expect(daemon.log.map(({ msg }) => msg)).toContain('systemd could not be told')
})

it('says that nobody answers at a socket that it was handed and has no use for', async () => {
  await using host = await throwAwayHost()
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(join(host.folder, 'other'), resolve))
  const { fd } = (server as unknown as { _handle: { fd: number } })._handle
  const env = { LISTEN_FDS: '1', LISTEN_FDNAMES: 'docker.sock' }
  const args = ['--no-docker']
  const daemon = await new DaemonProcess(host, args, { env, descriptors: [fd] }).ready()
  server.close()
  expect(daemon.log).toContainEqual(expect.objectContaining({ name: 'docker.sock', level: 'warn' }))
  expect(await daemon.stop()).toBe(0)
})

it('answers with so much of what a program writes, and refuses more', async () => {
  await using host = await throwAwayHost()
  const daemon = await new DaemonProcess(host).ready()
  await daemon.ask('POST /v1/sandboxes', { name: 'box' })
  const most = 16 * 1024 * 1024
  const writing = async (bytes: number) => {
    const script = `head -c ${bytes} /dev/zero | tr '\\0' x`
    const body = { argv: ['sh', '-c', script] }
    return askAt(join(runDir(host), 'cnm.sock'), 'POST /v1/sandboxes/box/exec', body)
  }
  const whole = await writing(most)
  expect(whole.status).toBe(200)
  const { stdout } = JSON.parse(whole.body) as { stdout: string }
  expect(stdout.length).toBe(most)
  const refused = await writing(most + 1)
  expect(refused.status).toBe(403)
  expect(JSON.parse(refused.body)).toMatchObject({
    code: 'NOT_ALLOWED',
    message: `the program has written more than ${most} bytes`,
  })
  // Also one that would never end.
  await daemon.ask('POST /v1/sandboxes', { name: 'more' })
  const body = { argv: ['cat', '/dev/zero'] }
  const endless = await askAt(join(runDir(host), 'cnm.sock'), 'POST /v1/sandboxes/more/exec', body)
  expect(endless.status).toBe(403)
  await end(daemon)
})

it("serves Docker's API, and makes Docker's network when somebody asks for it", async () => {
  await using host = await throwAwayHost()
  const daemon = await new DaemonProcess(host).ready()
  expect(await daemon.ask('GET /v1/networks')).toHaveLength(2)
  const socket = join(runDir(host), 'docker.sock')
  expect(await askAt(socket, 'GET /_ping')).toEqual({ status: 200, body: 'OK' })
  const names = (await daemon.ask<{ name: string }[]>('GET /v1/networks')).map(({ name }) => name)
  expect(names).toContain('bridge')
  await end(daemon)
  const without = await new DaemonProcess(host, ['--no-docker']).ready()
  await expect(lstat(socket)).rejects.toMatchObject({ code: 'ENOENT' })
  expect(await without.stop()).toBe(0)
})

it('says what is wrong with its configuration', async () => {
  await using host = await throwAwayHost()
  const config = join(host.folder, 'daemon.json')
  await writeFile(config, '{ "dns": { "zones": 1 } }')
  const daemon = new DaemonProcess(host, ['--config', config])
  await expect(daemon.ready()).rejects.toThrow(`cnm: ${config}: unknown key "zones" in dns`)
  expect(await daemon.ended).toBe(2)
})

it('watches many programs without a word', async () => {
  await using host = await throwAwayHost()
  const daemon = await new DaemonProcess(host).ready()
  const sleeper = await sleeperIn(host.netns)
  for (let made = 0; made < 12; made += 1) {
    await daemon.ask('POST /v1/sandboxes', { ephemeral: true, program: sleeper.pid })
  }
  sleeper.kill('SIGKILL')
  await expect.poll(() => daemon.ask('GET /v1/sandboxes')).toEqual([])
  await end(daemon)
  expect(daemon.said).toBe('')
})
