import { CnmError, cancelled, throwIfAborted } from '../base/errors.ts'
import type { EndpointId, NetworkId, SandboxId } from '../base/id.ts'
import { KeyedQueue } from '../base/keyed-queue.ts'
import type { NetworkDriver } from '../driver/driver.ts'
import type { PluginSource } from '../driver/plugin-source.ts'
import type { Ipam } from '../ipam/ipam.ts'
import type { Change, HostView, Kernel } from '../kernel/kernel.ts'
import type { Resource } from '../kernel/resource.ts'
import type { Kind, Store, Write } from '../store/store.ts'
import type { EngineDns } from './engine-dns.ts'
import { EventBus } from './event-bus.ts'
import { explain } from './explain.ts'
import { HOST, type HostClaim, HostShare, type Sharing } from './host-share.ts'
import { type Claim, ClaimConflict, Ledger } from './ledger.ts'
import { NamesState } from './names-state.ts'
import { NetworkNumbers } from './network-numbers.ts'
import { PluginState } from './plugin-state.ts'
import { PortTable } from './port-table.ts'
import { ModelState } from './state.ts'
import { untouched } from './untouched.ts'

export interface EngineOptions {
  readonly kernel: Kernel
  readonly store: Store
  readonly drivers: readonly NetworkDriver[]
  readonly ipams: readonly Ipam[]
  /** Where others are looked for. Absent: there are none. */
  readonly plugins?: PluginSource
  /** The folder our own network namespaces are mounted in. */
  readonly namespaceDir: string
  /** The folder of the files of sandboxes. */
  readonly sandboxDir: string
  readonly dns: EngineDns
  /** How long an endpoint without a sandbox is kept. */
  readonly idleMs: number
  /** Whether others' filters are asked to let our packets pass, where they can be asked. */
  readonly coexist: 'auto' | 'off'
  /** Told of what fails in the background, where nobody waits for it. */
  readonly onProblem: (problem: unknown) => void
  /** How many events are kept for those who come back. */
  readonly eventsKept?: number
}

/** One change of the model, as it goes: decide → record → do → record. */
export interface Step {
  /** In words, for messages: `connecting sandbox "api" to network "web"`. */
  readonly what: string
  readonly claims: readonly Claim[]
  /** Recorded before: enough to undo or finish the step after a crash. */
  readonly intent: readonly Write[]
  /** Recorded when it is done. */
  readonly done: readonly Write[]
  /** Recorded if it could not be done: what was there before. */
  readonly undone: readonly Write[]
  /**
   * Called when the machine is changed, before that is recorded. Answers with what else is to be recorded;
   * if it fails, the machine is changed back.
   */
  readonly after?: () => Promise<readonly Write[]>
  /** How it is made true, where that may be in part. Default: by the kernel, all or nothing. */
  readonly make?: (change: Change) => Promise<void>
  readonly signal?: AbortSignal
}

/** One that concerns what all networks share. */
export interface SharedStep extends Step {
  readonly sharing: Sharing
}

/** A step that is true on the machine, but not recorded. */
interface Begun {
  readonly sharing: Sharing | undefined
  /** What the host has claimed for it. */
  readonly host: HostClaim | undefined
}

