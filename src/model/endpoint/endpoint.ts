import type { Endpoint, KnownEndpoint, Sandbox } from '../../api/controller.ts'
import type { PublishOptions, UpdateOptions } from '../../api/endpoint-options.ts'
import type { Cancellable } from '../../api/option-fields.ts'
import type { PublishedBinding } from '../../api/shapes.ts'
import { throwIfAborted } from '../../base/errors.ts'
import type { EndpointId, NetworkId, SandboxId } from '../../base/id.ts'
import type { Engine } from '../engine.ts'
import { Handle, sandboxIdOf } from '../handle.ts'
import { publish, unpublish, updateEndpoint } from '../ports/publish.ts'
import type { EndpointRecord } from '../records.ts'
import {
  endpointInfo,
  type LocalBinding,
  type LocalEndpointInfo,
  withStates,
} from './endpoint-info.ts'
import { deleteEndpoint, join, leave } from './endpoints.ts'

/** An endpoint of the engine in this process. */
export class LocalEndpoint extends Handle<EndpointId> implements Endpoint {
  readonly kind = 'endpoint'

  target(): EndpointId {
    return this.engine.state.endpoints.find(this.ref).id
  }

  async inspect({ signal }: Cancellable = {}): Promise<LocalEndpointInfo> {
    throwIfAborted(signal, 'inspecting an endpoint')
    return endpointInfo(this.engine, this.engine.state.endpoints.need(this.target()))
  }

  async join(sandbox: Sandbox | string, options: Cancellable = {}): Promise<LocalEndpointInfo> {
    const { engine } = this
    const id = this.target()
    const sandboxId = sandboxIdOf(engine, sandbox)
    return endpointInfo(engine, await join(engine, id, sandboxId, options.signal))
  }

  async leave(options: Cancellable = {}): Promise<void> {
    await leave(this.engine, this.target(), options.signal)
  }

  async publish(
    ports: readonly (string | PublishOptions)[],
    options: Cancellable = {},
  ): Promise<readonly LocalBinding[]> {
    const { engine } = this
    const id = this.target()
    const made = await publish(engine, id, ports, options.signal)
    return withStates(engine.state.endpoints.need(id), made)
  }

  async unpublish(
    ports: readonly (string | PublishOptions | PublishedBinding)[],
    options: Cancellable = {},
  ): Promise<void> {
    await unpublish(this.engine, this.target(), ports, options.signal)
  }

  async update(options: UpdateOptions): Promise<LocalEndpointInfo> {
    const { engine } = this
    const id = this.target()
    await updateEndpoint(engine, id, options)
    return endpointInfo(engine, engine.state.endpoints.need(id))
  }

  async delete(options: Cancellable = {}): Promise<void> {
    await deleteEndpoint(this.engine, this.target(), options.signal)
  }
}

/** That one, as it was then. */
export class KnownLocalEndpoint extends LocalEndpoint implements KnownEndpoint {
  readonly id: EndpointId
  readonly name: string
  readonly #then: () => LocalEndpointInfo
  #info: LocalEndpointInfo | undefined

  constructor(engine: Engine, record: EndpointRecord) {
    super(engine, record.id)
    this.id = record.id
    this.name = record.name
    this.#then = () => endpointInfo(engine, record)
  }

  /** Told when it is first looked at, as most never are. */
  get info(): LocalEndpointInfo {
    this.#info ??= this.#then()
    return this.#info
  }

  override target(): EndpointId {
    return this.id
  }
}

/** All there are, or those of a network, of a sandbox, or of both. */
export function endpointsOf(
  engine: Engine,
  { network, sandbox }: { readonly network?: NetworkId; readonly sandbox?: SandboxId },
): KnownLocalEndpoint[] {
  const { state } = engine
  const all =
    sandbox !== undefined
      ? state.endpointsIn(sandbox)
      : network !== undefined
        ? state.endpointsOf(network)
        : state.endpoints.all()
  return all
    .filter((each) => sandbox !== undefined || each.state !== 'creating')
    .filter((each) => network === undefined || each.network === network)
    .map((record) => new KnownLocalEndpoint(engine, record))
}
