import type { Cidr, IpAddress, MacAddress, Prefix } from '../address/address.ts'
import {
  bindingFields,
  endpointFields,
  exposedFields,
  NetworkShape,
  StateShape,
  sandboxFields,
} from '../api/shapes.ts'
import type { EndpointId, NetworkId, SandboxId } from '../base/id.ts'
import { parser } from '../base/parse.ts'
import { Type } from '../base/schema.ts'
import type { DriverOptions, PortBinding, PublishedPort, Rate } from '../driver/driver.ts'
import type { Told } from '../driver/hooks.ts'
import type { PoolId } from '../ipam/ipam.ts'
import type { Upstream } from '../kernel/kept-resource.ts'
import type { NamespaceRef, Resource } from '../kernel/resource.ts'
import type { Sysctls } from './endpoint/endpoint-sysctls.ts'
import type { ExposedPort } from './ports/port-spec.ts'
import type { ExtraHost } from './sandbox/name-options.ts'

/** `creating` is rolled back after a crash, `deleting` is finished, `ready` is compared and mended. */
export type State = 'creating' | 'ready' | 'deleting'

type Labels = Readonly<Record<string, string>>

/** What is made for another engine has the id that it has there. */
export interface MadeFor<Id> {
  readonly runtime: string
  readonly id: Id
}

/** A network, as it outlives a reboot. */
export interface NetworkRecord {
  readonly id: NetworkId
  readonly name: string
  readonly driver: string
  readonly ipam: string
  /** ISO 8601, UTC. */
  readonly created: string
  readonly internal: boolean
  /** Goes with its last endpoint. */
  readonly ephemeral: boolean
  readonly labels: Labels
  readonly options: DriverOptions
  readonly ipv4?: PoolRecord
  readonly ipv6?: PoolRecord
  /** Made for that engine (`docker`), which says itself when it goes. */
  readonly runtime?: string
  /**
   * No other network on this host has it: the low half of the link group of its ports. Absent: it was
   * stored before there were any (it gets one at the start), or it is `host` or `none`.
   */
  readonly number?: number
  /** Who is asked for outside names, from inside the sandboxes; absent: the host's servers. */
  readonly dnsServers?: readonly Upstream[]
}

export interface PoolRecord {
  /** What its IPAM calls it, if that keeps pools itself. */
  readonly id?: PoolId
  readonly subnet: Prefix
  readonly range?: Prefix
  readonly gateway?: IpAddress
  readonly auxAddresses?: Readonly<Record<string, IpAddress>>
}

/** What this boot's kernel has of a network. */
export interface AppliedRecord {
  readonly state: State
  readonly network: NetworkRecord
  readonly resources: readonly Resource[]
}

/** What it has of what all networks share. */
export interface HostRecord {
  readonly resources: readonly Resource[]
}

export interface EndpointRecord {
  readonly id: EndpointId
  readonly name: string
  readonly network: NetworkId
  readonly state: State
  readonly created: string
  readonly labels: Labels
  readonly aliases: readonly string[]
  readonly gwPriority: number
  /** Made by attaching: goes when it leaves. Otherwise made on its own. */
  readonly attached: boolean
  /** Kept although no sandbox uses it. */
  readonly persistent: boolean
  readonly ipv4?: IpAddress
  readonly ipv6?: IpAddress
  readonly mac?: MacAddress
  /** The link's name inside, as the user wants it. */
  readonly interfaceName?: string
  /** What is to be published whenever it has joined a sandbox. */
  readonly publish?: readonly PublishedPort[]
  /** What is published, and the host ports it holds, while it has joined one. */
  readonly ports?: readonly PortBinding[]
  readonly exposed?: readonly ExposedPort[]
  /** Endpoints of the same network with which it may talk where others may not. */
  readonly links?: readonly EndpointId[]
  /** What its own sandbox calls them, where that is another name. */
  readonly linkNames?: Readonly<Record<string, readonly EndpointId[]>>
  /** Who is asked for outside names; absent: those of its network. */
  readonly dnsServers?: readonly Upstream[]
  readonly linkLocal?: readonly Cidr[]
  /** What it may send from besides its own. */
  readonly addresses?: readonly IpAddress[] | 'any'
  readonly macs?: readonly MacAddress[] | 'any'
  readonly rate?: Rate
  readonly sysctls?: Sysctls
  /** Its address was another MAC's before. */
  readonly moved?: boolean
  /** Made for that engine (`docker`): it moves its link, and says itself when it goes. */
  readonly runtime?: string
  /** What its driver's hooks have answered; absent: they know nothing of it. */
  readonly told?: Told
  readonly joined?: Joined
  readonly resources: readonly Resource[]
  /**
   * The intent of a change to a joined endpoint: what it was going to add. The rest of the record is as
   * it was before; these are removed after a crash.
   */
  readonly adding?: readonly Resource[]
}

