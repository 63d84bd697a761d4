import { didYouMean } from '../base/did-you-mean.ts'
import { CnmError } from '../base/errors.ts'
import type { EndpointId, NetworkId, SandboxId } from '../base/id.ts'
import type { NetworkDriver } from '../driver/driver.ts'
import type { PluginSource } from '../driver/plugin-source.ts'
import type { Ipam } from '../ipam/ipam.ts'
import type { HostView, Kernel } from '../kernel/kernel.ts'
import type { Kind, Store, Write } from '../store/store.ts'
import { HOST, HostShare } from './change/host-share.ts'
import { Ledger } from './change/ledger.ts'
import { RecordBook } from './change/record-book.ts'
import { withoutOwnChanges } from './change/without-own-changes.ts'
import type { EngineDns } from './engine-dns.ts'
import { EventBus } from './event-bus.ts'
import { NetworkNumbers } from './network/network-numbers.ts'
import { PluginState } from './plugins/plugin-state.ts'
import { PortTable } from './ports/port-table.ts'
import { NamesState } from './sandbox/names-state.ts'
import { ModelState } from './state.ts'

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
  /** Told of what fails in the background, where no caller waits for it. */
  readonly onProblem: (problem: unknown) => void
  /** How many events are kept for those who come back. */
  readonly eventsKept?: number
}

/** What the parts of the model share: the contracts it stands on, and the state. */
export class Parts {
  readonly kernel: Kernel
  readonly store: RecordBook
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
  readonly pluginState = new PluginState()
  readonly numbers = new NetworkNumbers()
  /** Who holds which ports of the host. */
  readonly ports = new PortTable()
  /** Where the search for any free port goes on. */
  nextPort = 0
  readonly events: EventBus
  /** Fires when the controller closes; ends everything that waits. */
  readonly closing = new AbortController()
  /** Sysctls that we set in a life whose records are lost. */
  readonly #assumedOurs = new Set<string>()
  #view: HostView | undefined

  constructor(options: EngineOptions) {
    this.kernel = options.kernel
    this.store = new RecordBook(options.store)
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
    return new CnmError('UNKNOWN_DRIVER', `there is no driver "${name}"`, {
      details: { driver: name },
      hint: this.#knownHint(name, [...this.drivers.keys()]),
    })
  }

  ipam(name: string): Ipam {
    const ipam = this.ipams.get(name) ?? this.plugins?.ipam(name)
    if (ipam !== undefined) return ipam
    throw this.unknownIpam(name)
  }

  unknownIpam(name: string): CnmError {
    return new CnmError('UNKNOWN_IPAM', `there is no IPAM "${name}"`, {
      details: { ipam: name },
      hint: this.#knownHint(name, [...this.ipams.keys()]),
    })
  }

  #knownHint(name: string, known: readonly string[]): string {
    const all = `known are ${known.join(', ')}${this.plugins ? ', and plugins ("cnm plugin ls")' : ''}`
    const meant = didYouMean(name, known)
    return meant === undefined ? all : `${meant} ${all}`
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
    const shown = withoutOwnChanges(view, restored)
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
