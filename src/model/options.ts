import { Type } from 'typebox'
import { CnmError } from '../base/errors.ts'
import { isLinkName, linkNameHint } from '../base/link-name.ts'
import { parser } from '../base/parse.ts'

/** Every call can be cancelled; a cancelled call leaves nothing half made. */
export interface Cancellable {
  readonly signal?: AbortSignal
}

export interface NetworkOptions extends Cancellable {
  /** Letters, digits, `_`, `.` and `-`; starts with a letter or digit; at most 128 characters. */
  readonly name: string
  /** `bridge` (default), or the name of another driver the controller was given. */
  readonly driver?: string
  /** One subnet for each family; a family without one gets one that nobody on this host uses. */
  readonly subnets?: readonly (string | SubnetOptions)[]
  /** Default: true. */
  readonly ipv4?: boolean
  /** Default: true if an IPv6 subnet is given, else false. */
  readonly ipv6?: boolean
  /** Nothing gets in or out; default: false. */
  readonly internal?: boolean
  /** The network goes with its last endpoint; default: false. */
  readonly ephemeral?: boolean
  readonly labels?: Readonly<Record<string, string>>
  /** The driver's own options, by our short names or Docker's labels. */
  readonly options?: Readonly<Record<string, string | number | boolean>>
  /** `local` (default), or the name of another IPAM the controller was given. */
  readonly ipam?: string
}

export interface SubnetOptions {
  /** `10.7.0.0/24` */
  readonly subnet: string
  /** The part of the subnet that addresses are handed out from: `10.7.0.128/25`. */
  readonly range?: string
  /** The host's address on the network; default: the first free one. */
  readonly gateway?: string
  /** Addresses that are never handed out, by name. */
  readonly auxAddresses?: Readonly<Record<string, string>>
}

export interface EndpointOptions extends Cancellable {
  /** Unique on its network; default: the name of the sandbox. */
  readonly name?: string
  readonly aliases?: readonly string[]
  /** A certain IPv4 or IPv6 address of the network; default: the next free one. */
  readonly ip?: string
  readonly ip6?: string
  /** `02:42:0a:07:00:02`; default: derived from network and address. */
  readonly mac?: string
  /** The link's name inside the sandbox; default: `eth` and the lowest free number. */
  readonly interfaceName?: string
  /** Which endpoint gives the sandbox its default route: the highest. Default: 0. */
  readonly gwPriority?: number
  readonly labels?: Readonly<Record<string, string>>
}

export interface StandaloneEndpointOptions extends EndpointOptions {
  readonly name: string
  /** Kept although no sandbox uses it; default: false. */
  readonly persistent?: boolean
}

export interface SandboxOptions extends Cancellable {
  /** Unique; default: the short id. */
  readonly name?: string
  /** Somebody else's network namespace, by its path. */
  readonly netns?: string
  /** The network namespace of a running process. */
  readonly pid?: number
  /** The host's own stack, for the `host` network. */
  readonly host?: boolean
  /** The sandbox goes with the first program started in it; default: false. */
  readonly ephemeral?: boolean
  readonly labels?: Readonly<Record<string, string>>
  /** Networks to connect in the same step. */
  readonly connect?: readonly ConnectOptions[]
}

export interface ConnectOptions extends Omit<EndpointOptions, 'signal'> {
  /** Name or id. */
  readonly network: string
}

/** How a program is started. */
export interface SpawnOptions extends Cancellable {
  readonly cwd?: string
  /** The whole environment; default: this process's. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** 'inherit': this process's own 0, 1 and 2. Default: 'pipe'. */
  readonly stdio?: 'inherit' | 'pipe'
}

export interface ExecOptions extends Omit<SpawnOptions, 'stdio'> {
  /** What the program reads from its standard input. */
  readonly input?: string
}

const Name = Type.String({ pattern: '^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$' })
const NoNul = Type.String({ pattern: '^[^\\0]*$' })
const Labels = Type.Record(Type.String(), Type.String())
const strict = { additionalProperties: false }

