import type { Cidr, IpAddress, MacAddress, Prefix } from '../address/address.ts'
import type { PortRange, Protocol } from '../address/port.ts'
import type { CnmError } from '../base/errors.ts'
import type { KeptResource } from './kept-resource.ts'
import type {
  ElementResource,
  NamespaceRef,
  NeighbourResource,
  ReservationResource,
  Resource,
} from './resource.ts'

/**
 * THE DOOR. Whatever asks or changes the machine goes through this interface; `kernel/linux` is the
 * real one, `kernel/memory` the one over a Map. Everything it throws is a KernelError, or a CnmError
 * where the user can do something about it (NAMESPACE_NOT_FOUND, HOST_NAMESPACE, MISSING_CAPABILITY,
 * UNSUPPORTED_KERNEL, LINK_EXISTS, COMMAND_NOT_FOUND, COMMAND_NOT_EXECUTABLE, PORT_IN_USE,
 * INVALID_ARGUMENT, CLOSED).
 */
export interface Kernel {
  /**
   * Makes the difference true, all of it or nothing: a failure undoes what was done and is thrown
   * with the key of the resource that failed (`resource` of a KernelError, in the `details` of a
   * CnmError). One pass, as few messages as possible. The order of the lists doesn't matter.
   *
   * A key in both lists is changed from the one to the other. Adding what is there already, just so,
   * succeeds (that is how adoption works), what is ours and different is made just so (that is how
   * repair works), and removing what is gone succeeds.
   * Order: links in `remove` down → elements in `remove` → elements in `add` → links in `add` → up.
   * When it resolves, what was removed has no effect any more, on flows that went on included; deleting
   * it goes on in the background.
   */
  apply(change: Change): Promise<void>

  /** How the machine differs from these resources; an empty list where it does not. */
  compare(resources: readonly Resource[]): Promise<Difference[]>

  /** Everything on the machine that carries our mark, in the host's namespace. */
  survey(query: SurveyQuery): Promise<Survey>

  /** What a driver may want to know of the host. */
  view(): Promise<HostView>

  /**
   * Sockets of the host that have bound one of these ports, but for relays of ours. They don't hear what
   * is forwarded.
   */
  holders(ports: readonly Omit<ReservationResource, 'kind'>[]): Promise<readonly PortHolder[]>

  /**
   * What has passed through each of the host's links, ours and others', since it was made. One question,
   * however many links there are.
   */
  statistics(): Promise<readonly LinkStatistics[]>

  /** How full the tables are that the host shares with its sandboxes, and which each of them can fill. */
  sharedTables(): Promise<readonly SharedTable[]>

  /** The keys of what is in a set that packets add to; nothing where it isn't there. */
  addedByPackets(
    set: Pick<ElementResource, 'family' | 'table' | 'set'>,
  ): Promise<readonly (readonly string[])[]>

  /**
   * What others' rules do to packets that are forwarded to and from our bridges, and what takes the room
   * of sandboxes' files. `leaving`: bridges from which packets go elsewhere; only of them it is told where
   * they don't get to without our mark.
   */
  obstacles(leaving: readonly string[]): Promise<readonly Obstacle[]>

  /**
   * Parses a way to name another process's namespace and answers with a checked reference. Errors:
   * NAMESPACE_NOT_FOUND (no such process or file, or not a network namespace), HOST_NAMESPACE.
   */
  adopt(target: { readonly pid: number } | { readonly path: string }): Promise<AdoptedNamespace>

  /** Starts a program inside a namespace. Its file descriptors are exactly 0, 1 and 2. */
  spawn(namespace: NamespaceRef | undefined, command: Command): Promise<Program>

  /** A socket bound inside a namespace, as a file descriptor of this process (close-on-exec). */
  openSocket(namespace: NamespaceRef, socket: SocketRequest): Promise<number>

  /**
   * Resolves when the namespace's process or path is gone (at once if it is already), or on abort.
   * CLOSED if the kernel closes first: then nothing is known of it.
   */
  gone(namespace: NamespaceRef, signal: AbortSignal): Promise<void>

