import type { PortRange, Protocol } from '../address/port.ts'

/*
 * What is known of networks, endpoints and sandboxes, as `inspect` answers and `info` of a known handle has it. The
 * schemas in shapes.ts say the same; shapes.test.ts sees to that. Answers may have more fields in a later version.
 */

type Texts = readonly string[]
type Labels = Readonly<Record<string, string>>

/** Who is asked for names outside. */
export interface NameServer {
  readonly address: string
  readonly port: number
}

export interface NetworkInfo {
  /** 64 hexadecimal digits. */
  readonly id: string
  readonly name: string
  readonly driver: string
  readonly ipam: string
  /** ISO 8601, UTC. */
  readonly created: string
  /** Nothing gets in or out. */
  readonly internal: boolean
  /** Goes with its last endpoint. */
  readonly ephemeral: boolean
  readonly labels: Labels
  /** Its driver's, by our names, also those that were not given. */
  readonly options: Readonly<Record<string, string | number | boolean>>
  /** Absent: it has no addresses of that family. */
  readonly ipv4?: PoolInfo
  readonly ipv6?: PoolInfo
  /** Made for that engine (`docker`), which says itself when it goes. */
  readonly runtime?: string
  /** No other network on this host has it. Absent: it is `host` or `none`. */
  readonly number?: number
  /** Who is asked for outside names, from inside its sandboxes; absent: the host's servers. */
  readonly dnsServers?: readonly NameServer[]
  /** What was doubtful when it was made, until the engine ends. */
  readonly warnings?: Texts
}

export interface PoolInfo {
  /** What its IPAM calls it, if that keeps pools itself. */
  readonly id?: string
  /** `10.7.0.0/24` */
  readonly subnet: string
  /** The part of it that addresses are handed out from. */
  readonly range?: string
  /** The host's address on the network. */
  readonly gateway?: string
  /** Addresses that are never handed out, by name. */
  readonly auxAddresses?: Labels
}

/** `creating` and `deleting`: a change is under way. */
export type ObjectState = 'creating' | 'ready' | 'deleting'

export interface EndpointInfo {
  /** 64 hexadecimal digits. */
  readonly id: string
  /** Unique on its network. */
  readonly name: string
  /** The id of its network. */
  readonly network: string
  readonly state: ObjectState
  /** ISO 8601, UTC. */
  readonly created: string
  readonly labels: Labels
  readonly aliases: Texts
  /** Which endpoint gives the sandbox its default route: the highest. */
  readonly gwPriority: number
  /** Made by `connect`: goes when it leaves. Otherwise made on its own. */
  readonly attached: boolean
  /** Kept although no sandbox uses it. */
  readonly persistent: boolean
  /** Absent: it has no address of that family. */
  readonly ipv4?: string
  readonly ipv6?: string
  /** As it was given. Absent: it follows from network and address. */
  readonly mac?: string
  /** The link's name inside, as it was wished for; `joined.link` is what it is called. */
  readonly interfaceName?: string
  /** What is to be published whenever it has joined a sandbox. */
  readonly publish?: readonly WantedPorts[]
  /** Ids of endpoints of its network with which it may talk where others may not. */
  readonly links?: Texts
  /** What its own sandbox calls them, where that is another name: ids by name. */
  readonly linkNames?: Readonly<Record<string, Texts>>
  /** Who is asked for outside names; absent: those of its network. */
  readonly dnsServers?: readonly NameServer[]
  /** Further addresses of its link. */
  readonly linkLocal?: Texts
  /** What it may send from besides its own. Absent: nothing. */
  readonly addresses?: Texts | 'any'
  readonly macs?: Texts | 'any'
  /** Bits per second; an absent direction is not limited. */
  readonly rate?: { readonly toSandbox?: number; readonly fromSandbox?: number }
  readonly sysctls?: Labels
  /** Its address was another MAC's before. */
  readonly moved?: boolean
  /** Made for that engine (`docker`): it moves its link, and says itself when it goes. */
  readonly runtime?: string
  /** Absent: it is in no sandbox. */
  readonly joined?: JoinedInfo
  /**
   * `degraded`: its names may not be known to all sandboxes yet, because the keeper is late or has to be
   * started again. Absent: it has no names, since it is in no sandbox, or its network has no addresses.
   */
  readonly dns?: 'ready' | 'degraded'
  /**
   * `degraded`: its driver is another program, which is away, or has yet to be told of it again. Absent: its
   * driver is none.
   */
  readonly plugin?: 'ready' | 'degraded'
  /** What is published. */
  readonly ports: readonly PublishedBinding[]
  /** Ports that programs listen on, published or not. */
  readonly exposed: readonly { readonly protocol: Protocol; readonly ports: PortRange }[]
}

