import type { Cidr, IpAddress, MacAddress, Prefix } from '../address/address.ts'
import type { EndpointId, NetworkId, SandboxId } from '../base/id.ts'
import { parser } from '../base/parse.ts'
import { Type } from '../base/schema.ts'
import type { DriverOptions, PortBinding, PublishedPort, Rate } from '../driver/driver.ts'
import type { Upstream } from '../kernel/kept-resource.ts'
import type { NamespaceRef, Resource } from '../kernel/resource.ts'
import type { Sysctls } from './endpoint-sysctls.ts'
import type { ExtraHost } from './name-options.ts'
import type { ExposedPort } from './port-spec.ts'

/** `creating` is rolled back after a crash, `deleting` is finished, `ready` is compared and mended. */
export type State = 'creating' | 'ready' | 'deleting'

export type Labels = Readonly<Record<string, string>>

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
  /** Who is asked for outside names, from inside the sandboxes; absent: the host's servers. */
  readonly dnsServers?: readonly Upstream[]
}

export interface PoolRecord {
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
  readonly rate?: Rate
  readonly sysctls?: Sysctls
  /** Its address was another MAC's before. */
  readonly moved?: boolean
  readonly joined?: Joined
  readonly resources: readonly Resource[]
  /**
   * The intent of a change to a joined endpoint: what it was going to add. The rest of the record is as
   * it was before; these are removed after a crash.
   */
  readonly adding?: readonly Resource[]
}

export interface Joined {
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
  /** Absent: the host's own stack. */
  readonly namespace?: NamespaceRef
  /** 'own': made and removed by us. 'adopted': somebody else's. */
  readonly origin: 'own' | 'adopted' | 'host'
  /** Names of links that an adopted namespace had already. */
  readonly links: readonly string[]
  /** Families in which it had a default route of its own, which it keeps. */
  readonly gateways: readonly (4 | 6)[]
  /** Goes with the first program started in it, or with the engine if there was none. */
  readonly ephemeral: boolean
  /** The pid of that program. */
  readonly program?: number
  readonly resources: readonly Resource[]
}

const Labelled = Type.Record(Type.String(), Type.String())
const Values = Type.Record(
  Type.String(),
  Type.Union([Type.String(), Type.Number(), Type.Boolean()]),
)
const StateName = Type.Union([
  Type.Literal('creating'),
  Type.Literal('ready'),
  Type.Literal('deleting'),
])
const Resources = Type.Array(Type.Object({ kind: Type.String() }))

const Pool = Type.Object({
  subnet: Type.String(),
  range: Type.Optional(Type.String()),
  gateway: Type.Optional(Type.String()),
  auxAddresses: Type.Optional(Labelled),
})

const Servers = Type.Array(Type.Object({ address: Type.String(), port: Type.Integer() }))
const Strings = Type.Array(Type.String())

const Network = Type.Object({
  id: Type.String({ pattern: '^[0-9a-f]{64}$' }),
  name: Type.String(),
  driver: Type.String(),
  ipam: Type.String(),
  created: Type.String(),
  internal: Type.Boolean(),
  ephemeral: Type.Boolean(),
  labels: Labelled,
  options: Values,
  ipv4: Type.Optional(Pool),
  ipv6: Type.Optional(Pool),
  dnsServers: Type.Optional(Servers),
})

const Ports = Type.Object({ from: Type.Integer(), to: Type.Integer() })
const exposedFields = { protocol: Type.String(), ports: Ports }

const Endpoint = Type.Object({
  id: Type.String(),
  name: Type.String(),
  network: Type.String(),
  state: StateName,
  created: Type.String(),
  labels: Labelled,
  aliases: Strings,
  gwPriority: Type.Integer(),
  attached: Type.Boolean(),
  persistent: Type.Boolean(),
  ipv4: Type.Optional(Type.String()),
  ipv6: Type.Optional(Type.String()),
  mac: Type.Optional(Type.String()),
  interfaceName: Type.Optional(Type.String()),
  publish: Type.Optional(
    Type.Array(
      Type.Object({
        ...exposedFields,
        hostAddress: Type.Optional(Type.String()),
        hostPorts: Type.Optional(Ports),
      }),
    ),
  ),
  ports: Type.Optional(
    Type.Array(
      Type.Object({
        ...exposedFields,
        family: Type.Union([Type.Literal(4), Type.Literal(6)]),
        hostAddress: Type.String(),
        hostPorts: Type.Optional(Ports),
      }),
    ),
  ),
  exposed: Type.Optional(Type.Array(Type.Object(exposedFields))),
  links: Type.Optional(Strings),
  linkNames: Type.Optional(Type.Record(Type.String(), Strings)),
  dnsServers: Type.Optional(Servers),
  linkLocal: Type.Optional(Strings),
  rate: Type.Optional(
    Type.Object({
      toSandbox: Type.Optional(Type.Number()),
      fromSandbox: Type.Optional(Type.Number()),
    }),
  ),
  sysctls: Type.Optional(Labelled),
  moved: Type.Optional(Type.Boolean()),
  joined: Type.Optional(
    Type.Object({ sandbox: Type.String(), link: Type.Optional(Type.String()) }),
  ),
  resources: Resources,
  adding: Type.Optional(Resources),
})

const Sandbox = Type.Object({
  id: Type.String(),
  name: Type.String(),
  state: StateName,
  created: Type.String(),
  labels: Labelled,
  namespace: Type.Optional(
    Type.Object({ path: Type.String(), cookie: Type.Optional(Type.String()) }),
  ),
  origin: Type.Union([Type.Literal('own'), Type.Literal('adopted'), Type.Literal('host')]),
  links: Strings,
  gateways: Type.Array(Type.Union([Type.Literal(4), Type.Literal(6)])),
  ephemeral: Type.Boolean(),
  program: Type.Optional(Type.Integer()),
  hostname: Type.Optional(Type.String()),
  domainname: Type.Optional(Type.String()),
  dnsServers: Type.Optional(Servers),
  dnsSearch: Type.Optional(Strings),
  dnsOptions: Type.Optional(Strings),
  extraHosts: Type.Optional(
    Type.Array(Type.Object({ name: Type.String(), address: Type.String() })),
  ),
  resolver: Type.Optional(Type.Literal(false)),
  resources: Resources,
})

const parseNetwork = parser(Network, 'stored network', 'INTERNAL')
const parseApplied = parser(
  Type.Object({ state: StateName, network: Network, resources: Resources }),
  'stored state of a network',
  'INTERNAL',
)
const parseEndpoint = parser(Endpoint, 'stored endpoint', 'INTERNAL')
const parseSandbox = parser(Sandbox, 'stored sandbox', 'INTERNAL')

/** Stored records come back through these: a typed value, or an error with the JSON path. */
export const readNetwork = (value: unknown) => parseNetwork(value) as unknown as NetworkRecord
export const readApplied = (value: unknown) => parseApplied(value) as unknown as AppliedRecord
export const readEndpoint = (value: unknown) => parseEndpoint(value) as unknown as EndpointRecord
export const readSandbox = (value: unknown) => parseSandbox(value) as unknown as SandboxRecord
