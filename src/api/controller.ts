import type {
  EndpointOptions,
  PublishOptions,
  StandaloneEndpointOptions,
  UpdateOptions,
} from './endpoint-options.ts'
import type { Cancellable } from './option-fields.ts'
import type { NetworkOptions, SandboxOptions } from './options.ts'
import type { ExecOptions, ExecResult } from './programs.ts'
import type { DnsQuery, Finding, PluginInfo, Statistics } from './reports.ts'
import type { EndpointInfo, NetworkInfo, PublishedBinding, SandboxInfo } from './shapes.ts'
import type { EventStream, EventsOptions, Stream } from './streams.ts'

/*
 * One set of interfaces for the engine in this process (`libcnm`, `libcnm/linux`) and for the one in a daemon
 * (`libcnm/client`): a program that is written for them runs against either.
 *
 * A handle names something; making one asks nothing and can't fail. Its verbs look up what it names each time, so
 * `network('web')` is whatever network is called `web` when a verb is called. What the engine answers with (from
 * `create…`, `connect` and lists) are known handles: of exactly that one, by its id, also if another one of its
 * name is made later.
 */

/** The Container Network Model of one host: its networks, sandboxes and endpoints. */
export interface Controller extends AsyncDisposable {
  /** Errors: NETWORK_EXISTS, POOL_OVERLAP, LINK_EXISTS, UNKNOWN_DRIVER, INVALID_… */
  createNetwork(options: NetworkOptions): Promise<KnownNetwork>

  /** The network of that name, made if it isn't there. Errors: NETWORK_EXISTS if it is another one. */
  ensureNetwork(options: NetworkOptions): Promise<KnownNetwork>

  /** By name, id, or the beginning of an id. Its verbs: NETWORK_NOT_FOUND, AMBIGUOUS_NAME. */
  network(name: string): Network

  networks(options?: Cancellable): Promise<KnownNetwork[]>

  /** Errors: SANDBOX_EXISTS, NAMESPACE_NOT_FOUND, HOST_NAMESPACE, and those of `Sandbox.connect`. */
  createSandbox(options?: SandboxOptions): Promise<KnownSandbox>

  /** By name, id, or the beginning of an id. Its verbs: SANDBOX_NOT_FOUND, AMBIGUOUS_NAME. */
  sandbox(name: string): Sandbox

  sandboxes(options?: Cancellable): Promise<KnownSandbox[]>

  /** By id or the beginning of an id (names are unique on their network only). Its verbs: ENDPOINT_NOT_FOUND. */
  endpoint(id: string): Endpoint

  /** All, or those of a network, of a sandbox, or of both. */
  endpoints(options?: EndpointFilter): Promise<KnownEndpoint[]>

  /**
   * What happens from the moment this resolves, or after the event `since`, until the signal fires or the controller
   * is closed. None is missed or told twice, also if the client loses its connection meanwhile. Errors, also from
   * iterating: EVENTS_LOST (the engine was started anew, or the reader is so slow that events would have to be left
   * out: then look at everything, and listen again), DAEMON_UNREACHABLE. In the library such a stream alone keeps no
   * program from ending; in the client it does.
   */
  events(options?: EventsOptions): Promise<EventStream>

  /**
   * What sandboxes' resolvers are asked from now on, each query when it has been answered, until the signal
   * fires or the controller is closed. At most 1,000 a second; `skipped` counts the others. A client that loses its
   * connection can't tell what was asked meanwhile, so iterating throws DAEMON_UNREACHABLE.
   */
  queries(options?: Cancellable): Promise<Stream<DnsQuery>>

  /**
   * Bytes, packets, drops and errors of all endpoints and networks since their links were made. One
   * question to the kernel, however many there are.
   */
  statistics(options?: Cancellable): Promise<Statistics>

  /** Network drivers and IPAMs that are other programs, and how they are. */
  plugins(options?: Cancellable): Promise<PluginInfo[]>

  /** By its whole name. Errors: PLUGIN_NOT_FOUND. */
  plugin(name: string, options?: Cancellable): Promise<PluginInfo>

  /** How the machine differs from the records; with `fix` the difference is mended. */
  doctor(options?: Cancellable & { readonly fix?: boolean }): Promise<Finding[]>

  /** Deletes all networks without endpoints. Answers with their names. */
  prune(options?: Cancellable): Promise<string[]>

  /**
   * Deletes all sandboxes, endpoints and networks. Resolves when they are really gone; an error names
   * everything that couldn't be deleted.
   */
  down(options?: Cancellable): Promise<void>

  /**
   * In the library it ends the engine; networks and sandboxes stay as they are, and so do programs in them: an `exec`
   * that waits for one is CLOSED, and the program goes on. The client leaves the daemon. Other calls that are under way
   * come to their end, streams end, and later calls are CLOSED. Idempotent.
   */
  close(): Promise<void>
}

export interface EndpointFilter extends Cancellable {
  readonly network?: Network | string
  readonly sandbox?: Sandbox | string
}

/** A network: a group of endpoints that can talk to each other, and not to those of other networks. */
export interface Network {
  /** What it is asked for by: its name, its id, or the beginning of that. */
  readonly ref: string

