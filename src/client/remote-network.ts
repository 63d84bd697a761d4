import type { StandaloneEndpointOptions } from '../api/endpoint-options.ts'
import { type Cancellable, withoutSignal } from '../api/option-fields.ts'
import { routes } from '../api/routes.ts'
import type { NetworkInfo } from '../api/shapes.ts'
import { Remote } from './remote.ts'
import { RemoteEndpoint } from './remote-endpoint.ts'

/** A network: a group of endpoints that can talk to each other and to nobody else. */
export class RemoteNetwork extends Remote<NetworkInfo> {
  readonly kind = 'network'

  /** All that is known of it. Errors: NETWORK_NOT_FOUND once it is deleted. */
  async inspect({ signal }: Cancellable = {}): Promise<NetworkInfo> {
    const { parameters } = this
    return this.renew(await this.connection.call(routes.inspectNetwork, { parameters, signal }))
  }

  async endpoints({ signal }: Cancellable = {}): Promise<RemoteEndpoint[]> {
    const { parameters } = this
    const all = await this.connection.call(routes.listEndpointsOf, { parameters, signal })
    return all.map((info) => new RemoteEndpoint(this.connection, info))
  }

  /** An endpoint that no sandbox has joined yet. It is collected after a while if none does. */
  async createEndpoint(options: StandaloneEndpointOptions): Promise<RemoteEndpoint> {
    const { parameters } = this
    const body = withoutSignal(options)
    const signal = options?.signal
    const info = await this.connection.call(routes.createEndpoint, { parameters, body, signal })
    return new RemoteEndpoint(this.connection, info)
  }

  /** With `force` its endpoints leave and go first. Errors: NETWORK_IN_USE, naming the endpoints. */
  async delete(options: Cancellable & { readonly force?: boolean } = {}): Promise<void> {
    const { parameters } = this
    const { force, signal } = options
    await this.connection.call(routes.deleteNetwork, { parameters, query: { force }, signal })
  }

  private get parameters() {
    return { network: this.id }
  }
}
