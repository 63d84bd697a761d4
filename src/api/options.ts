import { CnmError } from '../base/errors.ts'
import { parser } from '../base/parse.ts'
import { Type } from '../base/schema.ts'
import type { BridgeNetworkOptions } from './driver-options.ts'
import { ConnectBody, type ConnectOptions, refuseLinkName, Texts } from './endpoint-options.ts'
import { withoutGenericLabels } from './generic-labels.ts'
import {
  type Cancellable,
  LabelledValues,
  Labels,
  Name,
  named,
  refuseBadNames,
  strict,
} from './option-fields.ts'

export interface NetworkOptions extends Cancellable {
  /** Letters, digits, `_`, `.` and `-`; starts with a letter or digit; at most 128 characters. */
  readonly name: string
  /** `bridge` (default), or the name of another driver the controller was given. */
  readonly driver?: string
  /** One subnet for each family; a family without one gets one that this host doesn't use. */
  readonly subnets?: readonly (string | SubnetOptions)[]
  /** It has IPv4 addresses. Default: true. */
  readonly ipv4?: boolean
  /** It has IPv6 addresses. Default: true if an IPv6 subnet is given, else false. */
  readonly ipv6?: boolean
  /** Nothing gets in or out; default: false. */
  readonly internal?: boolean
  /** The network goes with its last endpoint, or after a while if it never has one; default: false. */
  readonly ephemeral?: boolean
  /** Of yours: `{ team: 'db' }`. */
  readonly labels?: Readonly<Record<string, string>>
  /**
   * Who is asked for names outside, from inside its sandboxes, in place of the host's servers:
   * `10.7.0.5`, `10.7.0.5:5353`, `[fd00::5]:5353`.
   */
  readonly dns?: readonly string[]
  /**
   * The driver's own options, by our short names or Docker's labels; and of Docker's generic labels
   * `com.docker.network.enable_ipv4`, `.enable_ipv6` and `.internal`. The types name the bridge's; whether they are
   * right is only said when the network is made, since plug-ins have others.
   */
  readonly options?: BridgeNetworkOptions | Readonly<Record<string, string | number | boolean>>
  /** `local` (default), or the name of another IPAM the controller was given. */
  readonly ipam?: string
}

export interface SubnetOptions {
  /** `10.7.0.0/24`; or `0.0.0.0/24`, `::/64`: any of that length. */
  readonly subnet: string
  /** The part of the subnet that addresses are handed out from: `10.7.0.128/25`. */
  readonly range?: string
  /** The host's address on the network; default: the first free one. */
  readonly gateway?: string
  /** Addresses that are never handed out, by name. */
  readonly auxAddresses?: Readonly<Record<string, string>>
}

export interface SandboxOptions extends Cancellable {
  /** Unique; default: the short id. */
  readonly name?: string
  /** Another program's network namespace, by its path. */
  readonly netns?: string
  /** The network namespace of a running process. */
  readonly pid?: number
  /** The host's own stack, for the `host` network. */
  readonly host?: boolean
  /** The sandbox goes with the first program started in it, or with `program`; default: false. */
  readonly ephemeral?: boolean
  /**
   * The process that an ephemeral sandbox goes with, until `bindProgram` names another: of the host, about
   * to start a program inside.
   */
  readonly program?: number
  /** Of yours: `{ team: 'db' }`. */
  readonly labels?: Readonly<Record<string, string>>
  /**
   * The name it has for itself, and is found by on its networks. Default: its name, or the short id where
   * no host can be called so.
   */
  readonly hostname?: string
  /** Comes behind the hostname in its hosts file. */
  readonly domainname?: string
  /** Who is asked for names outside, from inside it, whatever its networks say: `10.7.0.5:5353`. */
  readonly dns?: readonly string[]
  /** In which domains names are looked for; `['.']`: in none. Default: the host's. */
  readonly dnsSearch?: readonly string[]
  /** Options of its resolv.conf: `ndots:2`, `rotate`. Default: the host's. */
  readonly dnsOptions?: readonly string[]
  /** More lines of its hosts file: `db:10.7.0.9`, `db=fd00::9`, `gate:host-gateway`. */
  readonly extraHosts?: readonly string[]
  /**
   * false: its runtime answers names itself, so there is no resolver at 127.0.0.11 and no resolv.conf
   * of ours. Default: true.
   */
  readonly resolver?: boolean
  /** Networks to connect in the same step. */
  readonly connect?: readonly ConnectOptions[]
}

const Subnet = Type.Object(
  {
    subnet: Type.String(),
    range: Type.Optional(Type.String()),
    gateway: Type.Optional(Type.String()),
    auxAddresses: Type.Optional(Labels),
  },
  strict,
)

export const NetworkBody = Type.Object(
  {
    name: Name,
    driver: Type.Optional(Type.String()),
    subnets: Type.Optional(Type.Array(Type.Union([Type.String(), Subnet]))),
    ipv4: Type.Optional(Type.Boolean()),
    ipv6: Type.Optional(Type.Boolean()),
    internal: Type.Optional(Type.Boolean()),
    ephemeral: Type.Optional(Type.Boolean()),
    labels: Type.Optional(Labels),
    dns: Type.Optional(Texts),
    options: Type.Optional(LabelledValues),
    ipam: Type.Optional(Type.String()),
  },
  strict,
)

export const SandboxBody = Type.Object(
  {
    name: Type.Optional(Name),
    netns: Type.Optional(Type.String({ minLength: 1 })),
    pid: Type.Optional(Type.Integer({ minimum: 1 })),
    host: Type.Optional(Type.Boolean()),
    ephemeral: Type.Optional(Type.Boolean()),
    program: Type.Optional(Type.Integer({ minimum: 1 })),
    labels: Type.Optional(Labels),
    hostname: Type.Optional(Type.String()),
    domainname: Type.Optional(Type.String()),
    dns: Type.Optional(Texts),
    dnsSearch: Type.Optional(Texts),
    dnsOptions: Type.Optional(Texts),
    extraHosts: Type.Optional(Texts),
    resolver: Type.Optional(Type.Boolean()),
    connect: Type.Optional(Type.Array(ConnectBody)),
  },
  strict,
)

const networkParser = parser(NetworkBody, 'network options')
const sandboxParser = parser(SandboxBody, 'sandbox options')

export const parseNetworkOptions = (value: NetworkOptions) =>
  withoutGenericLabels(named(value, networkParser))

export function parseSandboxOptions(value: SandboxOptions) {
  const connect: unknown = value?.connect
  if (Array.isArray(connect)) connect.forEach(refuseBadNames)
  const options = named(value, sandboxParser)
  const ways = [options.netns, options.pid, options.host || undefined].filter(
    (way) => way !== undefined,
  )
  if (ways.length > 1) {
    throw new CnmError(
      'INVALID_ARGUMENT',
      'sandbox options: netns, pid and host exclude each other',
      { hint: 'give at most one of them' },
    )
  }
  for (const endpoint of options.connect ?? []) refuseLinkName(endpoint)
  return options
}
