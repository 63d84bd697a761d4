import type { KnownNetwork, Network } from '../api/controller.ts'
import type { StandaloneEndpointOptions } from '../api/endpoint-options.ts'
import { type Cancellable, withoutSignal } from '../api/option-fields.ts'
import { routes } from '../api/routes.ts'
import type { NetworkInfo } from '../api/shapes.ts'
import type { Connection } from './connection.ts'
import { Remote } from './remote.ts'
import { KnownRemoteEndpoint } from './remote-endpoint.ts'

/** A network of a daemon. */
export class RemoteNetwork extends Remote implements Network {
  readonly kind = 'network'

  async inspect({ signal }: Cancellable = {}): Promise<NetworkInfo> {
    const { parameters } = this
    return this.connection.call(routes.inspectNetwork, { parameters, signal })
  }

  async endpoints({ signal }: Cancellable = {}): Promise<KnownRemoteEndpoint[]> {
    const { parameters } = this
    const all = await this.connection.call(routes.listEndpointsOf, { parameters, signal })
    return all.map((info) => new KnownRemoteEndpoint(this.connection, info))
  }

  async createEndpoint(options: StandaloneEndpointOptions): Promise<KnownRemoteEndpoint> {
    const { parameters } = this
    const body = withoutSignal(options)
    const signal = options?.signal
    const info = await this.connection.call(routes.createEndpoint, { parameters, body, signal })
    return new KnownRemoteEndpoint(this.connection, info)
  }

  async delete(options: Cancellable & { readonly force?: boolean } = {}): Promise<void> {
    const { parameters } = this
    const { force, signal } = options
    await this.connection.call(routes.deleteNetwork, { parameters, query: { force }, signal })
  }

  private get parameters() {
    return { network: this.ref }
  }
}

/** That one, as it was then. */
export class KnownRemoteNetwork extends RemoteNetwork implements KnownNetwork {
  readonly info: NetworkInfo

  constructor(connection: Connection, info: NetworkInfo) {
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
