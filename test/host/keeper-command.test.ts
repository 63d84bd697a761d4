import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { connectController } from '#dist/client/client.js'
import { close } from '#dist/kernel/linux/ffi/file.js'
import { listenUnix } from '#dist/kernel/linux/ffi/unix-socket.js'
import { type LinuxKernelOptions, linuxKernel } from '#dist/kernel/linux/index.js'
import type { Resource } from '#dist/kernel/resource.js'
import { digAt } from '../support/dig.ts'
import { type ThrowAwayHost, throwAwayHost } from '../support/host.ts'
import { isRunning, keeperPid, names, resolver, stop } from '../support/keeper-rig.ts'
import { add, keeperOf } from '../support/kernel-rig.ts'
import { startProgram } from '../support/programs.ts'
import { run } from '../support/run.ts'
import { eventually } from '../support/sockets.ts'

const cli = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const runDir = (host: ThrowAwayHost) => join(host.folder, 'run')
const socketOf = (host: ThrowAwayHost) => join(runDir(host), 'keeper.sock')

/** `cnm keeper`, with what it says on stderr; killed at the end. */
class Command implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #ended: Promise<unknown[]>
  readonly said: Promise<string>

  constructor(child: ChildProcess) {
    this.#child = child
    this.#ended = once(child, 'exit')
    this.said = text(child.stderr!)
  }

  get pid(): number {
    return this.#child.pid!
  }

  /** Its exit status. */
  async end(signal?: NodeJS.Signals): Promise<unknown> {
    if (signal !== undefined) this.#child.kill(signal)
    const [code] = await this.#ended
    return code
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end('SIGKILL')
  }
}

function start(host: ThrowAwayHost, ...args: readonly string[]): Command {
  const argv = [process.execPath, cli, 'keeper', '--run-dir', runDir(host), ...args]
  const stdio = ['ignore', 'ignore', 'pipe'] as const
  return new Command(spawn('nsenter', [`--net=${host.netns}`, ...argv], { stdio: [...stdio] }))
}

/** As systemd does it: `$$` is what the shell will be, which becomes the keeper. */
function startWith(host: ThrowAwayHost, listening: number): Command {
  const script = 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@"'
  const argv = ['sh', '-c', script, process.execPath, cli, 'keeper', '--run-dir', runDir(host)]
  const stdio = ['ignore', 'ignore', 'pipe', listening] as const
  return new Command(spawn('nsenter', [`--net=${host.netns}`, ...argv], { stdio: [...stdio] }))
}

async function listens(host: ThrowAwayHost, keeper: Command): Promise<void> {
  await eventually(async () => (await keeperPid(host)) === keeper.pid)
}

/** A sandbox, its resolver, and a name. */
function sample(host: ThrowAwayHost): readonly Resource[] {
  const namespace = { path: join(host.folder, 'netns', 'box') }
  return [{ kind: 'namespace', namespace }, resolver(namespace), names('api', '10.7.0.2')]
}

async function answer(host: ThrowAwayHost): Promise<readonly string[]> {
  const path = join(host.folder, 'netns', 'box')
  return (await digAt(host, path, '127.0.0.11', 'api')).answer
}

const engineOf = (host: ThrowAwayHost, stay: boolean): LinuxKernelOptions => ({
  host: host.netns,
  keeper: keeperOf(host, stay),
})

