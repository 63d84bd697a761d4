import type { PublishOptions, UpdateOptions } from '../api/endpoint-options.ts'
import { type Cancellable, withoutSignal } from '../api/option-fields.ts'
import { routes } from '../api/routes.ts'
import type { BindingInfo, EndpointInfo } from '../api/shapes.ts'
import { idOf, Remote } from './remote.ts'
import type { RemoteSandbox } from './remote-sandbox.ts'

/** An endpoint joins one sandbox to one network. */
export class RemoteEndpoint extends Remote<EndpointInfo> {
  readonly kind = 'endpoint'

  /** All that is known of it. Errors: ENDPOINT_NOT_FOUND once it is gone. */
  async inspect({ signal }: Cancellable = {}): Promise<EndpointInfo> {
    const { parameters } = this
    return this.renew(await this.connection.call(routes.inspectEndpoint, { parameters, signal }))
  }

  /** Gives the sandbox connectivity on the endpoint's network. Errors: ENDPOINT_IN_USE, ALREADY_CONNECTED. */
  async join(sandbox: RemoteSandbox | string, { signal }: Cancellable = {}): Promise<void> {
    const { parameters } = this
    const body = { sandbox: idOf('sandbox', sandbox) }
    this.renew(await this.connection.call(routes.joinSandbox, { parameters, body, signal }))
  }

  /** Ends it. An endpoint that was made by `connect` is gone afterwards. Errors: ENDPOINT_NOT_JOINED. */
  async leave({ signal }: Cancellable = {}): Promise<void> {
    const { parameters } = this
    await this.connection.call(routes.leaveSandbox, { parameters, signal })
  }

  /** Publishes ports besides those that are; all of them or none. Answers with the host ports. */
  async publish(
    ports: readonly (string | PublishOptions)[],
    { signal }: Cancellable = {},
  ): Promise<readonly BindingInfo[]> {
    const { parameters } = this
    return this.connection.call(routes.publishPorts, { parameters, body: { ports }, signal })
  }

  /** Ends that, also for some ports of a range, and without host port or address for all there are. */
  async unpublish(
    ports: readonly (string | PublishOptions | BindingInfo)[],
    { signal }: Cancellable = {},
  ): Promise<void> {
    const { parameters } = this
    await this.connection.call(routes.unpublishPorts, { parameters, body: { ports }, signal })
  }

  /** Changes it while its programs run on. */
  async update(options: UpdateOptions): Promise<void> {
    const { parameters } = this
    const body = withoutSignal(options)
    const signal = options?.signal
    this.renew(await this.connection.call(routes.updateEndpoint, { parameters, body, signal }))
  }

  /** Leaves, if it has joined, and is gone. */
  async delete({ signal }: Cancellable = {}): Promise<void> {
    const { parameters } = this
    await this.connection.call(routes.deleteEndpoint, { parameters, signal })
  }

  private get parameters() {
    return { endpoint: this.id }
  }
}
