import type { PortRange, Protocol } from '../address/port.ts'
import { CnmError } from '../base/errors.ts'
import { isLinkName, linkNameHint } from '../base/link-name.ts'
import { parser } from '../base/parse.ts'
import { Type } from '../base/schema.ts'
import {
  type Cancellable,
  LabelledValues,
  Labels,
  Name,
  named,
  strict,
  withoutSignal,
} from './option-fields.ts'

export interface EndpointOptions extends Cancellable {
  /** Unique on its network; default: the name of the sandbox. */
  readonly name?: string
  /** More names by which others on the network find it. */
  readonly aliases?: readonly string[]
  /** A certain IPv4 address of the network; default: the next free one. */
  readonly ip?: string
  /** A certain IPv6 address of the network; default: the next free one. */
  readonly ip6?: string
  /** `02:42:0a:07:00:02`; default: derived from network and address. */
  readonly mac?: string
  /** The link's name inside the sandbox; default: `eth` and the lowest free number. */
  readonly interfaceName?: string
  /** Which endpoint gives the sandbox its default route: the highest. Default: 0. */
  readonly gwPriority?: number
  /** Of yours: `{ team: 'db' }`. */
  readonly labels?: Readonly<Record<string, string>>
  /** Ports that can be reached from outside: `8080:80`, `127.0.0.1:8080:80/udp`, `8000-8010:80`. */
  readonly publish?: readonly (string | PublishOptions)[]
  /** Ports that programs listen on: `80`, `53/udp`. They are only named, unless `publishAll` is set. */
  readonly expose?: readonly string[]
  /** Publishes what is exposed and not published, at host ports that are free. Default: false. */
  readonly publishAll?: boolean
  /**
   * Endpoints of the same network, by name or id, with which it may talk where others may not. `db:store`:
   * its own sandbox calls that endpoint `store`, too.
   */
  readonly links?: readonly string[]
  /**
   * Who is asked for names outside, from inside its sandbox, in place of what its network says:
   * `10.7.0.5`, `10.7.0.5:5353`, `[fd00::5]:5353`.
   */
  readonly dns?: readonly string[]
  /** Further addresses of its link: `169.254.1.1`, `fe80::1`. */
  readonly linkLocal?: readonly string[]
  /**
   * Addresses that it may send from besides its own, or any: for routers, addresses that move between endpoints,
   * bridges and containers inside, and what gets its addresses from elsewhere. Default: none.
   */
  readonly addresses?: readonly string[] | 'any'
  /** MACs that it may send from besides its own, or any: for what is bridged to its link. Default: none. */
  readonly macs?: readonly string[] | 'any'
  /** How much may pass. Default: as much as there is. */
  readonly rate?: RateOptions
  /** Sysctls of its link: `{ 'net.ipv4.conf.IFNAME.log_martians': '1' }`. */
  readonly sysctls?: Readonly<Record<string, string>>
  /**
   * The same by Docker's labels: `com.docker.network.endpoint.ifname`, `.sysctls`, `.macaddress`; and where nothing
   * else can be said, `cnm.addresses` and `cnm.macs`, with commas between them.
   */
  readonly options?: Readonly<Record<string, string | number | boolean>>
}

/** `-p 127.0.0.1:8080-8090:80-90/udp`, as data. */
export interface PublishOptions {
  /** Inside the sandbox: `80`, `'80-90'`. */
  readonly ports: number | string | PortRange
  /** Default: tcp. */
  readonly protocol?: Protocol
  /** Default: the network's, usually all addresses of the host. */
  readonly hostAddress?: string
  /**
   * As many as `ports`, one to one; for a single port several, of which the first free one is taken.
   * Default: free ones are chosen, those of a range in a row.
   */
  readonly hostPorts?: number | string | PortRange
}

/** Bits per second as a number, or `800kbit`, `100mbit`, `1.5gbit`: from 8 kbit to 100 gbit. */
export interface RateOptions {
  /** What it may receive. Default: no limit. */
  readonly toSandbox?: number | string
  /** What it may send. Default: no limit. */
  readonly fromSandbox?: number | string
}