export interface JoinedInfo {
  /** Its id. */
  readonly sandbox: string
  /** The link's name inside; absent where the driver adds none. */
  readonly link?: string
}

export interface WantedPorts {
  readonly protocol: Protocol
  /** Inside. */
  readonly ports: PortRange
  /** Absent: the network's default, usually all addresses. */
  readonly hostAddress?: string
  /** Absent: any free ones. */
  readonly hostPorts?: PortRange
}

/** Published ports of a joined endpoint: as many host ports as ports, one to one. */
export interface PublishedBinding {
  readonly protocol: Protocol
  /** Inside. */
  readonly ports: PortRange
  /** The family of the endpoint's address that it leads to. */
  readonly family: 4 | 6
  /** `0.0.0.0` and `::` are all addresses of the host. */
  readonly hostAddress: string
  /** Absent: the sandbox is reached at its own address and port. */
  readonly hostPorts?: PortRange
  /**
   * `pending`: its host ports are held, but nothing is passed on, since the sandbox's answers would
   * leave by another endpoint. It becomes active when this one supplies the default route.
   */
  readonly state: 'active' | 'pending'
}

export interface SandboxInfo {
  /** 64 hexadecimal digits. */
  readonly id: string
  readonly name: string
  readonly state: ObjectState
  /** ISO 8601, UTC. */
  readonly created: string
  readonly labels: Labels
  /** Absent: the host's own stack, or elsewhere. `path` can be opened; `cookie` is the kernel's name of an adopted one. */
  readonly namespace?: { readonly path: string; readonly cookie?: string }
  /**
   * `own`: made and removed by us. `adopted`: another program's. `host`: the host's own stack. `elsewhere`: a container
   * of another engine, of which only what is on the host is ours.
   */
  readonly origin: 'own' | 'adopted' | 'host' | 'elsewhere'
  /** The engine whose container it is: `docker`. */
  readonly runtime?: string
  /** Names of links that an adopted namespace had already. */
  readonly links: Texts
  /** Families in which it had a default route of its own, which it keeps. */
  readonly gateways: readonly (4 | 6)[]
  /** Goes with its program, the first one started in it or another, or with the engine if there was none. */
  readonly ephemeral: boolean
  /** The pid of that program. */
  readonly program?: number
  /** That process is on the host, and about to start a program inside that takes its place. */
  readonly creator?: true
  /** The name it has for itself. */
  readonly hostname?: string
  readonly domainname?: string
  /** Who is asked for outside names, from inside; absent: what its endpoints and networks say. */
  readonly dnsServers?: readonly NameServer[]
  /** Absent: the host's. Empty: none. */
  readonly dnsSearch?: Texts
  /** Absent: the host's. */
  readonly dnsOptions?: Texts
  /** More lines of its hosts file; `host-gateway` is the host, as the sandbox reaches it. */
  readonly extraHosts?: readonly { readonly name: string; readonly address: string }[]
  /** Its runtime answers names itself. */
  readonly resolver?: false
  /**
   * Files for its programs, to be mounted over those of the same names in /etc. They are there as long as the
   * sandbox, change with its endpoints, and are left as they are once they were edited. Absent: the host's own are used.
   */
  readonly files?: {
    readonly hosts: string
    readonly hostname: string
    readonly resolvConf?: string
  }
  /** Its resolver; absent: it has none of ours. */
  readonly names?: {
    /** Absent: it hasn't been asked yet. They start at 0 again where the keeper had to. */
    readonly counters?: NameCounters
  }
}

/** What a resolver has done since its sandbox has had it. */
export interface NameCounters {
  /** Queries. */
  readonly asked: number
  /** By where the answer came from: `local`, `cache`, `upstream`, `stale`, `refused`, `failed`, `malformed`. */
  readonly answered: Readonly<Record<string, number>>
  /** How many were answered within so many milliseconds; the last one: in more than the last limit. */
  readonly latency: { readonly limitsMs: readonly number[]; readonly counts: readonly number[] }
}
