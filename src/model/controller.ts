import type { Cancellable } from '../api/option-fields.ts'
import type { NetworkOptions, SandboxOptions } from '../api/options.ts'
import { CnmError, isCnmError, throwIfAborted } from '../base/errors.ts'
import type { NetworkDriver } from '../driver/driver.ts'
import type { PluginSource } from '../driver/plugin-source.ts'
import type { Ipam } from '../ipam/ipam.ts'
import type { Kernel } from '../kernel/kernel.ts'
import type { Store } from '../store/store.ts'
import { collect } from './collect.ts'
import { Endpoint } from './endpoint/endpoint.ts'
import { Engine } from './engine.ts'
import { type DnsOptions, parseDns } from './engine-dns.ts'
import type { CnmEvent, ListenOptions } from './event-bus.ts'
import { explain } from './explain.ts'
import { followFlowLimits } from './flow-limits.ts'
import { Network, refuseOther } from './network/network.ts'
import { createNetwork } from './network/networks.ts'
import { followPlugins } from './plugins/follow-plugins.ts'
import { inspectPlugin, listPlugins, type PluginInfo } from './plugins/plugin-infos.ts'
import { tellPlugins } from './plugins/tell-plugins.ts'
import { doctor } from './recovery/doctor.ts'
import type { Finding } from './recovery/finding.ts'
import { followHost } from './recovery/follow-host.ts'
import { handBack } from './recovery/hand-back.ts'
import type { Losses } from './recovery/losses.ts'
import { start } from './recovery/start.ts'
import { followLinks } from './relink.ts'
import { Runtime } from './runtime.ts'
import { type DnsQuery, dnsQueries } from './sandbox/dns-queries.ts'
import { Sandbox } from './sandbox/sandbox.ts'
import { createSandbox } from './sandbox/sandboxes.ts'
import { readStatistics, type Statistics } from './statistics.ts'
import { pruneNetworks, tearDown } from './tear-down.ts'

export interface ControllerOptions {
  readonly kernel: Kernel
  readonly store: Store
  readonly drivers: readonly NetworkDriver[]
  readonly ipams: readonly Ipam[]
  /** Where drivers and IPAMs of other names are looked for. Default: there are none. */
  readonly plugins?: PluginSource
  /** The folder in which our own network namespaces are mounted. */
  readonly namespaceDir: string
  /** The folder in which files for sandboxes are kept: `hosts`, `resolv.conf`, `hostname`. Absolute. */
  readonly sandboxDir: string
  readonly dns?: DnsOptions
  /** How long an endpoint that isn't persistent is kept without a sandbox, and an ephemeral network without ever an endpoint. Default: 60 s. */
  readonly idleMs?: number
  /**
   * `auto`: where Docker filters, our packets are let through by a rule in its chain for such rules
   * (DOCKER-USER). `off`: nothing of others is touched, and `doctor` tells what is in the way. Default:
   * `auto`.
   */
  readonly coexist?: 'auto' | 'off'
  /** How many events are kept for `events({ since })`, at least. Default: 10,000. */
  readonly eventsKept?: number
  /** Told of what fails in the background. Default: a process warning. */
  readonly onProblem?: (problem: unknown) => void
  /** Called last when the controller closes. */
  readonly onClose?: () => Promise<void>
}

/** Starts an engine on the given parts. `libcnm/linux` puts the usual ones together. */
export async function createController(options: ControllerOptions): Promise<Controller> {
  const { onClose = async () => {}, idleMs = 60_000, onProblem = warn, ...rest } = options
  const dns = parseDns(options.dns)
  const tell = (problem: unknown) => {
    // What fails from then on fails because of that, which is told.
    if (engine.changes.transactions.failure === undefined) onProblem(problem)
  }
  const engine: Engine = new Engine({ coexist: 'auto', ...rest, dns, idleMs, onProblem: tell })
  try {
    const losses = await start(engine)
    followLinks(engine)
    tellPlugins(engine)
    await collect(engine)
    followPlugins(engine)
    for (const detail of losses.all()) onProblem(detail)
    followHost(engine)
    followFlowLimits(engine)
    return new Controller(engine, losses, onClose)
  } catch (error) {
    await shut(engine, onClose)
    throw explain(error, 'starting the engine')
  }
}

function warn(problem: unknown): void {
  process.emitWarning(problem instanceof Error ? problem : String(problem), 'CnmWarning')
}

async function shut(engine: Engine, onClose: () => Promise<void>): Promise<void> {
  engine.closing.abort()
  await engine.changes.idle()
  engine.events.close()
  try {
    await engine.store.close()
  } finally {
    await engine.kernel.close()
    await onClose()
  }
}

/** The Container Network Model of one host: its networks, sandboxes and endpoints. */
export class Controller implements AsyncDisposable {
  readonly #engine: Engine
  readonly #losses: Losses
  readonly #onClose: () => Promise<void>
  #closed: Promise<void> | undefined
  /**
   * Resolves if the engine can't go on, with the reason (CLOSED): the controller closes then by itself, and
   * whatever is asked of it is refused with that. Sandboxes, their ports and names go on; the next
   * controller with these folders takes them over.
   */
  readonly failed: Promise<CnmError>

