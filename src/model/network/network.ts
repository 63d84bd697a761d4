import type { KnownNetwork, Network } from '../../api/controller.ts'
import type { StandaloneEndpointOptions } from '../../api/endpoint-options.ts'
import type { Cancellable } from '../../api/option-fields.ts'
import { throwIfAborted } from '../../base/errors.ts'
import type { NetworkId } from '../../base/id.ts'
import { endpointsOf, KnownLocalEndpoint } from '../endpoint/endpoint.ts'
import { createEndpoint } from '../endpoint/endpoints.ts'
import type { Engine } from '../engine.ts'
import { Handle } from '../handle.ts'
import type { NetworkRecord } from '../records.ts'
import type { NetworkState } from '../state.ts'
import { deleteNetworkByForce } from '../tear-down.ts'
import { deleteNetwork } from './networks.ts'

/** `warnings`: what was doubtful when it was made, until the engine ends. */
export type LocalNetworkInfo = NetworkRecord & { readonly warnings?: readonly string[] }

/** A network of the engine in this process. */
export class LocalNetwork extends Handle<NetworkId> implements Network {
  readonly kind = 'network'

  target(): NetworkId {
    return this.engine.state.networks.find(this.ref).record.id
  }

  async inspect({ signal }: Cancellable = {}): Promise<LocalNetworkInfo> {
    throwIfAborted(signal, 'inspecting a network')
    return networkInfo(this.engine, this.engine.state.networks.need(this.target()))
  }

  async endpoints({ signal }: Cancellable = {}): Promise<KnownLocalEndpoint[]> {
    throwIfAborted(signal, 'listing endpoints')
    const { record } = this.engine.state.networks.need(this.target())
    return endpointsOf(this.engine, { network: record.id })
  }

  async createEndpoint(options: StandaloneEndpointOptions): Promise<KnownLocalEndpoint> {
    const { engine } = this
    return new KnownLocalEndpoint(engine, await createEndpoint(engine, this.target(), options))
  }

  async delete(options: Cancellable & { readonly force?: boolean } = {}): Promise<void> {
    const work = options.force ? deleteNetworkByForce : deleteNetwork
    await work(this.engine, this.target(), options.signal)
  }
}

/** That one, as it was then. */
export class KnownLocalNetwork extends LocalNetwork implements KnownNetwork {
  readonly id: NetworkId
  readonly name: string
  readonly #then: () => LocalNetworkInfo
  #info: LocalNetworkInfo | undefined

  constructor(engine: Engine, state: NetworkState) {
    super(engine, state.record.id)
    this.id = state.record.id
    this.name = state.record.name
    this.#then = () => networkInfo(engine, state)
  }

  /** Told when it is first looked at, as most never are. */
  get info(): LocalNetworkInfo {
    this.#info ??= this.#then()
    return this.#info
  }

  override target(): NetworkId {
    return this.id
  }
}

/** Without what only its driver needs. */
function networkInfo(engine: Engine, { record: is, warnings }: NetworkState): LocalNetworkInfo {
  const record = { ...is, ...(warnings === undefined ? {} : { warnings }) }
  const { hiddenOptions } = engine.driver(record.driver)
  if (hiddenOptions === undefined) return record
  const shown = Object.entries(record.options).filter(([key]) => !hiddenOptions.includes(key))
  return { ...record, options: Object.fromEntries(shown) }
}
