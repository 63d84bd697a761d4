import type { NetworkId } from '../base/id.ts'
import { Endpoint } from './endpoint.ts'
import { createEndpoint } from './endpoints.ts'
import type { Engine } from './engine.ts'
import { deleteNetwork } from './networks.ts'
import type { Cancellable, StandaloneEndpointOptions } from './options.ts'
import type { NetworkRecord } from './records.ts'

/** A network: a group of endpoints that can talk to each other and to nobody else. */
export class Network {
  readonly id: NetworkId
  readonly #engine: Engine

  constructor(engine: Engine, id: NetworkId) {
    this.#engine = engine
    this.id = id
  }

  get name(): string {
    return this.inspect().name
  }

  /** All that is known of it. Errors: NETWORK_NOT_FOUND once it is deleted. */
  inspect(): NetworkRecord {
    return this.#engine.state.networks.need(this.id).record
  }

  endpoints(): Endpoint[] {
    return this.#engine.state
      .endpointsOf(this.id)
      .filter(({ state }) => state !== 'creating')
      .map(({ id }) => new Endpoint(this.#engine, id))
  }

  /** An endpoint that no sandbox has joined yet. It is collected after a while if none does. */
  async createEndpoint(options: StandaloneEndpointOptions): Promise<Endpoint> {
    const { id } = await createEndpoint(this.#engine, this.id, options)
    return new Endpoint(this.#engine, id)
  }

  /** Errors: NETWORK_IN_USE, naming the endpoints. */
  async delete(options: Cancellable = {}): Promise<void> {
    await deleteNetwork(this.#engine, this.id, options.signal)
  }
}