describe('cnm keeper', () => {
  it('is found by engines, and outlives them', async () => {
    await using host = await throwAwayHost()
    await using keeper = start(host)
    await listens(host, keeper)
    const first = await linuxKernel(engineOf(host, true))
    await add(first, ...sample(host))
    expect(await keeperPid(host)).toBe(keeper.pid)
    await first.close()
    expect(await answer(host)).toEqual(['A 10.7.0.2'])

    const second = await linuxKernel(engineOf(host, true))
    expect(await second.compare(sample(host))).toEqual([])
    await second.close()
    expect(await keeperPid(host)).toBe(keeper.pid)
    expect(await keeper.end('SIGTERM')).toBe(0)
    expect(existsSync(socketOf(host))).toBe(false)
    expect(await keeper.said).toBe('')
  })

  it('ends when an engine takes it with it', async () => {
    await using host = await throwAwayHost()
    await using keeper = start(host)
    await listens(host, keeper)
    const kernel = await linuxKernel(engineOf(host, false))
    await kernel.close()
    expect(await keeper.end()).toBe(0)
    expect(existsSync(socketOf(host))).toBe(false)
  })

  it('does not take the place of another one', async () => {
    await using host = await throwAwayHost()
    await using first = start(host)
    await listens(host, first)
    await using second = start(host, '--json')
    expect(await second.end()).toBe(4)
    expect(JSON.parse(await second.said)).toMatchObject({
      code: 'ENGINE_RUNNING',
      details: { path: socketOf(host) },
    })
    expect(await keeperPid(host)).toBe(first.pid)
  })

  it('takes the place of one that was killed', async () => {
    await using host = await throwAwayHost()
    await using first = start(host)
    await listens(host, first)
    await first.end('SIGKILL')
    expect(existsSync(socketOf(host))).toBe(true)
    await using second = start(host)
    await listens(host, second)
  })

  it('says why it can not listen', async () => {
    await using host = await throwAwayHost()
    await host.sh(`touch ${runDir(host)}`)
    await using keeper = start(host)
    expect(await keeper.end()).toBe(2)
    expect(await keeper.said).toContain(socketOf(host))
  })

  it('says so at once where there can be no folder', async () => {
    await using host = await throwAwayHost()
    await using keeper = start(host, '--run-dir', '/proc/nowhere')
    expect(await keeper.end()).toBe(2)
    expect(await keeper.said).toContain('/proc/nowhere/keeper.sock')
  })

  it('says which rights it lacks', async () => {
    await using host = await throwAwayHost()
    await host.sh(`mkdir -m 0500 ${host.folder}/closed`)
    const powerless = ['setpriv', '--bounding-set=-all', '--inh-caps=-all'] as const
    const args = ['--json', '--run-dir', `${host.folder}/closed/run`]
    const argv = [...powerless, process.execPath, cli, 'keeper', ...args]
    await using keeper = new Command(
      spawn('nsenter', [`--net=${host.netns}`, ...argv], { stdio: ['ignore', 'ignore', 'pipe'] }),
    )
    expect(await keeper.end()).toBe(5)
    expect(JSON.parse(await keeper.said)).toMatchObject({ code: 'MISSING_CAPABILITY' })
  })

  it('is no daemon, and whoever takes it for one is told so', async () => {
    await using host = await throwAwayHost()
    await using keeper = start(host)
    await listens(host, keeper)
    await expect(connectController({ socket: socketOf(host) })).rejects.toMatchObject({
      code: 'DAEMON_UNREACHABLE',
      message: expect.stringContaining(socketOf(host)),
      hint: expect.stringContaining('see whether the socket is that of a cnm daemon'),
    })
    const kernel = await linuxKernel(engineOf(host, true))
    await kernel.close()
  })

  it('that hangs is replaced by the next engine', async () => {
    await using host = await throwAwayHost()
    await using keeper = start(host)
    await listens(host, keeper)
    const table: Resource = {
      kind: 'table',
      definition: { family: 'inet', name: 'mine', owned: true, sets: [], chains: [] },
    }
    const texts = [engineOf(host, true), [table]].map((each) => JSON.stringify(each))
    const engine = await startProgram(host.netns, 'keeper-child.mjs', ...texts)
    await engine.end()
    await stop(keeper.pid)
    // It holds what says that the table is ours.
    const next = await linuxKernel(engineOf(host, false))
    expect(await isRunning(keeper.pid)).toBe(false)
    await add(next, table, ...sample(host))
    expect(await answer(host)).toEqual(['A 10.7.0.2'])
    await next.close()
  })
})

describe('cnm keeper with a socket that was made for it', () => {
  it('answers who came before it, and leaves the socket', async () => {
    await using host = await throwAwayHost()
    await host.sh(`mkdir -p ${runDir(host)}`)
    const listening = listenUnix(socketOf(host))
    try {
      const opening = linuxKernel(engineOf(host, true))
      await using keeper = startWith(host, listening)
      const kernel = await opening
      await add(kernel, ...sample(host))
      expect(await answer(host)).toEqual(['A 10.7.0.2'])
      await kernel.close()
      expect(await answer(host)).toEqual(['A 10.7.0.2'])
      expect(await keeper.end('SIGTERM')).toBe(0)
      expect(existsSync(socketOf(host))).toBe(true)
    } finally {
      close(listening)
    }
  })

  it('refuses one that engines would not find', async () => {
    await using host = await throwAwayHost()
    const listening = listenUnix(join(host.folder, 'other.sock'))
    try {
      await using keeper = startWith(host, listening)
      expect(await keeper.end()).toBe(2)
      expect(await keeper.said).toContain(`hint: let ListenStream= be keeper.sock`)
    } finally {
      close(listening)
    }
  })

  it('is started again by process 1 when it hangs, and the socket stays', async () => {
    await using host = await throwAwayHost()
    const program = fileURLToPath(new URL('../support/unit-child.mjs', import.meta.url))
    const texts = [engineOf(host, true), sample(host)].map((each) => JSON.stringify(each))
    const argv = [process.execPath, program, ...texts]
    const unshare = ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc'] as const
    const output = await run(['nsenter', `--net=${host.netns}`, ...unshare, ...argv], {
      timeoutMs: 30_000,
    })
    const [first, second, end] = output
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(first).toMatchObject({ say: 'first', same: true, listeners: 1 })
    expect(second).toMatchObject({ say: 'second', same: true, listeners: 1 })
    expect(first.keeper).toBeGreaterThan(1)
    expect(second.keeper).toBeGreaterThan(first.keeper)
    expect(end).toEqual({ say: 'end', same: true })
  })
})
