import type { Cidr, IpAddress, MacAddress, Prefix } from '../address/address.ts'
import type { HostView } from '../kernel/kernel.ts'
import type { Resource } from '../kernel/resource.ts'
import type { DriverHooks } from './hooks.ts'
import type { DriverOptions, EndpointSpec, NetworkSpec, PublishedPort, Subnet } from './specs.ts'

export type * from './specs.ts'

/**
 * A driver provides networks. It never touches the machine: it answers with the resources it wants to
 * exist, and the core makes, records, compares and removes them. Every method is pure and may be
 * called again at any time; the same question gets the same answer.
 */
export interface NetworkDriver {
  readonly name: string
  readonly capabilities: DriverCapabilities
  /** Stored options that only the driver needs, which users neither give nor see. Absent: none. */
  readonly hiddenOptions?: readonly string[]

  /**
   * Parses a network's driver options into the canonical form that is stored and handed back.
   * Unknown keys and bad values: INVALID_OPTION, naming the key. What depends on the host and must not
   * change later (an MTU, who owns a bridge) is decided here and becomes part of the options.
   */
  parseOptions(options: RawOptions, network: NetworkPlan, view: HostView): ParsedOptions

  /** Absent: its networks may overlap with nothing of the host's. */
  sharedWithHost?(network: NetworkSpec): SharedWithHost

  /**
   * What all networks of this driver share: tables, settings of links that lead outwards. Asked about all
   * there are together, never about none. It belongs to the host: made with the first network, removed
   * with the last, and changed in one step for all when the answer changes. Absent: nothing.
   */
  describeHost?(networks: readonly NetworkSpec[], view: HostView): readonly Resource[]

  /**
   * The network's own part of the machine: a bridge, its addresses, its firewall elements. What several
   * networks name in the same words is removed with the last of them, but none of them can change it alone.
   */
  describeNetwork(network: NetworkSpec, view: HostView): readonly Resource[]

  /** An endpoint's part of the host while it is joined. Its link is the attachment's. */
  describeEndpoint(
    network: NetworkSpec,
    endpoint: EndpointSpec,
    view: HostView,
  ): readonly Resource[]

  /**
   * The host addresses at which ports of a joined endpoint are published: one binding each, all with the
   * same host ports. Absent: this driver publishes nothing. Errors: NOT_ALLOWED, in one sentence with
   * the way out, where that address can't lead to this endpoint.
   */
  hostAddresses?(
    network: NetworkSpec,
    endpoint: EndpointSpec,
    wanted: PublishedPort,
  ): readonly HostAddress[]

  /** The sandbox's side of a joined endpoint: its link, addresses, gateways and routes. */
  attachment(network: NetworkSpec, endpoint: EndpointSpec, view: HostView): Attachment

  /** Only for drivers with side effects of their own. */
  readonly hooks?: DriverHooks
}

export interface DriverCapabilities {
  readonly scope: 'local' | 'global'
  readonly connectivity: 'local' | 'global'
  /** false: no addresses, so no IPAM (host, null). */
  readonly addresses: boolean
  /**
   * Which sandboxes can join: one with a stack of its own ('own'), the host's own stack ('host').
   */
  readonly sandbox: 'own' | 'host'
  /** true: an endpoint of this driver is the only one its sandbox may have (null, host). */
  readonly exclusive: boolean
  /** true: there is at most one network of this driver, and users can't delete it. */
  readonly single: boolean
}

export type RawOptions = Readonly<Record<string, string | number | boolean>>

export interface ParsedOptions {
  readonly options: DriverOptions
  /** Those of them that the user gave, whatever they were called; absent: none. */
  readonly given?: readonly string[]
  /** Subnets that the options imply (those of an adopted bridge), taken where the user names none. */
  readonly ipv4?: Subnet
  readonly ipv6?: Subnet
  /** Families in which the host needs no address on the network: no gateway is taken from the pool. */
  readonly noGateway?: readonly (4 | 6)[]
}

/** What is known of a network when its options are parsed. */
export interface NetworkPlan {
  readonly name: string
  readonly internal: boolean
  readonly ipv4: boolean
  readonly ipv6: boolean
  /** By the names the user gave them. */
  readonly auxAddresses: Readonly<Record<string, IpAddress>>
}

/** What of the host's own addresses and routes a network may overlap with. */
export interface SharedWithHost {
  /** A link of the host's that is the network's: what is on it isn't taken away from others. */
  readonly link?: string
  /** Families in which the host has no address and no route on it, so that nothing is taken away. */
  readonly apart?: readonly (4 | 6)[]
  /** The user has said so. */
  readonly everything: boolean
}

export interface HostAddress {
  /** `0.0.0.0` and `::` are all addresses of the host. */
  readonly address: IpAddress
  /** The family of the endpoint's address that it leads to. */
  readonly family: 4 | 6
  /** The sandbox is reached at its own address and port (routed); no port of the host is used. */
  readonly direct: boolean
}

export interface Attachment {
  /** Absent: nothing is added to the sandbox (host, null). */
  readonly link?: AttachedLink
  readonly addresses: readonly Cidr[]
  readonly gateway4?: IpAddress
  readonly gateway6?: IpAddress
  /** Set: the neighbours are told where the addresses are now. */
  readonly announce?: { readonly times: number; readonly intervalMs: number }
  /** Besides the on-link and default routes. */
  readonly routes: readonly { readonly destination: Prefix; readonly gateway?: IpAddress }[]
}

/** How a sandbox is linked to a network; what there is to each type: link-types.ts. */
export type AttachedLink = VethLink | MovedLink

interface LinkInSandbox {
  /** The host end's name, deterministic, so that it can be found again; or the link's own on the host. */
  readonly hostName: string
  /** Its whole name inside; else the core adds the lowest free number to `prefix`. */
  readonly name?: string
  readonly prefix: string
  /** Absent: as it comes. */
  readonly mac?: MacAddress
  readonly ipv6: boolean
}

/** A link born inside the sandbox, with its other end on the host. */
export interface VethLink extends LinkInSandbox {
  readonly type: 'veth'
  readonly bridge: string
  readonly mtu: number
  readonly mac: MacAddress
  /** false: the bridge knows by FdbResources alone which MACs are behind its port. Default: true. */
  readonly learning?: boolean
}

/** A link of the host's that is moved into the sandbox; leaving moves it back under its old name. */
export interface MovedLink extends LinkInSandbox {
  readonly type: 'moved'
}
