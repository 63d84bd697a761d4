import type { KnownSandbox, Network, Sandbox } from '../api/controller.ts'
import type { EndpointOptions } from '../api/endpoint-options.ts'
import { type Cancellable, withoutSignal } from '../api/option-fields.ts'
import type { ExecOptions, ExecResult } from '../api/programs.ts'
import { routes } from '../api/routes.ts'
import type { SandboxInfo } from '../api/shapes.ts'
import { isCnmError } from '../base/errors.ts'
import type { Connection } from './connection.ts'
import { Remote, refOf } from './remote.ts'
import { KnownRemoteEndpoint } from './remote-endpoint.ts'

/** A sandbox of a daemon. */
export class RemoteSandbox extends Remote implements Sandbox {
  readonly kind = 'sandbox'

  async inspect({ signal }: Cancellable = {}): Promise<SandboxInfo> {
    const { parameters } = this
    return this.connection.call(routes.inspectSandbox, { parameters, signal })
  }

  async endpoints({ signal }: Cancellable = {}): Promise<KnownRemoteEndpoint[]> {
    const query = { sandbox: this.ref }
    const all = await this.connection.call(routes.listEndpoints, { query, signal })
    return all.map((info) => new KnownRemoteEndpoint(this.connection, info))
  }

  async connect(
    network: Network | string,
    options: EndpointOptions = {},
  ): Promise<KnownRemoteEndpoint> {
    const { parameters } = this
    const body = { ...withoutSignal(options), network: refOf('network', network) }
    const { signal } = options
    const info = await this.connection.call(routes.connectSandbox, { parameters, body, signal })
    return new KnownRemoteEndpoint(this.connection, info)
  }

  /** As the daemon's child. */
  async exec(argv: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
    const { parameters } = this
    const body = { ...withoutSignal(options), argv } as const
    const { signal } = options
    const given = { parameters, body, signal, apart: true }
    const answer = await this.connection.call(routes.execInSandbox, given)
    return { ...answer, signal: answer.signal as NodeJS.Signals | null }
  }

  async bindProgram(pid: number, { signal }: Cancellable = {}): Promise<void> {
    const { parameters } = this
    await this.connection.call(routes.bindProgram, { parameters, body: { pid }, signal })
  }

  async delete({ signal }: Cancellable = {}): Promise<void> {
    const { parameters } = this
    await this.connection.call(routes.deleteSandbox, { parameters, signal })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.delete()
    } catch (error) {
      if (!isCnmError(error, 'SANDBOX_NOT_FOUND') && !isCnmError(error, 'CLOSED')) throw error
    }
  }

  private get parameters() {
    return { sandbox: this.ref }
  }
}

/** That one, as it was then. */
export class KnownRemoteSandbox extends RemoteSandbox implements KnownSandbox {
  readonly info: SandboxInfo

  constructor(connection: Connection, info: SandboxInfo) {
    super(connection, info.id)
    this.info = info
  }

  get id(): string {
    return this.info.id
  }

  get name(): string {
    return this.info.name
  }
}
