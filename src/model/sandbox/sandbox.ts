import type { EndpointOptions } from '../../api/endpoint-options.ts'
import { etcMounts } from '../../api/etc-mounts.ts'
import type { Cancellable } from '../../api/option-fields.ts'
import { CnmError, cancelled, isCnmError, throwIfAborted } from '../../base/errors.ts'
import type { SandboxId } from '../../base/id.ts'
import type { Command, Program, ResolverCounters } from '../../kernel/kernel.ts'
import { readySandbox } from '../endpoint/draft-endpoint.ts'
import { Endpoint } from '../endpoint/endpoint.ts'
import { connect } from '../endpoint/endpoints.ts'
import type { Engine } from '../engine.ts'
import { explain } from '../explain.ts'
import { Network } from '../network/network.ts'
import type { SandboxRecord } from '../records.ts'
import { bindFirstProgram, bindProgram } from './bind-program.ts'
import {
  type ExecOptions,
  notA,
  parseArgv,
  parseExecOptions,
  parseSpawnOptions,
  type SpawnOptions,
} from './program-options.ts'
import { outputOf } from './program-output.ts'
import { filesOf, hostnameOf, type SandboxFiles } from './sandbox-names.ts'
import { deleteSandbox } from './sandboxes.ts'

/** What is known of a sandbox. */
export interface SandboxInfo extends Omit<SandboxRecord, 'resources'> {
  /**
   * Files for its programs, to be mounted over those of the same names in /etc. They are there as long as the
   * sandbox, change with its endpoints, and are left as they are once somebody has edited them.
   * Absent: the host's own are used.
   */
  readonly files?: SandboxFiles
  /** Its resolver; absent: it has none of ours. */
  readonly names?: {
    /** Absent: it hasn't been asked yet. They start at 0 again where the keeper had to. */
    readonly counters?: ResolverCounters
  }
}

export type { ExecOptions, SpawnOptions } from './program-options.ts'

export interface ExecResult {
  /** The exit status; null if a signal ended it. */
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** An isolated network stack: one of its own, somebody else's that was adopted, or the host's. */
export class Sandbox implements AsyncDisposable {
  readonly id: SandboxId
  readonly #engine: Engine

  constructor(engine: Engine, id: SandboxId) {
    this.#engine = engine
    this.id = id
  }

  get name(): string {
    return this.inspect().name
  }

  /** All that is known of it. Errors: SANDBOX_NOT_FOUND once it is gone. */
  inspect(): SandboxInfo {
    const sandbox = this.#engine.state.sandboxes.need(this.id)
    const { resources: _, ...info } = sandbox
    const files = filesOf(this.#engine.sandboxDir, sandbox)
    if (files === undefined) return info
    const counters = this.#engine.names.countersOf(this.id)
    return {
      ...info,
      hostname: hostnameOf(sandbox),
      files,
      ...(files.resolvConf === undefined ? {} : { names: counters ? { counters } : {} }),
    }
  }

  endpoints(): Endpoint[] {
    return this.#engine.state.endpointsIn(this.id).map(({ id }) => new Endpoint(this.#engine, id))
  }

  /** Creates an endpoint on the network and joins it, in one step. It goes when it leaves. */
  async connect(network: Network, options: EndpointOptions = {}): Promise<Endpoint> {
    if (!(network instanceof Network)) throw notA('network', network)
    const { id } = await connect(this.#engine, this.id, network.id, options)
    return new Endpoint(this.#engine, id)
  }

  /**
   * Starts a program inside. In an ephemeral sandbox the first one's end is the sandbox's too. The
   * signal keeps it from starting; once it runs, `kill` ends it.
   */
  async spawn(argv: readonly [string, ...string[]], options: SpawnOptions = {}): Promise<Program> {
    const { mountEtc = true, ...parsed } = parseSpawnOptions(options)
    const sandbox = readySandbox(this.#engine, this.id)
    refuseElsewhere(sandbox)
    const { name, namespace } = sandbox
    const files = mountEtc ? filesOf(this.#engine.sandboxDir, sandbox) : undefined
    const command: Command = {
      argv: parseArgv(argv),
      stdio: 'pipe',
      ...parsed,
      ...(files ? { mounts: etcMounts(files), hostname: hostnameOf(sandbox) } : {}),
    }
    throwIfAborted(options.signal, `starting ${argv[0]} in sandbox "${name}"`)
    try {
      const program = await this.#engine.kernel.spawn(namespace, command)
      await bindFirstProgram(this.#engine, this.id, program.pid)
      return program
    } catch (error) {
      throw explain(error, `starting ${argv[0]} in sandbox "${name}"`)
    }
  }

  /**
   * Runs a program inside and waits until it has ended and its output is complete. On abort it is
   * killed, and what it left behind is not waited for.
   */
  async exec(argv: readonly [string, ...string[]], options: ExecOptions = {}): Promise<ExecResult> {
    const { input, maxOutputBytes, ...rest } = parseExecOptions(options)
    const { signal } = options
    const program = await this.spawn(argv, signal ? { ...rest, signal } : rest)
    let kill = () => {}
    const killed = new Promise<never>((_, reject) => {
      const over = () => {
        // Programs that it started may hold the other ends for as long as they like.
        for (const stream of [program.stdin, program.stdout, program.stderr]) stream?.destroy()
        reject(cancelled(`running ${argv[0]}`, signal))
      }
      kill = () => {
        program.kill('SIGKILL')
        program.ended.then(over, over)
      }
    })
    signal?.addEventListener('abort', kill, { once: true })
    if (signal?.aborted) kill()
    try {
      // A program that ends without reading its input is no error.
      program.stdin?.on('error', () => {})
      program.stdin?.end(input)
      const done = Promise.all([
        outputOf(program.stdout, maxOutputBytes),
        outputOf(program.stderr, maxOutputBytes),
        program.ended,
      ])
      const [stdout, stderr, ended] = await Promise.race([done, killed])
      if (signal?.aborted) throw cancelled(`running ${argv[0]}`, signal)
      return { ...ended, stdout, stderr }
    } catch (error) {
      program.kill('SIGKILL')
      throw error
    } finally {
      signal?.removeEventListener('abort', kill)
    }
  }

  /**
   * The process that this ephemeral sandbox goes with from now on: one inside it, or, before there was
   * such a one, one of the host that is about to start it. Errors: NAMESPACE_NOT_FOUND, NOT_ALLOWED.
   */
  async bindProgram(pid: number, options: Cancellable = {}): Promise<void> {
    await bindProgram(this.#engine, this.id, pid, options.signal)
  }

  /** Deletes it with its endpoints. An adopted namespace stays, without our links. */
  async delete(options: Cancellable = {}): Promise<void> {
    await deleteSandbox(this.#engine, this.id, options.signal)
  }

  /** Deletes it if it is still there. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.delete()
    } catch (error) {
      if (!isCnmError(error, 'SANDBOX_NOT_FOUND') && !isCnmError(error, 'CLOSED')) throw error
    }
  }
}

/** Without a namespace it would be started on the host. */
function refuseElsewhere({ name, origin, runtime }: SandboxRecord): void {
  if (origin !== 'elsewhere') return
  throw new CnmError('NOT_ALLOWED', `sandbox "${name}" is a container of ${runtime}`, {
    details: { sandbox: name, runtime },
    hint: `start programs in it with ${runtime}`,
  })
}