  /**
   * What others do to the machine. Links of our group, their addresses and our own routes are reported
   * only when they go. A `resync` event says that some were lost. Ends on abort and close.
   */
  events(signal?: AbortSignal): AsyncIterable<KernelEvent>

  /**
   * What sandboxes' resolvers are asked from now on, one by one; nothing is logged while there is no listener.
   * At most 1,000 a second, and the last 10,000 for who doesn't read them; `skipped` says how many there
   * were besides. Ends on abort and close.
   */
  queries(signal?: AbortSignal): AsyncIterable<QueryEvent>

  /**
   * Brings the keeper back at once, if it has ended: by itself that happens more and more rarely, where
   * it ends again and again. It keeps nothing then. Errors: KERNEL if none can be started.
   */
  restoreKeeper(): Promise<void>

  /** Waits until everything removed is really gone from the kernel. */
  settled(): Promise<void>

  /**
   * Resolves when the door has ended by itself, with what has happened: a caller that waits for an answer is
   * refused with that same error, streams end, and nothing new may be begun. What was under way can still
   * be undone, if that is possible at all; `close` is owed. `close` alone doesn't resolve it.
   */
  readonly failed: Promise<CnmError>

  /** Ends threads and closes sockets; what exists in the kernel stays. Idempotent. */
  close(): Promise<void>
}

export interface Change {
  readonly remove: readonly Resource[]
  readonly add: readonly Resource[]
}

export interface Difference {
  readonly resource: Resource
  readonly state: 'missing' | 'different'
  /** One sentence in the words of `ip` and `nft`: what is, and what should be. */
  readonly detail: string
}

export interface SurveyQuery {
  /** The folder our own namespaces are mounted in. Absent: none is looked into. */
  readonly namespaceDir?: string
  /** The tables whose elements are wanted. */
  readonly tables: readonly { readonly family: ElementResource['family']; readonly name: string }[]
}

export interface Survey {
  /** Links of our link group in the host's namespace. */
  readonly links: readonly SurveyedLink[]
  readonly namespaces: readonly SurveyedNamespace[]
  /** Permanent ones of the host that carry our protocol number, where the kernel keeps it (5.0). */
  readonly neighbours: readonly NeighbourResource[]
  /** Those of one owner that follow one another perhaps as a run, whichever they were added in. */
  readonly elements: readonly ElementResource[]
  /** What the keeper of this engine's folder holds; absent: nothing. */
  readonly kept?: readonly KeptResource[]
}

export interface SurveyedLink {
  readonly name: string
  readonly type: 'bridge' | 'veth' | 'ifb'
  readonly bridge?: string
  /** Of an ifb: the link whose RateResource it is part of. */
  readonly shapes?: string
}

export interface SurveyedNamespace {
  readonly path: string
  /** Its links except `lo`, with the name of the host end where the link is a veth of ours. */
  readonly links: readonly {
    readonly name: string
    readonly mac: MacAddress
    readonly mtu: number
    readonly hostEnd?: string
    /** Perhaps with addresses of the link's own (`fe80::…`). */
    readonly addresses: readonly Cidr[]
  }[]
  readonly routes: readonly HostRoute[]
}