/** What the parts of the model share: the ports to the outside, the state, and the way a change goes. */
export class Engine {
  readonly kernel: Kernel
  readonly store: Store
  readonly namespaceDir: string
  readonly sandboxDir: string
  readonly dns: EngineDns
  readonly idleMs: number
  readonly coexist: 'auto' | 'off'
  readonly onProblem: (problem: unknown) => void
  readonly drivers: ReadonlyMap<string, NetworkDriver>
  readonly ipams: ReadonlyMap<string, Ipam>
  readonly plugins: PluginSource | undefined
  readonly state = new ModelState()
  readonly ledger = new Ledger()
  readonly host: HostShare
  readonly names = new NamesState()
  readonly plugged = new PluginState()
  readonly numbers = new NetworkNumbers()
  /** Who holds which ports of the host. */
  readonly ports = new PortTable()
  /** Where the search for any free port goes on. */
  nextPort = 0
  readonly queue = new KeyedQueue()
  readonly events: EventBus
  /** Fires when the controller closes; ends everything that waits. */
  readonly closing = new AbortController()
  /** When endpoints that nobody has joined, and networks that nobody has used, are collected, by id. */
  readonly idleTimers = new Map<string, NodeJS.Timeout>()
  readonly #pending = new Set<Promise<unknown>>()
  /** Sysctls that we set in a life whose records are lost. */
  readonly #assumedOurs = new Set<string>()
  #view: HostView | undefined
  /** Why nothing can be done any more, though nobody has closed the controller. */
  failure: CnmError | undefined

  constructor(options: EngineOptions) {
    this.kernel = options.kernel
    this.store = options.store
    this.namespaceDir = options.namespaceDir
    this.sandboxDir = options.sandboxDir
    this.dns = options.dns
    this.idleMs = options.idleMs
    this.coexist = options.coexist
    this.onProblem = options.onProblem
    this.events = new EventBus(options.eventsKept)
    this.drivers = new Map(options.drivers.map((driver) => [driver.name, driver]))
    this.ipams = new Map(options.ipams.map((ipam) => [ipam.name, ipam]))
    this.plugins = options.plugins
    this.host = new HostShare({ driver: (name) => this.driver(name), zone: options.dns.zone })
  }

  driver(name: string): NetworkDriver {
    const driver = this.drivers.get(name === 'none' ? 'null' : name) ?? this.plugins?.driver(name)
    if (driver !== undefined) return driver
    throw this.unknownDriver(name)
  }

  unknownDriver(name: string): CnmError {
    const known = [...this.drivers.keys()].join(', ')
    return new CnmError('UNKNOWN_DRIVER', `there is no driver "${name}"`, {
      details: { driver: name },
      hint: `known are ${known}${this.plugins ? ', and plugins ("cnm plugin ls")' : ''}`,
    })
  }

  ipam(name: string): Ipam {
    const ipam = this.ipams.get(name) ?? this.plugins?.ipam(name)
    if (ipam !== undefined) return ipam
    throw this.unknownIpam(name)
  }

  unknownIpam(name: string): CnmError {
    const known = [...this.ipams.keys()].join(', ')
    return new CnmError('UNKNOWN_IPAM', `there is no IPAM "${name}"`, {
      details: { ipam: name },
      hint: `known are ${known}${this.plugins ? ', and plugins ("cnm plugin ls")' : ''}`,
    })
  }

  /** The host as drivers may see it, without what we changed ourselves. */
  async view(): Promise<HostView> {
    this.#view ??= this.#shown(await this.kernel.view())
    return this.#view
  }

