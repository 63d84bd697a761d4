import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { DaemonProcess, type StartOptions } from './daemon-process.ts'
import { type ThrowAwayHost, type ThrowAwayHostOptions, throwAwayHost } from './host.ts'

export const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

export interface CliOptions {
  /** Module code that runs in the process of the command before the command itself. */
  readonly preload?: string
  /** More of the environment. */
  readonly env?: NodeJS.ProcessEnv
}

export interface Outcome {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** A throw-away host on which `cnm` is used; whichever daemon is left at its end is stopped. */
export class CliHost implements AsyncDisposable {
  readonly host: ThrowAwayHost
  readonly socket: string
  readonly runDir: string
  readonly stateDir: string

  constructor(host: ThrowAwayHost) {
    this.host = host
    this.runDir = join(host.folder, 'run')
    this.stateDir = join(host.folder, 'state')
    this.socket = join(this.runDir, 'cnm.sock')
  }

  start([command = '', ...rest]: readonly string[], { preload, env }: CliOptions = {}) {
    const folders = ['--state-dir', this.stateDir, '--run-dir', this.runDir]
    const code = preload === undefined ? [] : ['--import', dataUrl(preload)]
    const argv = [process.execPath, ...code, main, command, ...(command === 'run' ? folders : [])]
    const child = spawn('nsenter', [`--net=${this.host.netns}`, ...argv, ...rest], {
      timeout: 20_000,
      killSignal: 'SIGKILL',
      env: { ...process.env, CNM_HOST: this.socket, ...env },
    })
    const ended = once(child, 'close').then(([code]) => code as number | null)
    return { child, ended }
  }

  async cnm(...args: string[]): Promise<Outcome> {
    return outcome(this.start(args))
  }

  /** What it prints. Errors: it fails; with what it said. */
  async ok(...args: string[]): Promise<string> {
    const { code, out, err } = await this.cnm(...args)
    if (code !== 0) throw new Error(`cnm ${args.join(' ')} ends with ${code}: ${err}`)
    return out
  }

  async json<T>(...args: string[]): Promise<T> {
    return JSON.parse(await this.ok(...args, '--json')) as T
  }

  /** One that no command has started. */
  async daemon(args: readonly string[] = [], options: StartOptions = {}): Promise<DaemonProcess> {
    return new DaemonProcess(this.host, args, options).ready()
  }

  /** Waits until no link but loopback is left: what is removed is gone for all before it is gone. */
  async alone(): Promise<void> {
    const links = async () => ((await this.host.ip('-j link')) as unknown[]).length
    await until(async () => (await links()) === 1, 'links are left on the host')
  }

  /** Of the daemon that answers; undefined: none does. */
  async daemonPid(): Promise<number | undefined> {
    const { daemon } = await this.json<{ daemon: { pid: number } | null }>('version')
    return daemon?.pid
  }

  /** It has taken everything down and is gone. */
  async stop(): Promise<void> {
    const pid = await this.daemonPid()
    if (pid === undefined) return
    await this.ok('down', '--yes')
    process.kill(pid, 'SIGTERM')
    await until(() => hasEnded(pid), `the daemon ${pid} goes on`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.stop()
    } finally {
      await this.host[Symbol.asyncDispose]()
    }
  }
}

export async function cliHost(options: ThrowAwayHostOptions = {}): Promise<CliHost> {
  return new CliHost(await throwAwayHost(options))
}

export async function outcome({ child, ended }: ReturnType<CliHost['start']>): Promise<Outcome> {
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)])
  return { code: await ended, out, err }
}

/** Looks again and again, for at most ten seconds. */
export async function until(
  holds: () => boolean | Promise<boolean>,
  otherwise: string,
): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(otherwise)
    await delay(10)
  }
}

/** A process that was not waited for yet has ended, too. */
export function hasEnded(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z')
  } catch {
    return true
  }
}

function dataUrl(code: string): string {
  return `data:text/javascript,${encodeURIComponent(code)}`
}
