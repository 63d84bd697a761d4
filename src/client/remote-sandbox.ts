import type { EndpointOptions } from '../api/endpoint-options.ts'
import { type Cancellable, withoutSignal } from '../api/option-fields.ts'
import type { ExecAnswer } from '../api/reports.ts'
import { routes } from '../api/routes.ts'
import type { SandboxInfo } from '../api/shapes.ts'
import { isCnmError } from '../base/errors.ts'
import { idOf, Remote } from './remote.ts'
import { RemoteEndpoint } from './remote-endpoint.ts'
import type { RemoteNetwork } from './remote-network.ts'

export interface ExecOptions extends Cancellable {
  /** A folder of the host. Default: the daemon's. */
  readonly cwd?: string
  /** The whole environment. Default: the daemon's, never this program's. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** What the program reads from its standard input. */
  readonly input?: string
  /** It sees the sandbox's hosts, resolv.conf and hostname in /etc. Default: true. */
  readonly mountEtc?: boolean
}

/** An isolated network stack: one of its own, somebody else's that was adopted, or the host's. */
export class RemoteSandbox extends Remote<SandboxInfo> implements AsyncDisposable {
  readonly kind = 'sandbox'

  /** All that is known of it. Errors: SANDBOX_NOT_FOUND once it is gone. */
  async inspect({ signal }: Cancellable = {}): Promise<SandboxInfo> {
    const { parameters } = this
    return this.renew(await this.connection.call(routes.inspectSandbox, { parameters, signal }))
  }

  async endpoints({ signal }: Cancellable = {}): Promise<RemoteEndpoint[]> {
    const query = { sandbox: this.id }
    const all = await this.connection.call(routes.listEndpoints, { query, signal })
    return all.map((info) => new RemoteEndpoint(this.connection, info))
  }

  /** Creates an endpoint on the network and joins it, in one step. It goes when it leaves. */
  async connect(
    network: RemoteNetwork | string,
    options: EndpointOptions = {},
  ): Promise<RemoteEndpoint> {
    const { parameters } = this
    const body = { ...withoutSignal(options), network: idOf('network', network) }
    const { signal } = options
    const info = await this.connection.call(routes.connectSandbox, { parameters, body, signal })
    return new RemoteEndpoint(this.connection, info)
  }

  /**
   * Runs a program inside, as the daemon's child, until it has ended and its output is complete. On
   * abort it is killed.
   */
  async exec(argv: readonly [string, ...string[]], options: ExecOptions = {}): Promise<ExecAnswer> {
    const { parameters } = this
    const body = { ...withoutSignal(options), argv } as const
    const { signal } = options
    const given = { parameters, body, signal, apart: true }
    return this.connection.call(routes.execInSandbox, given)
  }

  /** In an ephemeral sandbox: it goes with that process, or with the last one that was named. */
  async bindProgram(pid: number, { signal }: Cancellable = {}): Promise<void> {
    const { parameters } = this
    await this.connection.call(routes.bindProgram, { parameters, body: { pid }, signal })
  }

  /** Deletes it with its endpoints. An adopted namespace stays, without our links. */
  async delete({ signal }: Cancellable = {}): Promise<void> {
    const { parameters } = this
    await this.connection.call(routes.deleteSandbox, { parameters, signal })
  }

  /** Deletes it if it is still there. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.delete()
    } catch (error) {
      if (!isCnmError(error, 'SANDBOX_NOT_FOUND') && !isCnmError(error, 'CLOSED')) throw error
    }
  }

  private get parameters() {
    return { sandbox: this.id }
  }
}