export interface HostView {
  readonly links: readonly HostLink[]
  /** All routes of the main table, both families, with those of on-link addresses. */
  readonly routes: readonly HostRoute[]
  readonly addresses: readonly { readonly link: string; readonly address: Cidr }[]
  /** Links that default routes of any table lead to (see isDefaultRoute), once each. */
  readonly outward: readonly { readonly family: 4 | 6; readonly link: string }[]
  /** The kernel has `net/ipv6/conf/IF/force_forwarding` (6.17), so IPv6 can be forwarded per link. */
  readonly forceForwarding6: boolean
  /** Whether another process has made a router of the whole host (`net/ipv4/ip_forward`). */
  readonly allForwarding4: boolean
  /** Whether the whole host forwards IPv6 (`net/ipv6/conf/all/forwarding`). */
  readonly allForwarding6: boolean
  /** Where the kernel takes ports from for those who don't care (`ip_local_port_range`). */
  readonly ephemeralPorts: PortRange
  /** Ports of that range it leaves out (`ip_local_reserved_ports`). */
  readonly reservedPorts: readonly PortRange[]
  /** Families whose forwarded packets pass a chain DOCKER-USER (a ConsentResource can be added). */
  readonly dockerUser: readonly ('ip' | 'ip6')[]
  /** What the host's own resolv.conf says. `servers`: those that can be read; absent: none. */
  readonly resolver: {
    readonly search: readonly string[]
    readonly options: readonly string[]
    readonly servers?: readonly IpAddress[]
  }
}

/** As the link sees it: what the host's end of a veth has received, its sandbox has sent. */
export interface LinkStatistics {
  readonly name: string
  readonly received: TrafficCounters
  readonly sent: TrafficCounters
}

export interface TrafficCounters {
  readonly bytes: number
  readonly packets: number
  readonly dropped: number
  readonly errors: number
}

export interface SharedTable {
  /** Those of neighbours are the machine's, `conntrack` is the host's namespace's. */
  readonly table: 'neighbours4' | 'neighbours6' | 'conntrack'
  /** Without what counts for no limit. Of neighbours the kernel drops what is old when others need the room. */
  readonly used: number
  readonly limit: number
  /** How many neighbours have found no room since the kernel was opened. Absent: that isn't counted. */
  readonly refused?: number
}

/** A socket of the host that holds a port. */
export interface PortHolder {
  readonly protocol: Protocol
  readonly address: IpAddress
  readonly port: number
  /** Absent where no process has it that we can see. */
  readonly pid?: number
  readonly process?: string
}

/** Something of others that is in our way: rules that stop packets of ours, files that take all the room. */
export interface Obstacle {
  /** `chain ip filter FORWARD (iptables)` … */
  readonly where: string
  /** One sentence: what it does to whom. */
  readonly detail: string
  /** The command that mends it, if there is one. */
  readonly remedy?: string
}

export interface HostLink {
  readonly name: string
  readonly mtu: number
  /** `bridge`, `veth`, … or `device` for hardware and loopback. */
  readonly type: string
  /** true: a link of our groups, made by us. */
  readonly ours: boolean
  /** The number of the network whose port it is; absent: it is none. */
  readonly portOf?: number
  /** Of our veth whose other end is on the host, too: whether that was ever up. Absent: it is elsewhere. */
  readonly otherEnd?: 'new' | 'used'
  /** Whether the host forwards packets that come in here: `net/ipv4/conf/IF/forwarding`. */
  readonly forwarding4: boolean
  /**
   * The same for IPv6: by `net/ipv6/conf/IF/force_forwarding`, or because the whole host does. The link's
   * own `forwarding` says nothing of it.
   */
  readonly forwarding6: boolean
  /** `net/ipv4/conf/IF/route_localnet` */
  readonly routeLocalnet: boolean
  /** `net/ipv6/conf/IF/accept_ra`: 1 means "unless it forwards". */
  readonly acceptRa6: 0 | 1 | 2
}

export interface HostRoute {
  readonly destination: Prefix
  readonly gateway?: IpAddress
  readonly link: string
}

export interface AdoptedNamespace {
  readonly namespace: NamespaceRef
  /** Names of the links it has already, so that new ones get free names. */
  readonly links: readonly string[]
  /** Families in which it has a default route of its own. */
  readonly gateways: readonly (4 | 6)[]
}