  /** The view that the last `view` gave, for the hot path: a network was there before any endpoint. */
  get lastView(): HostView {
    if (this.#view === undefined) throw new CnmError('INTERNAL', 'the host was never looked at')
    return this.#view
  }

  /** The host has changed: look again at the next occasion. */
  async lookAgain(): Promise<HostView> {
    this.#view = this.#shown(await this.kernel.view())
    return this.#view
  }

  /** Forwarding on that link is ours, though no record says so. */
  assumeForwarding(family: string, link: string): void {
    const path = family === 'ipv4' ? 'forwarding' : 'force_forwarding'
    this.#assumedOurs.add(`net/${family}/conf/${link}/${path}`)
    if (family === 'ipv6') this.#assumedOurs.add('net/ipv6/conf/all/forwarding')
  }

  /** Closing waits for this work, with all that follows from it. */
  async track<T>(work: Promise<T>): Promise<T> {
    this.#pending.add(work)
    try {
      return await work
    } finally {
      this.#pending.delete(work)
    }
  }

  /**
   * Work that takes keys of the queue, and that nobody waits for: who asks for it may hold some. What holds
   * keys and waits for others' would wait for ever where something runs alone in between.
   */
  follow(work: () => Promise<unknown>): void {
    this.track(work()).catch(this.onProblem)
  }

  /** Resolves when nothing is under way any more. */
  async idle(): Promise<void> {
    await this.queue.idle()
    while (this.#pending.size > 0) {
      await Promise.allSettled(this.#pending)
      await this.queue.idle()
    }
  }

  /** Makes the step true and recorded, or leaves everything as it was and throws. */
  async perform(step: Step): Promise<void> {
    await this.#finish(step, await this.#begin(step, undefined))
  }

  /**
   * The same for a step that concerns what all networks share. It is planned when it is its turn, so that it
   * sees what those before it have done; what it waits for afterwards keeps no others.
   */
  async performShared(plan: () => SharedStep): Promise<void> {
    let step: SharedStep | undefined
    const begun = await this.host.inTurn(() => {
      step = plan()
      return this.#begin(step, step.sharing)
    })
    await this.#finish(step!, begun)
  }

  /** Claims, records the intent, and changes the machine. */
  async #begin(step: Step, sharing: Sharing | undefined): Promise<Begun> {
    throwIfAborted(step.signal, step.what)
    if (this.failure !== undefined) throw this.failure
    const { change, host } = this.#claim(step, sharing)
    const begun: Begun = { sharing, host }
    try {
      await this.#commit(step.intent, sharing)
    } catch (error) {
      this.#unclaim(step, begun)
      throw error
    }
    try {
      await (step.make ?? ((it) => this.#apply(it)))(change)
      if (sharing) this.host.settled()
      return begun
    } catch (error) {
      this.#unclaim(step, begun)
      // The kernel has taken back all of it, but others may have come to want some of it meanwhile.
      await this.#undone(step, begun, { remove: [], add: this.ledger.wanted(change.add) })
      throw explain(error, step.what)
    }
  }

  /** Does what is left to do, and records that it is done. */
  async #finish(step: Step, begun: Begun): Promise<void> {
    try {
      const more = (await step.after?.()) ?? []
      await this.#record({ ...step, done: [...step.done, ...more] }, begun)
    } catch (error) {
      // What brings everything up to date has come so far, and is not worse than it was.
      if (begun.sharing && 'anew' in begun.sharing) throw explain(error, step.what)
      const takeBack = () => this.#undone(step, begun, this.#unclaim(step, begun))
      await (begun.sharing ? this.host.inTurn(takeBack) : takeBack())
      throw explain(error, step.what)
    }
  }

  /**
   * Makes the machine what it is to be without the step, and records that. Where that fails, the intent stays
   * recorded and the next start rolls it back.
   */
  async #undone(step: Step, begun: Begun, back: Change): Promise<void> {
    try {
      await this.#apply(back)
      if (begun.sharing) this.host.settled()
    } catch (error) {
      this.onProblem(explain(error, `taking back: ${step.what}`))
      return
    }
    await this.#commit(step.undone, begun.sharing).catch(() => {})
  }

  /**
   * Records the step, and does of it what takes away: what it adds stays missing until it is mended. What
   * can't be taken away is told; it is nobody's from now on.
   */
  async performRemoval(step: Pick<Step, 'what' | 'claims' | 'done' | 'after'>): Promise<void> {
    if (this.failure !== undefined) throw this.failure
    const { remove } = this.ledger.claim(step.claims)
    try {
      await this.store.commit([...step.done, ...((await step.after?.()) ?? [])])
    } catch (error) {
      this.ledger.unclaim(step.claims)
      throw error
    }
    await this.#apply({ remove, add: [] }).catch((error: unknown) => {
      this.onProblem(explain(error, step.what))
    })
  }

  async #record(step: Step, { sharing }: Begun): Promise<void> {
    const isTornDown = step.claims.length > 0 && step.claims.every(({ to }) => to.length === 0)
    if (!isTornDown && step.signal?.aborted) throw cancelled(step.what, step.signal)
    const recorded = this.#commit(step.done, sharing)
    // What is torn down can't be put back as it was. The intent is recorded: the next start, at the latest,
    // finishes what can't be recorded now.
    await (isTornDown ? recorded.catch(this.onProblem) : recorded)
  }

  async #commit(writes: readonly Write[], sharing: Sharing | undefined): Promise<void> {
    if (sharing === undefined) return this.store.commit(writes)
    try {
      await this.store.commit([...writes, ...this.host.writes()])
    } catch (error) {
      this.host.unrecorded()
      throw error
    }
  }

  async #apply(claimed: Change): Promise<void> {
    const change = this.ledger.asOfNow(claimed)
    if (change.add.length + change.remove.length > 0) await this.kernel.apply(change)
  }

  #claim(
    step: Step,
    sharing: Sharing | undefined,
  ): { change: Change; host: HostClaim | undefined } {
    const host = sharing && this.host.claim(sharing)
    try {
      return { change: this.ledger.claim([...(host ? [host] : []), ...step.claims]), host }
    } catch (error) {
      if (sharing && host) this.host.unclaim(sharing, host)
      if (!(error instanceof ClaimConflict)) throw error
      throw new CnmError(
        'LINK_EXISTS',
        `${step.what}: ${thing(error.resource)} belongs to ${error.owners.map((id) => this.nameOf(id)).join(', ')}`,
        { hint: `use another ${wordFor(error.resource)}` },
      )
    }
  }

  /** Answers with what has to change for that on a machine on which the step was made true. */
  #unclaim(step: Step, { sharing, host }: Begun): Change {
    const back = sharing && host && this.host.unclaim(sharing, host)
    // Backwards, as `from` is what comes.
    const shared = back === undefined ? [] : [{ owner: back.owner, from: back.to, to: back.from }]
    return this.ledger.unclaim([...shared, ...step.claims])
  }

  /** Who owns something, in words. */
  nameOf(id: string): string {
    if (id === HOST) return 'the host'
    const network = this.state.networks.get(id as NetworkId)?.record
    if (network) return `network "${network.name}"`
    const endpoint = this.state.endpoints.get(id as EndpointId)
    if (endpoint) return `endpoint "${endpoint.name}"`
    const sandbox = this.state.sandboxes.get(id as SandboxId)
    return sandbox ? `sandbox "${sandbox.name}"` : id
  }

  /** What a driver may know: not what we do ourselves, nor what we shall not care about. */
  #shown(view: HostView): HostView {
    const restored = (path: string) => {
      const resource = this.ledger.get(`sysctl::${path}`)
      if (resource?.kind === 'sysctl') return resource.restore
      return this.#assumedOurs.has(path) ? '0' : undefined
    }
    const shown = untouched(view, restored)
    return this.coexist === 'auto' ? shown : { ...shown, dockerUser: [] }
  }
}

/** A write of one of our records; they are plain JSON by construction. */
export function put<T extends { readonly id: string }>(kind: Kind, record: T): Write {
  return { kind, id: record.id, value: record as unknown as Write['value'] }
}

export function drop(kind: Kind, id: string): Write {
  return { kind, id, value: null }
}

function wordFor({ kind }: Resource): string {
  return kind === 'fdb' ? 'MAC' : kind === 'neighbour' ? 'address' : 'name'
}

function thing(resource: Resource): string {
  switch (resource.kind) {
    case 'bridge':
      return `bridge "${resource.name}"`
    case 'veth':
    case 'lent-link':
      return `link "${resource.name}"`
    case 'neighbour':
      return `address ${resource.address}`
    case 'fdb':
      return `MAC ${resource.mac}`
    case 'element':
      return `"${resource.key.join(' . ')}"`
    default:
      return `what is wanted (${resource.kind})`
  }
}
