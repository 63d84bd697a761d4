import { resolve } from 'node:path'
import { type Cancellable, withoutSignal } from '../api/option-fields.ts'
import type { NetworkOptions, SandboxOptions } from '../api/options.ts'
import type {
  FindingInfo,
  PluginInfo,
  QueryInfo,
  StatisticsInfo,
  StatusInfo,
} from '../api/reports.ts'
import { routes } from '../api/routes.ts'
import type { Connection } from './connection.ts'
import { idOf } from './remote.ts'
import { RemoteEndpoint } from './remote-endpoint.ts'
import { RemoteNetwork } from './remote-network.ts'
import { RemoteSandbox } from './remote-sandbox.ts'
import {
  type EventStream,
  type EventsOptions,
  openEvents,
  openQueries,
  type RemoteStream,
} from './remote-stream.ts'

export interface EndpointFilter extends Cancellable {
  readonly network?: RemoteNetwork | string
  readonly sandbox?: RemoteSandbox | string
}

/** The Container Network Model of one host, as its daemon has it. */
export class RemoteController implements AsyncDisposable {
  readonly #connection: Connection

  constructor(connection: Connection) {
    this.#connection = connection
  }

  /** The path of the daemon's socket. */
  get socket(): string {
    return this.#connection.socket
  }

  /** Errors: NETWORK_EXISTS, POOL_OVERLAP, LINK_EXISTS, UNKNOWN_DRIVER, INVALID_… */
  async createNetwork(options: NetworkOptions): Promise<RemoteNetwork> {
    return this.#createNetwork(options, false)
  }

  /** The network of that name, made if it isn't there. Errors: NETWORK_EXISTS if it is another one. */
  async ensureNetwork(options: NetworkOptions): Promise<RemoteNetwork> {
    return this.#createNetwork(options, true)
  }

  /** By id, name, or the beginning of an id. Errors: NETWORK_NOT_FOUND, AMBIGUOUS_NAME. */
  async network(name: string, { signal }: Cancellable = {}): Promise<RemoteNetwork> {
    const given = { parameters: { network: name }, signal }
    const info = await this.#connection.call(routes.inspectNetwork, given)
    return new RemoteNetwork(this.#connection, info)
  }

  async networks({ signal }: Cancellable = {}): Promise<RemoteNetwork[]> {
    const all = await this.#connection.call(routes.listNetworks, { signal })
    return all.map((info) => new RemoteNetwork(this.#connection, info))
  }

  /** Deletes the networks without endpoints. Answers with their names. */
  async prune({ signal }: Cancellable = {}): Promise<string[]> {
    return this.#connection.call(routes.pruneNetworks, { signal })
  }

  /** Errors: SANDBOX_EXISTS, NAMESPACE_NOT_FOUND, HOST_NAMESPACE, and those of `connect`. */
  async createSandbox(options: SandboxOptions = {}): Promise<RemoteSandbox> {
    const given = { body: placed(withoutSignal(options)), signal: options?.signal }
    const info = await this.#connection.call(routes.createSandbox, given)
    return new RemoteSandbox(this.#connection, info)
  }

  async sandbox(name: string, { signal }: Cancellable = {}): Promise<RemoteSandbox> {
    const given = { parameters: { sandbox: name }, signal }
    const info = await this.#connection.call(routes.inspectSandbox, given)
    return new RemoteSandbox(this.#connection, info)
  }

  async sandboxes({ signal }: Cancellable = {}): Promise<RemoteSandbox[]> {
    const all = await this.#connection.call(routes.listSandboxes, { signal })
    return all.map((info) => new RemoteSandbox(this.#connection, info))
  }

  /** By id or the beginning of an id (names are unique on their network only). */
  async endpoint(id: string, { signal }: Cancellable = {}): Promise<RemoteEndpoint> {
    const given = { parameters: { endpoint: id }, signal }
    const info = await this.#connection.call(routes.inspectEndpoint, given)
    return new RemoteEndpoint(this.#connection, info)
  }

  /** All, or those of a network, of a sandbox, or of both. */
  async endpoints({ network, sandbox, signal }: EndpointFilter = {}): Promise<RemoteEndpoint[]> {
    const query = {
      ...(network === undefined ? {} : { network: idOf('network', network) }),
      ...(sandbox === undefined ? {} : { sandbox: idOf('sandbox', sandbox) }),
    }
    const all = await this.#connection.call(routes.listEndpoints, { query, signal })
    return all.map((info) => new RemoteEndpoint(this.#connection, info))
  }

  /**
   * What happens from the moment this resolves, or after the event `since`, until the signal fires or the
   * client is closed. None is missed or doubled if the connection is lost meanwhile. If the daemon was
   * started anew, or the events in between are too many, iterating throws EVENTS_LOST: then look at
   * everything, and listen again. Errors: EVENTS_LOST, DAEMON_UNREACHABLE.
   */
  async events(options: EventsOptions = {}): Promise<EventStream> {
    return openEvents(this.#connection, options)
  }

  /**
   * What sandboxes' resolvers are asked from the moment this resolves, until the signal fires or the
   * client is closed. What was asked while nobody was connected can't be told, so when the connection is
   * lost, iterating throws DAEMON_UNREACHABLE.
   */
  async queries(options: Cancellable = {}): Promise<RemoteStream<QueryInfo>> {
    return openQueries(this.#connection, options)
  }

  /** How the machine differs from the records; with `fix` the difference is mended. */
  async doctor(options: Cancellable & { readonly fix?: boolean } = {}): Promise<FindingInfo[]> {
    const { signal, ...body } = options
    return this.#connection.call(routes.doctor, { body, signal })
  }

  /** Network drivers and IPAMs that are other programs, and how they are. */
  async plugins({ signal }: Cancellable = {}): Promise<PluginInfo[]> {
    return this.#connection.call(routes.listPlugins, { signal })
  }

  /** By its whole name. Errors: PLUGIN_NOT_FOUND. */
  async plugin(name: string, { signal }: Cancellable = {}): Promise<PluginInfo> {
    const given = { parameters: { plugin: name }, signal }
    return this.#connection.call(routes.inspectPlugin, given)
  }

  /** The daemon itself. */
  async status({ signal }: Cancellable = {}): Promise<StatusInfo> {
    return this.#connection.call(routes.status, { signal })
  }

  /** Bytes, packets, drops and errors of all endpoints and networks since their links were made. */
  async statistics({ signal }: Cancellable = {}): Promise<StatisticsInfo> {
    return this.#connection.call(routes.statistics, { signal })
  }

  /** Deletes all sandboxes, endpoints and networks. */
  async down({ signal }: Cancellable = {}): Promise<void> {
    await this.#connection.call(routes.down, { signal })
  }

  /** Ends streams, lets calls that are under way end, and leaves the daemon. Idempotent. */
  async close(): Promise<void> {
    await this.#connection.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #createNetwork(options: NetworkOptions, ensure: boolean): Promise<RemoteNetwork> {
    const body = withoutSignal(options)
    const query = ensure ? { ensure } : {}
    const given = { body, query, signal: options?.signal }
    const info = await this.#connection.call(routes.createNetwork, given)
    return new RemoteNetwork(this.#connection, info)
  }
}

/** The daemon's working folder isn't ours, and neither is what it calls `/proc/self`. */
function placed(options: SandboxOptions): SandboxOptions {
  const { netns } = options ?? {}
  if (typeof netns !== 'string' || netns === '') return options
  const path = resolve(netns).replace(/^\/proc\/(thread-)?self\//, `/proc/${process.pid}/`)
  return { ...options, netns: path }
}
