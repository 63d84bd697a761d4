import type { EndpointId } from '../base/id.ts'
import { deleteEndpoint, join, leave } from './endpoints.ts'
import type { Engine } from './engine.ts'
import { type Cancellable, notA } from './options.ts'
import type { EndpointRecord } from './records.ts'
import { Sandbox } from './sandbox.ts'

/** What is known of an endpoint. */
export type EndpointInfo = Omit<EndpointRecord, 'resources'>

/** An endpoint joins one sandbox to one network. */
export class Endpoint {
  readonly id: EndpointId
  readonly #engine: Engine

  constructor(engine: Engine, id: EndpointId) {
    this.#engine = engine
    this.id = id
  }

  get name(): string {
    return this.inspect().name
  }

  /** All that is known of it. Errors: ENDPOINT_NOT_FOUND once it is gone. */
  inspect(): EndpointInfo {
    const { resources: _, ...info } = this.#engine.state.endpoints.need(this.id)
    return info
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

  /** Leaves, if it has joined, and is gone. */
  async delete(options: Cancellable = {}): Promise<void> {
    await deleteEndpoint(this.#engine, this.id, options.signal)
  }
}
