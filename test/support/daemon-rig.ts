import { mkdtemp, rm } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { type Daemon, type DaemonOptions, type Log, startDaemon } from '../../src/daemon/daemon.ts'
import type { LocalController } from '../../src/model/controller.ts'
import { MemoryRig } from './memory-rig.ts'

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  readonly body: unknown
}

export interface AskOptions {
  /** JSON, or a text as it is. */
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
}

/** A daemon on a real socket and an engine without a machine. */
export class DaemonRig implements AsyncDisposable {
  readonly folder: string
  readonly memory: MemoryRig
  readonly controller: LocalController
  readonly daemon: Daemon
  readonly logged: { readonly level: string; readonly facts: object; readonly message: string }[]
  readonly #agent = new Agent({ keepAlive: true })

  private constructor(
    rig: Pick<DaemonRig, 'folder' | 'memory' | 'controller' | 'daemon' | 'logged'>,
  ) {
    this.folder = rig.folder
    this.memory = rig.memory
    this.controller = rig.controller
    this.daemon = rig.daemon
    this.logged = rig.logged
  }

  static async start(options: Partial<DaemonOptions> = {}, memory = new MemoryRig()) {
    const folder = await mkdtemp(join(tmpdir(), 'cnm-d-'))
    const controller = (await options.controller) ?? (await memory.start())
    const logged: DaemonRig['logged'] = []
    const daemon = await startDaemon({
      controller,
      listeners: [{ path: join(folder, 'cnm.sock') }],
      log: recorder(logged),
      about: { version: '1.2.3', stateDir: '/state', runDir: '/run' },
      ...options,
    })
    return new DaemonRig({ folder, memory, controller, daemon, logged })
  }

  get socket(): string {
    return join(this.folder, 'cnm.sock')
  }

  /** Asks and reads the whole answer; JSON comes parsed. */
  async ask(question: string, options: AskOptions = {}): Promise<Answer> {
    const response = await this.open(question, options)
    const body = await text(response)
    const isJson = response.headers['content-type']?.startsWith('application/json')
    return {
      status: response.statusCode ?? 0,
      headers: response.headers,
      body: isJson && body !== '' ? JSON.parse(body) : body,
    }
  }

  /** The answer from its head on: for streams. */
  open(question: string, { body, headers, signal }: AskOptions = {}) {
    const [method, path] = question.split(' ')
    const sent = body === undefined || typeof body === 'string' ? body : JSON.stringify(body)
    return new Promise<import('node:http').IncomingMessage>((resolve, reject) => {
      const asked = request({
        socketPath: this.socket,
        agent: this.#agent,
        method,
        path,
        headers: {
          ...(sent === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(signal ? { signal } : {}),
      })
      asked.once('response', resolve).once('error', reject)
      asked.end(sent)
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#agent.destroy()
    await this.daemon.close()
    await this.controller.close()
    await rm(this.folder, { recursive: true, force: true })
  }
}

function recorder(logged: DaemonRig['logged'][number][]): Log {
  const at = (level: string) => (facts: object, message: string) => {
    logged.push({ level, facts, message })
  }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}