interface Joined {
  readonly sandbox: SandboxId
  /** The link's name inside; absent where the driver adds none. */
  readonly link?: string
}

/** What a sandbox's user has said of names. */
export interface NameSettings {
  /** Absent: the sandbox's name, or its short id where no host can be called so. */
  readonly hostname?: string
  readonly domainname?: string
  /** Who is asked for outside names, from inside; absent: what its endpoints and networks say. */
  readonly dnsServers?: readonly Upstream[]
  /** Absent: the host's. Empty: none. */
  readonly dnsSearch?: readonly string[]
  /** Absent: the host's. */
  readonly dnsOptions?: readonly string[]
  readonly extraHosts?: readonly ExtraHost[]
  /** Its runtime answers names itself. */
  readonly resolver?: false
}

export interface SandboxRecord extends NameSettings {
  readonly id: SandboxId
  readonly name: string
  readonly state: State
  readonly created: string
  readonly labels: Labels
  /** Absent: the host's own stack, or elsewhere. */
  readonly namespace?: NamespaceRef
  /**
   * 'own': made and removed by us. 'adopted': another program's. 'elsewhere': a container of another engine, of
   * which only what is on the host is ours.
   */
  readonly origin: 'own' | 'adopted' | 'host' | 'elsewhere'
  /** Names of links that an adopted namespace had already. */
  readonly links: readonly string[]
  /** The engine whose container it is: `docker`. */
  readonly runtime?: string
  /** Families in which it had a default route of its own, which it keeps. */
  readonly gateways: readonly (4 | 6)[]
  /** Goes with its program, the first one started in it or another, or with the engine if there was none. */
  readonly ephemeral: boolean
  /** The pid of that program. */
  readonly program?: number
  /** That process is on the host, and about to start a program inside that takes its place. */
  readonly creator?: true
  readonly resources: readonly Resource[]
}

const Resources = Type.Array(Type.Object({ kind: Type.String() }))

const Endpoint = Type.Object({
  ...endpointFields,
  ports: Type.Optional(Type.Array(Type.Object(bindingFields))),
  exposed: Type.Optional(Type.Array(Type.Object(exposedFields))),
  told: Type.Optional(Type.Object({ chosen: Type.Object({}) })),
  resources: Resources,
  adding: Type.Optional(Resources),
})

const Sandbox = Type.Object({ ...sandboxFields, resources: Resources })

const parseNetwork = parser(NetworkShape, 'stored network', 'INTERNAL')
const parseApplied = parser(
  Type.Object({ state: StateShape, network: NetworkShape, resources: Resources }),
  'stored state of a network',
  'INTERNAL',
)
const parseHost = parser(
  Type.Object({ id: Type.String(), resources: Resources }),
  'stored state of the host',
  'INTERNAL',
)
const parseEndpoint = parser(Endpoint, 'stored endpoint', 'INTERNAL')
const parseSandbox = parser(Sandbox, 'stored sandbox', 'INTERNAL')

/** Stored records come back through these: a typed value, or an error with the JSON path. */
export const readNetwork = (value: unknown) => parseNetwork(value) as unknown as NetworkRecord
export const readApplied = (value: unknown) => parseApplied(value) as unknown as AppliedRecord
export const readHost = (value: unknown) => parseHost(value) as unknown as HostRecord
export const readEndpoint = (value: unknown) => parseEndpoint(value) as unknown as EndpointRecord
export const readSandbox = (value: unknown) => parseSandbox(value) as unknown as SandboxRecord
