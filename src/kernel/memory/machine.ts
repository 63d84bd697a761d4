import type { Cidr, IpAddress, MacAddress, Prefix } from '../../address/address.ts'
import { CnmError, KernelError } from '../../base/errors.ts'
import type { KernelEvent, LinkStatistics, Obstacle, PortHolder, SharedTable } from '../kernel.ts'
import { holdsOneOf, type WantedPorts } from '../port-conflict.ts'
import type {
  BridgeResource,
  ElementResource,
  LentLinkResource,
  NamespaceRef,
  Resource,
  VethResource,
} from '../resource.ts'
import { resourceKey } from '../resource.ts'
import type { TableDefinition } from '../ruleset.ts'

export interface Link {
  readonly name: string
  readonly type: string
  readonly mtu: number
  readonly mac?: MacAddress
  readonly maxLearned?: number
  readonly ipv6: boolean
  /** Of a veth: whether both ends were up at any time. */
  readonly used?: true
  /** What has passed through it; absent: nothing. */
  readonly traffic?: Partial<Omit<LinkStatistics, 'name'>>
  /** What it was made from (an inner end: its host end's). Absent: it has another owner. */
  readonly resource?: BridgeResource | VethResource | LentLinkResource
}

interface NetnsAddress {
  readonly link: string
  readonly address: Cidr
}

interface NetnsRoute {
  readonly destination: Prefix
  readonly gateway?: IpAddress
  readonly link: string
  /** It carries our protocol number. */
  readonly ours: boolean
}

/** A network namespace and what is in it. */
export interface Netns {
  /** Empty for the host's. */
  readonly path: string
  readonly cookie: string
  readonly ours: boolean
  readonly links: Map<string, Link>
  /** By link and address. */
  readonly addresses: Map<string, NetnsAddress>
  /** By destination. */
  readonly routes: Map<string, NetnsRoute>
  /** Those that were written; all others are `0`. */
  readonly sysctls: Map<string, string>
}

export interface Table {
  readonly definition: TableDefinition
  /** By set and key. */
  readonly elements: Map<string, ElementResource>
}

export function processPath(pid: number | string): string {
  return `/proc/${pid}/ns/net`
}

/** What shows only in packets and sockets, which a machine in memory doesn't have. */
export type Noted = Exclude<Resource, { readonly kind: Shown }>

/** Kinds that are links, what is on them, or in tables. */
type Shown =
  | 'namespace'
  | 'bridge'
  | 'veth'
  | 'lent-link'
  | 'address'
  | 'route'
  | 'sysctl'
  | 'table'
  | 'element'

/** A network namespace with nothing but `lo`. */
function newNetns(path: string, cookie: string, ours: boolean): Netns {
  return {
    path,
    cookie,
    ours,
    links: new Map([['lo', { name: 'lo', type: 'device', mtu: 65536, ipv6: true }]]),
    addresses: new Map(),
    routes: new Map(),
    sysctls: new Map(),
  }
}

/**
 * A machine in memory: Maps of frozen values that are changed through `set` and `delete` only, so
 * that everything since the last `commit` can be rolled back, and any change can be made to fail.
 */
export class Machine {
  /** All but the host's. */
  readonly namespaces = new Map<string, Netns>()
  readonly tables = new Map<string, Table>()
  readonly noted = new Map<string, Noted>()
  /** Sockets of the host's processes. */
  readonly holders = new Map<string, PortHolder>()
  /** Families that have a chain DOCKER-USER. */
  readonly userChains = new Map<'ip' | 'ip6', 'ip' | 'ip6'>()
  /** By where they are. */
  /** What packets have added to sets, by family, table and set. */
  readonly added = new Map<string, readonly (readonly string[])[]>()
  readonly obstacles = new Map<string, Obstacle>()
  readonly sharedTables = new Map<SharedTable['table'], SharedTable>()
  readonly host: Netns = newNetns('', '1', true)
  /** In which place a process is, by the path that it has there. */
  readonly processes = new Map<string, Netns>()
  /** Whether it has the sysctls `net/ipv6/conf/…/force_forwarding`. */
  readonly forceForwarding6: boolean
  /** The resource that is being worked on: a failure is about it. */
  working: Resource | undefined
  #undo: (() => void)[] = []
  #events: KernelEvent[] = []
  #lastCookie = 4096
  #steps = 0
  #failAt = Number.POSITIVE_INFINITY

  constructor(forceForwarding6: boolean) {
    this.forceForwarding6 = forceForwarding6
    for (const pid of ['self', 1, process.pid]) this.processes.set(processPath(pid), this.host)
  }

  addNetns(path: string, ours: boolean): void {
    this.#lastCookie += 1
    this.set(this.namespaces, path, newNetns(path, String(this.#lastCookie), ours))
  }

  /** Undefined where the namespace is gone, or its path means another one by now. */
  find(namespace: NamespaceRef | undefined): Netns | undefined {
    if (namespace === undefined) return this.host
    const { path } = namespace
    const netns = this.namespaces.get(path) ?? this.processes.get(path)
    const { cookie } = namespace
    return cookie === undefined || cookie === netns?.cookie ? netns : undefined
  }

  enter(namespace: NamespaceRef | undefined): Netns {
    const netns = this.find(namespace)
    if (netns !== undefined) return netns
    const path = namespace?.path
    throw new CnmError('NAMESPACE_NOT_FOUND', `there is no network namespace at ${path}`, {
      details: { path, ...this.#about() },
      hint: 'Its process may have ended; name one that exists.',
    })
  }

  set<K, V>(map: Map<K, V>, key: K, value: V): void {
    this.step()
    const before = map.get(key)
    this.#undo.push(() => (before === undefined ? map.delete(key) : map.set(key, before)))
    map.set(key, value)
  }

  delete<K, V>(map: Map<K, V>, key: K): void {
    const before = map.get(key)
    if (before === undefined) return
    this.step()
    this.#undo.push(() => map.set(key, before))
    map.delete(key)
  }

  /** One thing that can fail. */
  step(): void {
    this.#steps += 1
    if (this.#steps === this.#failAt) throw this.refusal('memory', 'EIO', 'injected fault')
  }

  failAt(k: number): void {
    this.#steps = 0
    this.#failAt = k
  }

  get steps(): number {
    return this.#steps
  }

  note(event: KernelEvent): void {
    this.#events.push(event)
  }

  /** Keeps what was done since the last time, and answers with what others can see of it. */
  commit(): readonly KernelEvent[] {
    const events = this.#events
    this.#undo = []
    this.#events = []
    return events
  }

  rollback(): void {
    for (const undo of this.#undo.reverse()) undo()
    this.commit()
  }

  refusal(operation: string, errno: string, message: string, target?: string): KernelError {
    return new KernelError(operation, errno, { message, target, ...this.#about() })
  }

  linkExists(name: string, netns: Netns): CnmError {
    const where = netns.path === '' ? '' : ` in ${netns.path}`
    return new CnmError('LINK_EXISTS', `a link named ${name} exists${where} and is not ours`, {
      details: { link: name, ...this.#about() },
      hint: `Choose another name, or remove it with "ip link delete ${name}".`,
    })
  }

  /** Sockets that get what comes to these ports. */
  holdersOf(wanted: WantedPorts): readonly PortHolder[] {
    return [...this.holders.values()].filter((holder) => holdsOneOf(wanted, holder))
  }

  #about(): { readonly resource?: string } {
    return this.working === undefined ? {} : { resource: resourceKey(this.working) }
  }
}
