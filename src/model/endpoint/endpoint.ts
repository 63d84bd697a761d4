import type { PublishOptions, UpdateOptions } from '../../api/endpoint-options.ts'
import type { Cancellable } from '../../api/option-fields.ts'
import type { EndpointId } from '../../base/id.ts'
import type { PortBinding } from '../../driver/driver.ts'
import { type Resource, resourceKey } from '../../kernel/resource.ts'
import type { Engine } from '../engine.ts'
import type { ExposedPort } from '../ports/port-spec.ts'
import { publish, unpublish, updateEndpoint } from '../ports/publish.ts'
import type { EndpointRecord } from '../records.ts'
import { notA } from '../sandbox/program-options.ts'
import { Sandbox } from '../sandbox/sandbox.ts'
import { deleteEndpoint, join, leave } from './endpoints.ts'

/** What is known of an endpoint. */
export interface EndpointInfo
  extends Omit<EndpointRecord, 'resources' | 'adding' | 'ports' | 'told'> {
  /**
   * `degraded`: its names may not be known to all sandboxes yet, because the keeper is late or has to be
   * started again. Absent: it has no names, since it is in no sandbox, or its network has no addresses.
   */
  readonly dns?: 'ready' | 'degraded'
  /**
   * `degraded`: its driver is another program, which is away, or has yet to be told of it again. Absent: its
   * driver is none.
   */
  readonly plugin?: 'ready' | 'degraded'
  /** What is published. */
  readonly ports: readonly PublishedBinding[]
  /** Ports that programs listen on, published or not. */
  readonly exposed: readonly ExposedPort[]
}

/** Published ports of a joined endpoint. */
export interface PublishedBinding extends PortBinding {
  /**
   * `pending`: its host ports are held, but nothing is passed on, since the sandbox's answers would
   * leave by another endpoint. It becomes active when this one supplies the default route.
   */
  readonly state: 'active' | 'pending'
}

/** An endpoint joins one sandbox to one network. */
export class Endpoint {
  readonly id: EndpointId
  readonly #engine: Engine

  constructor(engine: Engine, id: EndpointId) {
    this.#engine = engine
    this.id = id
  }

  get name(): string {
    return this.#engine.state.endpoints.need(this.id).name
  }

  /** All that is known of it. Errors: ENDPOINT_NOT_FOUND once it is gone. */
  inspect(): EndpointInfo {
    const record = this.#engine.state.endpoints.need(this.id)
    const { resources: _, adding: __, told, ports = [], exposed = [], ...info } = record
    const hasNames = record.resources.some(({ kind }) => kind === 'names')
    const dns = this.#engine.names.isDegraded(this.id) ? 'degraded' : 'ready'
    const plugin = this.#engine.pluginState.isDegraded(this.id) ? 'degraded' : 'ready'
    return {
      ...info,
      ...(hasNames ? { dns } : {}),
      ...(told ? { plugin } : {}),
      ports: withStates(record, ports),
      exposed,
    }
  }

  /** Gives the sandbox connectivity on the endpoint's network. Errors: ENDPOINT_IN_USE, ALREADY_CONNECTED. */
  async join(sandbox: Sandbox, options: Cancellable = {}): Promise<void> {
    if (!(sandbox instanceof Sandbox)) throw notA('sandbox', sandbox)
    await join(this.#engine, this.id, sandbox.id, options.signal)
  }

  /** Ends it. An endpoint that was made by `connect` is gone afterwards. Errors: ENDPOINT_NOT_JOINED. */
  async leave(options: Cancellable = {}): Promise<void> {
    await leave(this.#engine, this.id, options.signal)
  }

  /**
   * Publishes ports besides those that are, while its programs run on; all of them or none. Answers
   * with the host ports. Errors: INVALID_PORT, PORT_IN_USE, PORTS_EXHAUSTED, ENDPOINT_NOT_JOINED,
   * NOT_ALLOWED (its network publishes nothing, or not there).
   */
  async publish(
    ports: readonly (string | PublishOptions)[],
    options: Cancellable = {},
  ): Promise<readonly PublishedBinding[]> {
    const made = await publish(this.#engine, this.id, ports, options.signal)
    return withStates(this.#engine.state.endpoints.need(this.id), made)
  }

  /**
   * Ends that, also for some ports of a range, and without host port or address for all there are.
   * When it resolves, nothing of a flow that went on arrives any more. Errors: INVALID_ARGUMENT
   * (it does not publish that; then nothing is changed), INVALID_PORT, ENDPOINT_NOT_JOINED.
   */
  async unpublish(
    ports: readonly (string | PublishOptions | PortBinding)[],
    options: Cancellable = {},
  ): Promise<void> {
    await unpublish(this.#engine, this.id, ports, options.signal)
  }

  /** Changes it while its programs run on. */
  async update(options: UpdateOptions): Promise<void> {
    await updateEndpoint(this.#engine, this.id, options)
  }

  /** Leaves, if it has joined, and is gone. */
  async delete(options: Cancellable = {}): Promise<void> {
    await deleteEndpoint(this.#engine, this.id, options.signal)
  }
}

function withStates(
  record: EndpointRecord,
  ports: readonly PortBinding[],
): readonly PublishedBinding[] {
  const pending = new Set(record.resources.filter(isPending).map(resourceKey))
  return ports.map((binding) => {
    const { protocol, hostAddress: address, hostPorts } = binding
    const isHeld =
      hostPorts !== undefined &&
      pending.has(resourceKey({ kind: 'reservation', protocol, address, ports: hostPorts }))
    return { ...binding, state: isHeld ? 'pending' : 'active' }
  })
}

function isPending(resource: Resource): boolean {
  return resource.kind === 'reservation' && resource.pending === true
}