export interface Command {
  readonly argv: readonly [string, ...string[]]
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string | undefined>>
  /** 'inherit': this process's own 0, 1, 2. 'pipe': streams on the Program. */
  readonly stdio: 'inherit' | 'pipe'
  readonly uid?: number
  readonly gid?: number
  /**
   * Files that the program, and what it starts, sees in place of others: it gets a mount namespace of
   * its own. A target that isn't there is left out until it is. Where the host puts another file in its
   * place, the program sees that for some milliseconds, and then its own again. Default: none.
   */
  readonly mounts?: readonly { readonly source: string; readonly target: string }[]
  /** The host's name as the program sees it. Default: the host's. */
  readonly hostname?: string
}

export interface Program {
  readonly pid: number
  readonly stdin: import('node:stream').Writable | undefined
  readonly stdout: import('node:stream').Readable | undefined
  readonly stderr: import('node:stream').Readable | undefined
  /** Resolves when the program has ended: its status, or the signal that ended it. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>
  kill(signal: NodeJS.Signals): void
}

export interface SocketRequest {
  readonly family: 4 | 6
  readonly type: 'udp' | 'tcp'
  readonly address: IpAddress
  readonly port: number
}

export type KernelEvent =
  | { readonly type: 'link'; readonly change: 'set' | 'gone'; readonly name: string }
  | {
      readonly type: 'address'
      readonly change: 'set' | 'gone'
      readonly link: string
      readonly address: Cidr
    }
  /** Of the main table; default routes of all tables. */
  | { readonly type: 'route'; readonly change: 'set' | 'gone'; readonly route: HostRoute }
  /** Another process has switched forwarding on or off for a link (`all` and `default` are none). */
  | {
      readonly type: 'forwarding'
      readonly link: string
      readonly family: 4 | 6
      readonly on: boolean
    }
  | {
      readonly type: 'ruleset'
      readonly table: string
      readonly process: string | undefined
      readonly pid: number | undefined
    }
  /**
   * `lost`: the keeper has ended, and what it kept with it; `back`: there is a new one, that keeps
   * nothing yet.
   */
  | { readonly type: 'keeper'; readonly change: 'lost' | 'back' }
  /** `late`: the names of that endpoint may not be known everywhere yet, though `apply` has resolved. */
  | { readonly type: 'names'; readonly change: 'late' | 'known'; readonly endpoint: string }
  /** What the resolver of a sandbox has done so far; told when it has done something, a few times a second. */
  | { readonly type: 'counters'; readonly sandbox: string; readonly counters: ResolverCounters }
  /** The host's resolv.conf has changed. */
  | { readonly type: 'resolv-conf' }
  /**
   * What went wrong in the keeper, or in what is done for running programs by the way: a sentence. At
   * most a few in a minute, or once for each cause.
   */
  | { readonly type: 'problem'; readonly message: string }
  /** Some events were missed; may be the first one, for those before it. */
  | { readonly type: 'resync' }

/** Where an answer came from. `refused`: too many queries at once, or there is no server to be asked. */
export type AnswerSource =
  | 'local'
  | 'cache'
  | 'upstream'
  | 'stale'
  | 'refused'
  | 'failed'
  | 'malformed'

/** What a resolver has done since its sandbox has had it. */
export interface ResolverCounters {
  /** Queries. */
  readonly asked: number
  readonly answered: Readonly<Record<AnswerSource, number>>
  /** How many were answered within so many milliseconds; the last one: in more than the last limit. */
  readonly latency: {
    readonly limitsMs: readonly number[]
    readonly counts: readonly number[]
  }
}

/** A query of a sandbox, when it has been answered. */
export interface QueryEvent {
  /** ISO 8601, UTC. */
  readonly time: string
  /** Id of the sandbox. */
  readonly sandbox: string
  /** `web.`, `_http._tcp.web.`: as it was asked, with a dot at its end. Empty if it can't be read. */
  readonly name: string
  /** `A`, `AAAA`, `TYPE65` */
  readonly type: string
  readonly source: AnswerSource
  /** `NOERROR`, `NXDOMAIN`, `SERVFAIL`, … */
  readonly code: string
  readonly durationMs: number
  readonly transport: 'udp' | 'tcp'
  /** So many queries before this one were not told. */
  readonly skipped: number
}
