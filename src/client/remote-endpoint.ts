import type { Endpoint, KnownEndpoint, Sandbox } from '../api/controller.ts'
import type { PublishOptions, UpdateOptions } from '../api/endpoint-options.ts'
import { type Cancellable, withoutSignal } from '../api/option-fields.ts'
import { routes } from '../api/routes.ts'
import type { EndpointInfo, PublishedBinding } from '../api/shapes.ts'
import type { Connection } from './connection.ts'
import { Remote, refOf } from './remote.ts'

/** An endpoint of a daemon. */
export class RemoteEndpoint extends Remote implements Endpoint {
  readonly kind = 'endpoint'

  async inspect({ signal }: Cancellable = {}): Promise<EndpointInfo> {
    const { parameters } = this
    return this.connection.call(routes.inspectEndpoint, { parameters, signal })
  }

  async join(sandbox: Sandbox | string, { signal }: Cancellable = {}): Promise<EndpointInfo> {
    const { parameters } = this
    const body = { sandbox: refOf('sandbox', sandbox) }
    return this.connection.call(routes.joinSandbox, { parameters, body, signal })
  }

  async leave({ signal }: Cancellable = {}): Promise<void> {
    const { parameters } = this
    await this.connection.call(routes.leaveSandbox, { parameters, signal })
  }

  async publish(
    ports: readonly (string | PublishOptions)[],
    { signal }: Cancellable = {},
  ): Promise<readonly PublishedBinding[]> {
    const { parameters } = this
    return this.connection.call(routes.publishPorts, { parameters, body: { ports }, signal })
  }

  async unpublish(
    ports: readonly (string | PublishOptions | PublishedBinding)[],
    { signal }: Cancellable = {},
  ): Promise<void> {
    const { parameters } = this
    await this.connection.call(routes.unpublishPorts, { parameters, body: { ports }, signal })
  }

  async update(options: UpdateOptions): Promise<EndpointInfo> {
    const { parameters } = this
    const body = withoutSignal(options)
    const signal = options?.signal
    return this.connection.call(routes.updateEndpoint, { parameters, body, signal })
  }

  async delete({ signal }: Cancellable = {}): Promise<void> {
    const { parameters } = this
    await this.connection.call(routes.deleteEndpoint, { parameters, signal })
  }

  private get parameters() {
    return { endpoint: this.ref }
  }
}

/** That one, as it was then. */
export class KnownRemoteEndpoint extends RemoteEndpoint implements KnownEndpoint {
  readonly info: EndpointInfo

  constructor(connection: Connection, info: EndpointInfo) {
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
