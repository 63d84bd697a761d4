import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { request } from 'node:http'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import type { ThrowAwayHost } from './host.ts'

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

export interface LogLine {
  readonly msg: string
  readonly [fact: string]: unknown
}

/** Says that something is wrong. Releases up to 0.2 write levels as pino's numbers. */
export function isWarning({ level }: LogLine): boolean {
  return typeof level === 'number' ? level >= 40 : level === 'warn' || level === 'error'
}

export interface StartOptions {
  readonly env?: NodeJS.ProcessEnv
  /** Handed on as 3, 4, …: sockets that systemd would have made. */
  readonly descriptors?: readonly number[]
  /** When it is killed at the latest: after the test's own deadline. Default: ten minutes. */
  readonly timeoutMs?: number
  /** The `cnm` it is. Default: the one that was built here. */
  readonly program?: string
}

/** `cnm daemon` on a throw-away host, its folders below the host's. */
export class DaemonProcess {
  readonly pid: number
  /** Its status, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>
  readonly log: LogLine[] = []
  /** What it said on stderr besides the log. */
  said = ''
  readonly #host: ThrowAwayHost
  readonly #ready: Promise<boolean>

  constructor(host: ThrowAwayHost, args: readonly string[] = [], options: StartOptions = {}) {
    const folders = ['--state-dir', join(host.folder, 'state'), '--run-dir', runDir(host)]
    const { env = {}, descriptors = [] } = options
    // The shell's number is the daemon's, and LISTEN_PID must be that.
    const script = 'LISTEN_PID=$$ exec nsenter "--net=$0" "$@"'
    const { program = main } = options
    const argv = [host.netns, process.execPath, program, 'daemon', ...folders, ...args]
    const child = spawn('sh', ['-c', script, ...argv], {
      timeout: options.timeoutMs ?? 600_000,
      killSignal: 'SIGKILL',
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'pipe', ...descriptors],
    })
    this.#host = host
    this.pid = child.pid ?? 0
    this.ended = once(child, 'close').then(([code, signal]) => code ?? signal)
    this.#ready = new Promise((resolve) => {
      createInterface({ input: child.stderr! }).on('line', (line) => {
        if (!line.startsWith('{')) this.said += `${line}\n`
        else this.log.push(JSON.parse(line) as LogLine)
        if (this.log.at(-1)?.msg === 'ready') resolve(true)
      })
      void this.ended.then(() => resolve(false))
    })
  }

  /** Errors: it has ended instead; with what it said. */
  async ready(): Promise<this> {
    if (await this.#ready) return this
    throw new Error(`the daemon has ended: ${await this.ended}\n${this.said}`)
  }

  kill(signal: NodeJS.Signals): void {
    process.kill(this.pid, signal)
  }

  async stop(): Promise<number | NodeJS.Signals> {
    this.kill('SIGTERM')
    return this.ended
  }

  async ask<T = unknown>(question: string, body?: unknown): Promise<T> {
    const { status, body: answer } = await askAt(
      join(runDir(this.#host), 'cnm.sock'),
      question,
      body,
    )
    if (status >= 300) throw new Error(`${question}: ${status} ${answer}`)
    return (answer === '' ? undefined : JSON.parse(answer)) as T
  }
}

export function runDir(host: ThrowAwayHost): string {
  return join(host.folder, 'run')
}

export async function askAt(socketPath: string, question: string, body?: unknown) {
  const [method, path] = question.split(' ')
  const headers = body === undefined ? {} : { 'content-type': 'application/json' }
  const asked = request({ socketPath, method, path, headers, agent: false })
  asked.end(body === undefined ? undefined : JSON.stringify(body))
  const [response] = (await once(asked, 'response')) as [import('node:http').IncomingMessage]
  return { status: response.statusCode ?? 0, body: await text(response) }
}
