import type { KnownSandbox, Network, Sandbox } from '../../api/controller.ts'
import type { EndpointOptions } from '../../api/endpoint-options.ts'
import type { Cancellable } from '../../api/option-fields.ts'
import type { ExecOptions, ExecResult } from '../../api/programs.ts'
import { isCnmError, throwIfAborted } from '../../base/errors.ts'
import type { SandboxId } from '../../base/id.ts'
import type { Program } from '../../kernel/kernel.ts'
import { endpointsOf, KnownLocalEndpoint } from '../endpoint/endpoint.ts'
import { connect } from '../endpoint/endpoints.ts'
import type { Engine } from '../engine.ts'
import { Handle, networkIdOf } from '../handle.ts'
import type { SandboxRecord } from '../records.ts'
import { bindProgram } from './bind-program.ts'
import type { SpawnOptions } from './program-options.ts'
import { execInside, spawnInside } from './run-inside.ts'
import { type LocalSandboxInfo, sandboxInfo } from './sandbox-info.ts'
import { deleteSandbox } from './sandboxes.ts'

/** A sandbox of the engine in this process. */
export class LocalSandbox extends Handle<SandboxId> implements Sandbox {
  readonly kind = 'sandbox'

  target(): SandboxId {
    return this.engine.state.sandboxes.find(this.ref).id
  }

  async inspect({ signal }: Cancellable = {}): Promise<LocalSandboxInfo> {
    throwIfAborted(signal, 'inspecting a sandbox')
    return sandboxInfo(this.engine, this.engine.state.sandboxes.need(this.target()))
  }

  async endpoints({ signal }: Cancellable = {}): Promise<KnownLocalEndpoint[]> {
    throwIfAborted(signal, 'listing endpoints')
    const { id } = this.engine.state.sandboxes.need(this.target())
    return endpointsOf(this.engine, { sandbox: id })
  }

  async connect(
    network: Network | string,
    options: EndpointOptions = {},
  ): Promise<KnownLocalEndpoint> {
    const { engine } = this
    const id = this.target()
    const record = await connect(engine, id, networkIdOf(engine, network), options)
    return new KnownLocalEndpoint(engine, record)
  }

  /**
   * Starts a program inside, as a child of this process: what only the engine's own process can do. In an ephemeral
   * sandbox the first one's end is the sandbox's too. The signal keeps it from starting; once it runs, `kill` ends it.
   */
  async spawn(argv: readonly string[], options: SpawnOptions = {}): Promise<Program> {
    return spawnInside(this.engine, this.target(), argv, options)
  }

  async exec(argv: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
    return execInside(this.engine, this.target(), argv, options)
  }

  async bindProgram(pid: number, options: Cancellable = {}): Promise<void> {
    await bindProgram(this.engine, this.target(), pid, options.signal)
  }

  async delete(options: Cancellable = {}): Promise<void> {
    await deleteSandbox(this.engine, this.target(), options.signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.delete()
    } catch (error) {
      if (!isCnmError(error, 'SANDBOX_NOT_FOUND') && !isCnmError(error, 'CLOSED')) throw error
    }
  }
}

/** That one, as it was then. */
export class KnownLocalSandbox extends LocalSandbox implements KnownSandbox {
  readonly id: SandboxId
  readonly name: string
  readonly #then: () => LocalSandboxInfo
  #info: LocalSandboxInfo | undefined

  constructor(engine: Engine, record: SandboxRecord) {
    super(engine, record.id)
    this.id = record.id
    this.name = record.name
    this.#then = () => sandboxInfo(engine, record)
  }

  /** Told when it is first looked at, as most never are. */
  get info(): LocalSandboxInfo {
    this.#info ??= this.#then()
    return this.#info
  }

  override target(): SandboxId {
    return this.id
  }
}