  constructor(engine: Engine, losses: Losses, onClose: () => Promise<void>) {
    this.#engine = engine
    this.#losses = losses
    this.#onClose = onClose
    this.failed = engine.kernel.failed.then((failure) => this.#fail(failure))
  }

  /** Errors: NETWORK_EXISTS, POOL_OVERLAP, LINK_EXISTS, UNKNOWN_DRIVER, INVALID_… */
  async createNetwork(options: NetworkOptions): Promise<Network> {
    const { id } = await createNetwork(this.#open(), options)
    return new Network(this.#engine, id)
  }

  /** The network of that name, made if it isn't there. Errors: NETWORK_EXISTS if it is another one. */
  async ensureNetwork(options: NetworkOptions): Promise<Network> {
    try {
      return await this.createNetwork(options)
    } catch (error) {
      if (!isCnmError(error, 'NETWORK_EXISTS')) throw error
      const there = this.#engine.state.networks.named(options.name)
      if (there?.state !== 'ready') throw error
      refuseOther(this.#engine, there.record, options, await this.#engine.view())
      return new Network(this.#engine, there.record.id)
    }
  }

  /** By id, name, or the beginning of an id. Errors: NETWORK_NOT_FOUND, AMBIGUOUS_NAME. */
  network(name: string): Network {
    return new Network(this.#open(), this.#engine.state.networks.find(name).record.id)
  }

  networks(): Network[] {
    return this.#open()
      .state.networks.all()
      .filter(({ state }) => state !== 'creating')
      .map(({ record }) => new Network(this.#engine, record.id))
  }

  /** Errors: SANDBOX_EXISTS, NAMESPACE_NOT_FOUND, HOST_NAMESPACE, and those of `connect`. */
  async createSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
    const { id } = await createSandbox(this.#open(), options)
    return new Sandbox(this.#engine, id)
  }

  sandbox(name: string): Sandbox {
    return new Sandbox(this.#open(), this.#engine.state.sandboxes.find(name).id)
  }

  sandboxes(): Sandbox[] {
    return this.#open()
      .state.sandboxes.all()
      .filter(({ state }) => state !== 'creating')
      .map(({ id }) => new Sandbox(this.#engine, id))
  }

  /** For a front of another engine, to be called once for each. */
  runtime(name: string): Runtime {
    return new Runtime(this.#open(), name)
  }

  /** By id or the beginning of an id (names are unique on their network only). */
  endpoint(id: string): Endpoint {
    return new Endpoint(this.#open(), this.#engine.state.endpoints.find(id).id)
  }

  endpoints(): Endpoint[] {
    return this.#open()
      .state.endpoints.all()
      .filter(({ state }) => state !== 'creating')
      .map(({ id }) => new Endpoint(this.#engine, id))
  }

  /**
   * What happens from now on, or after the event of the number `since`, until the signal fires or the
   * controller closes. Errors: EVENTS_LOST (not all since then is known any more, or `instance` says that
   * the number is another controller's), also for who reads so slowly that events would have to be left out.
   */
  events(options: ListenOptions = {}): AsyncIterable<CnmEvent> & AsyncDisposable {
    return this.#open().events.listen(options)
  }

  /** Another one for each controller: numbers of events begin anew. */
  get instance(): string {
    return this.#engine.events.instance
  }

  /** The number of the last event. */
  get sequence(): number {
    return this.#engine.events.sequence
  }

  /**
   * What sandboxes' resolvers are asked from now on, each query when it has been answered, until the
   * signal fires or the controller closes. At most 1,000 a second; `skipped` counts the others.
   */
  queries(options: Cancellable = {}): AsyncIterable<DnsQuery> {
    return dnsQueries(this.#open(), options.signal)
  }

  /**
   * Bytes, packets, drops and errors of all endpoints and networks since their links were made. One
   * question to the kernel, however many there are.
   */
  async statistics(options: Cancellable = {}): Promise<Statistics> {
    throwIfAborted(options.signal, 'reading statistics')
    return readStatistics(this.#open())
  }

  /** Network drivers and IPAMs that are other programs, and how they are. */
  async plugins(options: Cancellable = {}): Promise<PluginInfo[]> {
    return listPlugins(this.#open(), options.signal)
  }

  /** By its whole name. Errors: PLUGIN_NOT_FOUND. */
  async plugin(name: string, options: Cancellable = {}): Promise<PluginInfo> {
    return inspectPlugin(this.#open(), name, options.signal)
  }

  /** How the machine differs from the records; with `fix` the difference is mended. */
  async doctor(options: Cancellable & { readonly fix?: boolean } = {}): Promise<Finding[]> {
    throwIfAborted(options.signal, 'doctor')
    return doctor(this.#open(), this.#losses, options.fix ?? false)
  }

  /** Deletes all networks without endpoints. Answers with their names. */
  async prune(options: Cancellable = {}): Promise<string[]> {
    return pruneNetworks(this.#open(), options.signal)
  }

  /**
   * Deletes all sandboxes, endpoints and networks. Resolves when they are really gone; an error names
   * everything that couldn't be deleted.
   */
  async down(options: Cancellable = {}): Promise<void> {
    await tearDown(this.#open(), options.signal)
  }

  /**
   * For the release before this one, which is to follow on this host: from then on it finds what it knows.
   * Sandboxes go on. The engine is closed by that.
   */
  async handBack(): Promise<void> {
    await handBack(this.#open())
    await this.close()
  }

  /** Resolves when everything deleted so far is really gone from the kernel. */
  async settled(): Promise<void> {
    await this.#open().kernel.settled()
  }

  /** Ends the engine; networks and sandboxes stay as they are. Idempotent. */
  async close(): Promise<void> {
    this.#closed ??= shut(this.#engine, this.#onClose)
    await this.#closed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #fail(failure: CnmError): CnmError {
    if (this.#closed !== undefined) return failure
    this.#engine.onProblem(failure)
    this.#engine.changes.transactions.failure = failure
    // What can't be closed properly after that is no news.
    this.close().catch(() => {})
    return failure
  }

  #open(): Engine {
    if (this.#engine.changes.transactions.failure !== undefined)
      throw this.#engine.changes.transactions.failure
    if (this.#closed === undefined) return this.#engine
    throw new CnmError('CLOSED', 'the controller is closed')
  }
}
