import type { Controller, EndpointFilter } from '../api/controller.ts'
import type { Cancellable } from '../api/option-fields.ts'
import type { NetworkOptions, SandboxOptions } from '../api/options.ts'
import type { EventStream, EventsOptions, Stream } from '../api/streams.ts'
import type { DnsQuery, Finding, PluginInfo, Statistics } from '../api/told.ts'
import { type CnmError, isCnmError, throwIfAborted } from '../base/errors.ts'
import type { NetworkDriver } from '../driver/driver.ts'
import type { PluginSource } from '../driver/plugin-source.ts'
import type { Ipam } from '../ipam/ipam.ts'
import type { Kernel } from '../kernel/kernel.ts'
import type { Store } from '../store/store.ts'
import { collect } from './collect.ts'
import { endpointsOf, type KnownLocalEndpoint, LocalEndpoint } from './endpoint/endpoint.ts'
import { Engine } from './engine.ts'
import { type DnsOptions, parseDns } from './engine-dns.ts'
import { explain } from './explain.ts'
import { followFlowLimits } from './flow-limits.ts'
import { networkIdOf, open, sandboxIdOf } from './handle.ts'
import { KnownLocalNetwork, LocalNetwork } from './network/network.ts'
import { createNetwork } from './network/networks.ts'
import { refuseOther } from './network/same-network.ts'
import { followPlugins } from './plugins/follow-plugins.ts'
import { inspectPlugin, listPlugins } from './plugins/plugin-infos.ts'
import { tellPlugins } from './plugins/tell-plugins.ts'
import { doctor } from './recovery/doctor.ts'
import { followHost } from './recovery/follow-host.ts'
import { handBack } from './recovery/hand-back.ts'
import type { RecoveryReport } from './recovery/recovery-report.ts'
import { start } from './recovery/start.ts'
import { followLinks } from './relink.ts'
import { Runtime } from './runtime.ts'
import { dnsQueries } from './sandbox/dns-queries.ts'
import { KnownLocalSandbox, LocalSandbox } from './sandbox/sandbox.ts'
import { createSandbox } from './sandbox/sandboxes.ts'
import { Snapshot } from './snapshot.ts'
import { readStatistics } from './statistics.ts'
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
export async function createController(options: ControllerOptions): Promise<LocalController> {
  const { onClose = async () => {}, idleMs = 60_000, onProblem = warn, ...rest } = options
  const dns = parseDns(options.dns)
  const tell = (problem: unknown) => {
    // What fails from then on fails because of that, which is told.
    if (engine.changes.transactions.failure === undefined) onProblem(problem)
  }
  const engine: Engine = new Engine({ coexist: 'auto', ...rest, dns, idleMs, onProblem: tell })
  try {
    const recovery = await start(engine)
    followLinks(engine)
    tellPlugins(engine)
    await collect(engine)
    followPlugins(engine)
    for (const detail of recovery.all()) onProblem(detail)
    followHost(engine)
    followFlowLimits(engine)
    return new LocalController(engine, recovery, onClose)
  } catch (error) {
    await shutdown(engine, onClose)
    throw explain(error, 'starting the engine')
  }
}

function warn(problem: unknown): void {
  process.emitWarning(problem instanceof Error ? problem : String(problem), 'CnmWarning')
}