const endpointFields = {
  name: Type.Optional(Name),
  aliases: Type.Optional(Type.Array(Name)),
  ip: Type.Optional(Type.String()),
  ip6: Type.Optional(Type.String()),
  mac: Type.Optional(Type.String()),
  interfaceName: Type.Optional(Type.String()),
  gwPriority: Type.Optional(Type.Integer()),
  labels: Type.Optional(Labels),
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

const Network = Type.Object(
  {
    name: Name,
    driver: Type.Optional(Type.String()),
    subnets: Type.Optional(Type.Array(Type.Union([Type.String(), Subnet]))),
    ipv4: Type.Optional(Type.Boolean()),
    ipv6: Type.Optional(Type.Boolean()),
    internal: Type.Optional(Type.Boolean()),
    ephemeral: Type.Optional(Type.Boolean()),
    labels: Type.Optional(Labels),
    options: Type.Optional(
      Type.Record(Type.String(), Type.Union([Type.String(), Type.Number(), Type.Boolean()])),
    ),
    ipam: Type.Optional(Type.String()),
  },
  strict,
)

const StandaloneEndpoint = Type.Object(
  { ...endpointFields, name: Name, persistent: Type.Optional(Type.Boolean()) },
  strict,
)

const Sandbox = Type.Object(
  {
    name: Type.Optional(Name),
    netns: Type.Optional(Type.String({ minLength: 1 })),
    pid: Type.Optional(Type.Integer({ minimum: 1 })),
    host: Type.Optional(Type.Boolean()),
    ephemeral: Type.Optional(Type.Boolean()),
    labels: Type.Optional(Labels),
    connect: Type.Optional(
      Type.Array(Type.Object({ ...endpointFields, network: Type.String() }, strict)),
    ),
  },
  strict,
)

const programFields = {
  cwd: Type.Optional(NoNul),
  env: Type.Optional(Type.Record(Type.String(), Type.Union([NoNul, Type.Undefined()]))),
}
const Spawn = Type.Object(
  {
    ...programFields,
    stdio: Type.Optional(Type.Union([Type.Literal('inherit'), Type.Literal('pipe')])),
  },
  strict,
)
const Exec = Type.Object({ ...programFields, input: Type.Optional(Type.String()) }, strict)

const networkParser = parser(Network, 'network options')
const endpointParser = parser(Type.Object(endpointFields, strict), 'endpoint options')
const standaloneParser = parser(StandaloneEndpoint, 'endpoint options')
const sandboxParser = parser(Sandbox, 'sandbox options')

export const parseNetworkOptions = (value: NetworkOptions) => named(value, networkParser)
export const parseEndpointOptions = (value: EndpointOptions) =>
  refuseLinkName(named(value, endpointParser))
export const parseStandaloneOptions = (value: StandaloneEndpointOptions) =>
  refuseLinkName(named(value, standaloneParser))

const spawnParser = parser(Spawn, 'program options')
const execParser = parser(Exec, 'program options')
export const parseSpawnOptions = (value: SpawnOptions) => spawnParser(withoutSignal(value))
export const parseExecOptions = (value: ExecOptions) => execParser(withoutSignal(value))

/** A program and its arguments, as the kernel can take them. */
export function parseArgv(value: readonly string[]): readonly [string, ...string[]] {
  const ok =
    Array.isArray(value) &&
    value.every((each) => typeof each === 'string' && !each.includes('\0')) &&
    Boolean(value[0])
  if (ok) return value as unknown as [string, ...string[]]
  throw new CnmError('INVALID_ARGUMENT', 'argv is no list of a program and its arguments', {
    hint: 'give strings without NUL, the program first: ["ip", "link"]',
  })
}

/** Who isn't helped by types hands in a name, or nothing. */
export function notA(what: 'network' | 'sandbox', value: unknown): CnmError {
  const is = typeof value === 'string' ? JSON.stringify(value) : String(value)
  return new CnmError('INVALID_ARGUMENT', `${is} is no ${what} of a controller`, {
    hint: `give what the controller's ${what}(name) returns`,
  })
}

export function parseSandboxOptions(value: SandboxOptions) {
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

function refuseLinkName<T extends { readonly interfaceName?: string }>(options: T): T {
  const { interfaceName: name } = options
  if (name === undefined || isLinkName(name)) return options
  throw new CnmError(
    'INVALID_ARGUMENT',
    `endpoint options: interfaceName is ${JSON.stringify(name)}, which is no name for a link`,
    { hint: linkNameHint() },
  )
}

/** The signal is no data. */
function withoutSignal<T extends Cancellable>(value: T): Omit<T, 'signal'> {
  if (typeof value !== 'object' || value === null) return value
  const { signal: _, ...data } = value
  return data
}

/** A bad name gets a sentence of its own instead of a pattern. */
function named<T>(value: Cancellable & { readonly name?: unknown }, parse: (value: unknown) => T) {
  const name: unknown = value?.name
  if (typeof name === 'string' && !/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/.test(name)) {
    throw new CnmError('INVALID_NAME', `${JSON.stringify(name)} is not a name`, {
      details: { name },
      hint: 'a name has up to 128 letters, digits, "_", "." and "-" and starts with a letter or digit',
    })
  }
  return parse(withoutSignal(value))
}