  /** All that is known of it, now. Errors: NETWORK_NOT_FOUND. */
  inspect(options?: Cancellable): Promise<NetworkInfo>

  endpoints(options?: Cancellable): Promise<KnownEndpoint[]>

  /**
   * An endpoint that no sandbox has joined yet. It is collected after a while if none does. Errors: ENDPOINT_EXISTS,
   * ADDRESS_IN_USE, ADDRESSES_EXHAUSTED, PORT_IN_USE, INVALID_…
   */
  createEndpoint(options: StandaloneEndpointOptions): Promise<KnownEndpoint>

  /** With `force` its endpoints leave and go first. Errors: NETWORK_IN_USE, naming the endpoints. */
  delete(options?: Cancellable & { readonly force?: boolean }): Promise<void>
}

/** A network that there was when this was answered, by its id. */
export interface KnownNetwork extends Network {
  readonly id: string
  readonly name: string
  /** As it was then. `inspect` asks again. */
  readonly info: NetworkInfo
}

/** An isolated network stack: one of its own, another program's that was adopted, or the host's. */
export interface Sandbox extends AsyncDisposable {
  /** What it is asked for by: its name, its id, or the beginning of that. */
  readonly ref: string

  /** All that is known of it, now. Errors: SANDBOX_NOT_FOUND. */
  inspect(options?: Cancellable): Promise<SandboxInfo>

  endpoints(options?: Cancellable): Promise<KnownEndpoint[]>

  /**
   * Creates an endpoint on the network and joins it, in one step. It goes when it leaves. Errors: ALREADY_CONNECTED,
   * NETWORK_NOT_FOUND, and those of `Network.createEndpoint`.
   */
  connect(network: Network | string, options?: EndpointOptions): Promise<KnownEndpoint>

  /**
   * Runs a program inside and waits until it has ended and its output is complete. In an ephemeral sandbox the first
   * one's end is the sandbox's too. On abort it is killed, and what it left behind is not waited for. Errors:
   * NOT_ALLOWED (it wrote too much, or its container is another engine's), COMMAND_NOT_FOUND.
   */
  exec(argv: readonly string[], options?: ExecOptions): Promise<ExecResult>

  /**
   * The process that this ephemeral sandbox goes with from now on: one inside it, or, before there was
   * such a one, one of the host that is about to start it. Errors: NAMESPACE_NOT_FOUND, NOT_ALLOWED.
   */
  bindProgram(pid: number, options?: Cancellable): Promise<void>

  /** Deletes it with its endpoints. An adopted namespace stays, without our links. */
  delete(options?: Cancellable): Promise<void>

  /** Deletes it if it is still there. */
  [Symbol.asyncDispose](): Promise<void>
}

/** A sandbox that there was when this was answered, by its id. */
export interface KnownSandbox extends Sandbox {
  readonly id: string
  readonly name: string
  /** As it was then. `inspect` asks again. */
  readonly info: SandboxInfo
}

/** An endpoint joins one sandbox to one network. */
export interface Endpoint {
  /** What it is asked for by: its id or the beginning of that. */
  readonly ref: string

  /** All that is known of it, now. Errors: ENDPOINT_NOT_FOUND. */
  inspect(options?: Cancellable): Promise<EndpointInfo>

  /**
   * Gives the sandbox connectivity on the endpoint's network. Answers with what it is then. Errors: ENDPOINT_IN_USE,
   * ALREADY_CONNECTED, SANDBOX_NOT_FOUND, PORT_IN_USE.
   */
  join(sandbox: Sandbox | string, options?: Cancellable): Promise<EndpointInfo>

  /** Ends it. An endpoint that was made by `connect` is gone afterwards. Errors: ENDPOINT_NOT_JOINED. */
  leave(options?: Cancellable): Promise<void>

  /**
   * Publishes ports besides those that are, while its programs run on; all of them or none. Answers
   * with the host ports. Errors: INVALID_PORT, PORT_IN_USE, PORTS_EXHAUSTED, ENDPOINT_NOT_JOINED,
   * NOT_ALLOWED (its network publishes nothing, or not there).
   */
  publish(
    ports: readonly (string | PublishOptions)[],
    options?: Cancellable,
  ): Promise<readonly PublishedBinding[]>

  /**
   * Ends that, also for some ports of a range, and without host port or address for all there are.
   * When it resolves, nothing of a flow that went on arrives any more. Errors: INVALID_ARGUMENT
   * (it does not publish that; then nothing is changed), INVALID_PORT, ENDPOINT_NOT_JOINED.
   */
  unpublish(
    ports: readonly (string | PublishOptions | PublishedBinding)[],
    options?: Cancellable,
  ): Promise<void>

  /** Changes it while its programs run on. Answers with what it is then. */
  update(options: UpdateOptions): Promise<EndpointInfo>

  /** Leaves, if it has joined, and is gone. */
  delete(options?: Cancellable): Promise<void>
}

/** An endpoint that there was when this was answered, by its id. */
export interface KnownEndpoint extends Endpoint {
  readonly id: string
  readonly name: string
  /** As it was then. `inspect` asks again. */
  readonly info: EndpointInfo
}
