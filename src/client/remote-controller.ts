import { resolve } from 'node:path'
import type { Controller, EndpointFilter } from '../api/controller.ts'
import { type Cancellable, withoutSignal } from '../api/option-fields.ts'
import type { NetworkOptions, SandboxOptions } from '../api/options.ts'
import type { DnsQuery, Finding, PluginInfo, Statistics, StatusInfo } from '../api/reports.ts'
import { routes } from '../api/routes.ts'
import type { EventStream, EventsOptions, Stream } from '../api/streams.ts'
import type { Connection } from './connection.ts'
import { refOf } from './remote.ts'
import { KnownRemoteEndpoint, RemoteEndpoint } from './remote-endpoint.ts'
import { KnownRemoteNetwork, RemoteNetwork } from './remote-network.ts'
import { KnownRemoteSandbox, RemoteSandbox } from './remote-sandbox.ts'
import { openEvents, openQueries } from './remote-stream.ts'

/** The engine of a daemon. */
export class RemoteController implements Controller {
  readonly #connection: Connection

  constructor(connection: Connection) {
    this.#connection = connection
  }

  /** The path of the daemon's socket. */
  get socket(): string {
    return this.#connection.socket
  }

  async createNetwork(options: NetworkOptions): Promise<KnownRemoteNetwork> {
    return this.#createNetwork(options, false)
  }

  async ensureNetwork(options: NetworkOptions): Promise<KnownRemoteNetwork> {
    return this.#createNetwork(options, true)
  }

  network(name: string): RemoteNetwork {
    return new RemoteNetwork(this.#connection, name)
  }

  async networks({ signal }: Cancellable = {}): Promise<KnownRemoteNetwork[]> {
    const all = await this.#connection.call(routes.listNetworks, { signal })
    return all.map((info) => new KnownRemoteNetwork(this.#connection, info))
  }

  async createSandbox(options: SandboxOptions = {}): Promise<KnownRemoteSandbox> {
    const given = { body: placed(withoutSignal(options)), signal: options?.signal }
    const info = await this.#connection.call(routes.createSandbox, given)
    return new KnownRemoteSandbox(this.#connection, info)
  }

  sandbox(name: string): RemoteSandbox {
    return new RemoteSandbox(this.#connection, name)
  }

  async sandboxes({ signal }: Cancellable = {}): Promise<KnownRemoteSandbox[]> {
    const all = await this.#connection.call(routes.listSandboxes, { signal })
    return all.map((info) => new KnownRemoteSandbox(this.#connection, info))
  }

  endpoint(id: string): RemoteEndpoint {
    return new RemoteEndpoint(this.#connection, id)
  }

  async endpoints({
    network,
    sandbox,
    signal,
  }: EndpointFilter = {}): Promise<KnownRemoteEndpoint[]> {
    const query = {
      ...(network === undefined ? {} : { network: refOf('network', network) }),
      ...(sandbox === undefined ? {} : { sandbox: refOf('sandbox', sandbox) }),
    }
    const all = await this.#connection.call(routes.listEndpoints, { query, signal })
    return all.map((info) => new KnownRemoteEndpoint(this.#connection, info))
  }

  async events(options: EventsOptions = {}): Promise<EventStream> {
    return openEvents(this.#connection, options)
  }

  async queries(options: Cancellable = {}): Promise<Stream<DnsQuery>> {
    return openQueries(this.#connection, options)
  }

  async statistics({ signal }: Cancellable = {}): Promise<Statistics> {
    return this.#connection.call(routes.statistics, { signal })
  }

  async plugins({ signal }: Cancellable = {}): Promise<PluginInfo[]> {
    return this.#connection.call(routes.listPlugins, { signal })
  }

  async plugin(name: string, { signal }: Cancellable = {}): Promise<PluginInfo> {
    const given = { parameters: { plugin: name }, signal }
    return this.#connection.call(routes.inspectPlugin, given)
  }

  async doctor(options: Cancellable & { readonly fix?: boolean } = {}): Promise<Finding[]> {
    const { signal, ...body } = options
    return this.#connection.call(routes.doctor, { body, signal })
  }

  async prune({ signal }: Cancellable = {}): Promise<string[]> {
    return this.#connection.call(routes.pruneNetworks, { signal })
  }

  async down({ signal }: Cancellable = {}): Promise<void> {
    await this.#connection.call(routes.down, { signal })
  }

  /** The daemon itself. */
  async status({ signal }: Cancellable = {}): Promise<StatusInfo> {
    return this.#connection.call(routes.status, { signal })
  }

  async close(): Promise<void> {
    await this.#connection.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #createNetwork(options: NetworkOptions, ensure: boolean): Promise<KnownRemoteNetwork> {
    const body = withoutSignal(options)
    const query = ensure ? { ensure } : {}
    const given = { body, query, signal: options?.signal }
    const info = await this.#connection.call(routes.createNetwork, given)
    return new KnownRemoteNetwork(this.#connection, info)
  }
}

/** The daemon's working folder isn't ours, and neither is what it calls `/proc/self`. */
function placed(options: SandboxOptions): SandboxOptions {
  const { netns } = options ?? {}
  if (typeof netns !== 'string' || netns === '') return options
  const path = resolve(netns).replace(/^\/proc\/(thread-)?self\//, `/proc/${process.pid}/`)
  return { ...options, netns: path }
}