async function shutdown(engine: Engine, onClose: () => Promise<void>): Promise<void> {
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

/** The engine in this process. What it has besides the verbs of every controller only its own process can use. */
export class LocalController implements Controller {
  readonly #engine: Engine
  readonly #recovery: RecoveryReport
  readonly #onClose: () => Promise<void>
  #closed: Promise<void> | undefined
  /**
   * Resolves if the engine can't go on, with the reason (CLOSED): the controller closes then by itself, and
   * whatever is asked of it is refused with that. Sandboxes, their ports and names go on; the next
   * controller with these folders takes them over.
   */
  readonly failed: Promise<CnmError>
  /** What there is at this instant, without waiting. */
  readonly now: Snapshot

  constructor(engine: Engine, recovery: RecoveryReport, onClose: () => Promise<void>) {
    this.#engine = engine
    this.#recovery = recovery
    this.#onClose = onClose
    this.now = new Snapshot(engine)
    this.failed = engine.kernel.failed.then((failure) => this.#fail(failure))
  }

  async createNetwork(options: NetworkOptions): Promise<KnownLocalNetwork> {
    const engine = open(this.#engine)
    const { id } = await createNetwork(engine, options)
    return new KnownLocalNetwork(engine, engine.state.networks.need(id))
  }

  async ensureNetwork(options: NetworkOptions): Promise<KnownLocalNetwork> {
    try {
      return await this.createNetwork(options)
    } catch (error) {
      if (!isCnmError(error, 'NETWORK_EXISTS')) throw error
      const there = this.#engine.state.networks.named(options.name)
      if (there?.state !== 'ready') throw error
      refuseOther(this.#engine, there.record, options, await this.#engine.view())
      return new KnownLocalNetwork(this.#engine, there)
    }
  }

  network(name: string): LocalNetwork {
    return new LocalNetwork(this.#engine, name)
  }

  async networks({ signal }: Cancellable = {}): Promise<KnownLocalNetwork[]> {
    throwIfAborted(signal, 'listing networks')
    return this.now.networks()
  }

  async createSandbox(options: SandboxOptions = {}): Promise<KnownLocalSandbox> {
    const engine = open(this.#engine)
    return new KnownLocalSandbox(engine, await createSandbox(engine, options))
  }

  sandbox(name: string): LocalSandbox {
    return new LocalSandbox(this.#engine, name)
  }

  async sandboxes({ signal }: Cancellable = {}): Promise<KnownLocalSandbox[]> {
    throwIfAborted(signal, 'listing sandboxes')
    return this.now.sandboxes()
  }

  endpoint(id: string): LocalEndpoint {
    return new LocalEndpoint(this.#engine, id)
  }

  async endpoints({
    network,
    sandbox,
    signal,
  }: EndpointFilter = {}): Promise<KnownLocalEndpoint[]> {
    const engine = open(this.#engine)
    throwIfAborted(signal, 'listing endpoints')
    return endpointsOf(engine, {
      ...(network === undefined ? {} : { network: networkIdOf(engine, network) }),
      ...(sandbox === undefined ? {} : { sandbox: sandboxIdOf(engine, sandbox) }),
    })
  }

  /** For a front of another engine, to be called once for each. */
  runtime(name: string): Runtime {
    return new Runtime(open(this.#engine), name)
  }

  async events(options: EventsOptions = {}): Promise<EventStream> {
    const { events } = open(this.#engine)
    const { since = events.sequence, instance = events.instance } = options
    return { ...events.listen(options), since, instance }
  }

  /** Another one for each controller: numbers of events begin anew. */
  get instance(): string {
    return this.#engine.events.instance
  }

  /** The number of the last event. */
  get sequence(): number {
    return this.#engine.events.sequence
  }

  async queries({ signal }: Cancellable = {}): Promise<Stream<DnsQuery>> {
    const end = new AbortController()
    const ends = signal === undefined ? end.signal : AbortSignal.any([signal, end.signal])
    const queries = dnsQueries(open(this.#engine), ends)
    return {
      [Symbol.asyncIterator]: () => queries[Symbol.asyncIterator](),
      [Symbol.asyncDispose]: async () => end.abort(),
    }
  }

  async statistics(options: Cancellable = {}): Promise<Statistics> {
    throwIfAborted(options.signal, 'reading statistics')
    return readStatistics(open(this.#engine))
  }

  async plugins(options: Cancellable = {}): Promise<PluginInfo[]> {
    throwIfAborted(options.signal, 'listing plugins')
    return listPlugins(open(this.#engine), options.signal)
  }

  async plugin(name: string, options: Cancellable = {}): Promise<PluginInfo> {
    throwIfAborted(options.signal, 'inspecting a plugin')
    return inspectPlugin(open(this.#engine), name, options.signal)
  }

  async doctor(options: Cancellable & { readonly fix?: boolean } = {}): Promise<Finding[]> {
    throwIfAborted(options.signal, 'doctor')
    return doctor(open(this.#engine), this.#recovery, options.fix ?? false)
  }

  async prune(options: Cancellable = {}): Promise<string[]> {
    throwIfAborted(options.signal, 'pruning networks')
    return pruneNetworks(open(this.#engine), options.signal)
  }

  async down(options: Cancellable = {}): Promise<void> {
    throwIfAborted(options.signal, 'taking everything down')
    await tearDown(open(this.#engine), options.signal)
  }

  /**
   * For the release before this one, which is to follow on this host: from then on it finds what it knows.
   * Sandboxes go on. The engine is closed by that.
   */
  async handBack(): Promise<void> {
    await handBack(open(this.#engine))
    await this.close()
  }

  /** Resolves when everything deleted so far is really gone from the kernel. */
  async settled(): Promise<void> {
    await open(this.#engine).kernel.settled()
  }

  async close(): Promise<void> {
    this.#closed ??= shutdown(this.#engine, this.#onClose)
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
}
