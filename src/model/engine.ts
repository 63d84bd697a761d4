import { CnmError, cancelled, isCnmError, isKernelError, throwIfAborted } from '../base/errors.ts'
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
import { type Claim, ClaimConflict, Ledger } from './ledger.ts'
import { NamesState } from './names-state.ts'
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
  readonly signal?: AbortSignal
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
  readonly names = new NamesState()
  readonly plugged = new PluginState()
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
    throwIfAborted(step.signal, step.what)
    const change = this.#claim(step)
    try {
      await this.store.commit(step.intent)
    } catch (error) {
      this.ledger.unclaim(step.claims)
      throw error
    }
    try {
      await this.#apply(change)
      await this.#record(await this.#settled(step, change), change)
    } catch (error) {
      this.ledger.unclaim(step.claims)
      // If this fails too, the intent stays recorded and the next start rolls it back.
      await this.store.commit(step.undone).catch(() => {})
      throw explain(error, step.what)
    }
  }

  /** The step as it is recorded: with what is only known now. */
  async #settled(step: Step, change: Change): Promise<Step> {
    if (step.after === undefined) return step
    try {
      return { ...step, done: [...step.done, ...(await step.after())] }
    } catch (error) {
      await this.#apply(reversed(change))
      throw error
    }
  }

  /**
   * Records the step, and does of it what takes away: what it adds stays missing until it is mended. What
   * can't be taken away is told; it is nobody's from now on.
   */
  async performRemoval(step: Pick<Step, 'what' | 'claims' | 'done' | 'after'>): Promise<void> {
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

  async #record(step: Step, change: Change): Promise<void> {
    if (step.claims.length > 0 && step.claims.every(({ to }) => to.length === 0)) {
      // What is torn down can't be put back as it was. The intent is recorded: the next start, at the
      // latest, finishes what can't be recorded now.
      await this.store.commit(step.done).catch(this.onProblem)
      return
    }
    try {
      if (step.signal?.aborted) throw cancelled(step.what, step.signal)
      await this.store.commit(step.done)
    } catch (error) {
      await this.#apply(reversed(change))
      throw error
    }
  }

  async #apply(change: Change): Promise<void> {
    if (change.add.length + change.remove.length > 0) await this.kernel.apply(change)
  }

  #claim(step: Step): Change {
    try {
      return this.ledger.claim(step.claims)
    } catch (error) {
      if (!(error instanceof ClaimConflict)) throw error
      throw new CnmError(
        'LINK_EXISTS',
        `${step.what}: ${thing(error.resource)} belongs to ${error.owners.map((id) => this.nameOf(id)).join(', ')}`,
        { hint: 'use another name' },
      )
    }
  }

  /** Who owns something, in words. */
  nameOf(id: string): string {
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

function reversed({ remove, add }: Change): Change {
  return { remove: add, add: remove }
}

/** A write of one of our records; they are plain JSON by construction. */
export function put<T extends { readonly id: string }>(kind: Kind, record: T): Write {
  return { kind, id: record.id, value: record as unknown as Write['value'] }
}

export function drop(kind: Kind, id: string): Write {
  return { kind, id, value: null }
}

function thing(resource: Resource): string {
  switch (resource.kind) {
    case 'bridge':
      return `bridge "${resource.name}"`
    case 'veth':
    case 'lent-link':
      return `link "${resource.name}"`
    case 'element':
      return `"${resource.key.join(' . ')}"`
    default:
      return `what is wanted (${resource.kind})`
  }
}

/** Other calls mean something else by these errnos. */
const ofFiles: ReadonlySet<string> = new Set(['open', 'write', 'rename', 'mkdir', 'unlink'])
const diskHints: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full: free some space there and repeat',
  EDQUOT: 'the disk quota is used up: free some space there and repeat',
  EROFS: 'the file system is read-only: mount it writable and repeat',
}

/** What the kernel refused, in the words of the operation. */
export function explain(error: unknown, what: string): unknown {
  if (isCnmError(error) || !isKernelError(error)) return error
  // Those of the host's own namespace are ours, not what a user asked for.
  const sysctl = /^sysctl:\/[^:]*:(.*)$/.exec(error.resource ?? '')?.[1]
  if (sysctl !== undefined) {
    const name = sysctl.replaceAll('/', '.')
    return new CnmError(
      'INVALID_OPTION',
      `${what}: sysctl "${name}" can't be set so: ${error.errno}`,
      {
        details: { sysctl: name, errno: error.errno },
        hint: 'check its name and value; whether there is IPv6 is the network’s business',
        cause: error,
      },
    )
  }
  if (error.errno === 'EPERM' || error.errno === 'EACCES') {
    return new CnmError('MISSING_CAPABILITY', `${what}: the kernel refuses: ${error.message}`, {
      hint: 'run as root, or with CAP_NET_ADMIN and CAP_SYS_ADMIN',
      cause: error,
    })
  }
  if (error.errno === 'EOPNOTSUPP' || error.errno === 'EAFNOSUPPORT') {
    return new CnmError('UNSUPPORTED_KERNEL', `${what}: this kernel can't: ${error.message}`, {
      cause: error,
    })
  }
  const hint = ofFiles.has(error.operation) ? diskHints[error.errno] : undefined
  if (hint !== undefined) {
    return new CnmError('STORE_UNAVAILABLE', `${what}: the disk refuses: ${error.message}`, {
      details: { errno: error.errno, path: error.target },
      hint,
      cause: error,
    })
  }
  return new CnmError('KERNEL', `${what}: ${error.message}`, {
    details: { operation: error.operation, errno: error.errno, target: error.target },
    cause: error,
  })
}
