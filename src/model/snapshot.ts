import type { EndpointId, NetworkId, SandboxId } from '../base/id.ts'
import { endpointsOf, KnownLocalEndpoint } from './endpoint/endpoint.ts'
import type { Engine } from './engine.ts'
import { open } from './handle.ts'
import { KnownLocalNetwork } from './network/network.ts'
import { KnownLocalSandbox } from './sandbox/sandbox.ts'

/**
 * What an engine knows at this instant, without waiting: for who has to look at several things that belong together.
 * What is only being made isn't listed. Errors: as of the verbs of handles, thrown.
 */
export class Snapshot {
  readonly #engine: Engine

  constructor(engine: Engine) {
    this.#engine = engine
  }

  networks(): KnownLocalNetwork[] {
    return open(this.#engine)
      .state.networks.all()
      .filter(({ state }) => state !== 'creating')
      .map((network) => new KnownLocalNetwork(this.#engine, network))
  }

  network(name: string): KnownLocalNetwork {
    return new KnownLocalNetwork(this.#engine, open(this.#engine).state.networks.find(name))
  }

  sandboxes(): KnownLocalSandbox[] {
    return open(this.#engine)
      .state.sandboxes.all()
      .filter(({ state }) => state !== 'creating')
      .map((record) => new KnownLocalSandbox(this.#engine, record))
  }

  sandbox(name: string): KnownLocalSandbox {
    return new KnownLocalSandbox(this.#engine, open(this.#engine).state.sandboxes.find(name))
  }

  endpoints(
    of: { readonly network?: NetworkId; readonly sandbox?: SandboxId } = {},
  ): KnownLocalEndpoint[] {
    return endpointsOf(open(this.#engine), of)
  }

  endpoint(id: EndpointId | string): KnownLocalEndpoint {
    return new KnownLocalEndpoint(this.#engine, open(this.#engine).state.endpoints.find(id))
  }
}