export interface StandaloneEndpointOptions extends EndpointOptions {
  /** Unique on its network. */
  readonly name: string
  /** Kept although no sandbox uses it; default: false. */
  readonly persistent?: boolean
}

export interface ConnectOptions extends Omit<EndpointOptions, 'signal'> {
  /** Name or id. */
  readonly network: string
}

export interface UpdateOptions extends Cancellable {
  /** A direction that is left out is not limited any more. */
  readonly rate?: RateOptions
}

const Rate = Type.Object(
  {
    toSandbox: Type.Optional(Type.Union([Type.Number(), Type.String()])),
    fromSandbox: Type.Optional(Type.Union([Type.Number(), Type.String()])),
  },
  strict,
)
const Ports = Type.Union([
  Type.Number(),
  Type.String(),
  Type.Object({ from: Type.Number(), to: Type.Number() }, strict),
])
const publishedFields = {
  ports: Ports,
  protocol: Type.Optional(
    Type.Union([Type.Literal('tcp'), Type.Literal('udp'), Type.Literal('sctp')]),
  ),
  hostAddress: Type.Optional(Type.String()),
  hostPorts: Type.Optional(Ports),
}
export const PublishList = Type.Array(
  Type.Union([Type.String(), Type.Object(publishedFields, strict)]),
)
/** What `publish` and `inspect` answer with will do, too. */
export const UnpublishList = Type.Array(
  Type.Union([
    Type.String(),
    Type.Object(
      {
        ...publishedFields,
        family: Type.Optional(Type.Number()),
        state: Type.Optional(Type.String()),
      },
      strict,
    ),
  ]),
)

export const Texts = Type.Array(Type.String())
const TextsOrAny = Type.Union([Texts, Type.Literal('any')])

const endpointFields = {
  name: Type.Optional(Name),
  aliases: Type.Optional(Type.Array(Name)),
  ip: Type.Optional(Type.String()),
  ip6: Type.Optional(Type.String()),
  mac: Type.Optional(Type.String()),
  interfaceName: Type.Optional(Type.String()),
  gwPriority: Type.Optional(Type.Integer()),
  labels: Type.Optional(Labels),
  publish: Type.Optional(PublishList),
  expose: Type.Optional(Texts),
  publishAll: Type.Optional(Type.Boolean()),
  links: Type.Optional(Texts),
  dns: Type.Optional(Texts),
  linkLocal: Type.Optional(Texts),
  addresses: Type.Optional(TextsOrAny),
  macs: Type.Optional(TextsOrAny),
  rate: Type.Optional(Rate),
  sysctls: Type.Optional(Labels),
  options: Type.Optional(LabelledValues),
}

export const EndpointBody = Type.Object(
  { ...endpointFields, name: Name, persistent: Type.Optional(Type.Boolean()) },
  strict,
)

export const ConnectBody = Type.Object({ ...endpointFields, network: Type.String() }, strict)
export const UpdateBody = Type.Object({ rate: Type.Optional(Rate) }, strict)

const what = 'endpoint options'
const endpointParser = parser(Type.Object(endpointFields, strict), what)
const standaloneParser = parser(EndpointBody, what)
const updateParser = parser(UpdateBody, what)

export const parseEndpointOptions = (value: EndpointOptions) =>
  refuseLinkName(named(value, endpointParser))
export const parseStandaloneOptions = (value: StandaloneEndpointOptions) =>
  refuseLinkName(named(value, standaloneParser))
export const parseUpdateOptions = (value: UpdateOptions) => updateParser(withoutSignal(value))
export const parsePublishList = parser(PublishList, 'ports to publish')
export const parseUnpublishList = parser(UnpublishList, 'ports to unpublish')

export function refuseLinkName<T extends { readonly interfaceName?: string }>(options: T): T {
  const { interfaceName: name } = options
  if (name === undefined || isLinkName(name)) return options
  throw new CnmError(
    'INVALID_ARGUMENT',
    `${what}: interfaceName is ${JSON.stringify(name)}, which is no name for a link`,
    { hint: linkNameHint() },
  )
}
