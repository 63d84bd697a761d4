import { readFile } from 'node:fs/promises'
import { CnmError, isCnmError } from '../base/errors.ts'
import { parser } from '../base/parse.ts'
import { type Static, Type } from '../base/schema.ts'

const strict = { additionalProperties: false } as const
const Path = Type.String({ minLength: 1 })
const duration = (description: string) =>
  Type.Optional(Type.String({ pattern: '^[0-9]{1,6}(ms|s|m|h)$', description }))

/** The daemon's configuration, as a file and as docs/reference/daemon.schema.json. */
const ConfigShape = Type.Object(
  {
    $schema: Type.Optional(Type.String({ description: 'For editors; not read.' })),
    stateDir: Type.Optional({
      ...Path,
      description: 'Where networks are kept; they survive a reboot. Default: /var/lib/cnm',
    }),
    runDir: Type.Optional({
      ...Path,
      description: 'Sockets, namespaces, and what dies with the boot. Default: /run/cnm',
    }),
    host: Type.Optional({
      ...Path,
      description: 'Path of a network namespace that plays the host. Default: that of the process',
    }),
    group: Type.Optional({
      ...Path,
      description:
        'Who may use the sockets besides root, and is as good as root thereby, if there is such a group. Default: cnm',
    }),
    logLevel: Type.Optional(
      Type.Union(
        ['debug', 'info', 'warn', 'error'].map((level) => Type.Literal(level as 'info')),
        { description: 'The least that is logged. Default: info' },
      ),
    ),
    idleExit: duration(
      'End after there has been no sandbox, request or stream for so long: 30s, 5m. Default: never',
    ),
    endpointIdle: duration(
      'How long an endpoint that no sandbox has joined is kept, unless it is persistent. Default: 60s',
    ),
    docker: Type.Optional(
      Type.Boolean({ description: "Serve Docker's network API at docker.sock. Default: true" }),
    ),
    dockerPluginDir: Type.Optional(
      Type.Union([Path, Type.Literal(false)], {
        description:
          "Folder of the socket cnm.sock at which dockerd finds the network driver and IPAM cnm; false: none. Default: /run/docker/plugins, if it is there and this is the host's own daemon",
      }),
    ),
    coexist: Type.Optional(
      Type.Union([Type.Literal('auto'), Type.Literal('off')], {
        description:
          "Let packets pass by a rule in Docker's chain for such rules, or leave others' rules alone. Default: auto",
      }),
    ),
    plugins: Type.Optional(
      Type.Union(
        [
          Type.Literal(false),
          Type.Object(
            {
              sockets: Type.Optional(Type.Array(Path)),
              specs: Type.Optional(Type.Array(Path)),
              timeout: duration('How long a call may take, with all that is tried again'),
            },
            strict,
          ),
        ],
        {
          description:
            'Folders in which plugins are looked for: of sockets (/run/docker/plugins), and of specs (/etc/docker/plugins, /usr/lib/docker/plugins); and how long a call may take (10s). false: there are none',
        },
      ),
    ),
    dns: Type.Optional(
      Type.Object(
        {
          resolvConf: Type.Optional({
            ...Path,
            description: "The host's resolv.conf. Default: /etc/resolv.conf",
          }),
          zone: Type.Optional(
            Type.Union([Type.String(), Type.Literal(false)], {
              description:
                'Domain in which the host finds names; false: none. Default: cnm.internal',
            }),
          ),
          listen: Type.Optional(
            Type.String({ description: 'Where the host asks for them. Default: 127.0.0.153' }),
          ),
          hostGateway: Type.Optional(
            Type.String({ description: 'What host-gateway means, in place of the gateway' }),
          ),
        },
        { ...strict, description: 'How names are answered' },
      ),
    ),
  },
  { ...strict, title: 'Configuration of cnm daemon' },
)

export type Config = Static<typeof ConfigShape>

const schemaUri = 'https://json-schema.org/draft/2020-12/schema'

/** The same as a document for editors. */
export function configSchema(): object {
  return { $schema: schemaUri, ...JSON.parse(JSON.stringify(ConfigShape)) }
}

const variables = {
  stateDir: 'CNM_STATE_DIR',
  runDir: 'CNM_RUN_DIR',
  logLevel: 'CNM_LOG_LEVEL',
  idleExit: 'CNM_IDLE_EXIT',
} as const satisfies Partial<Record<keyof Config, string>>

export interface ConfigSources {
  /** Path of a JSON file. Default: what CNM_CONFIG says. */
  readonly file?: string
  /** From the command line. */
  readonly flags?: Readonly<Record<string, unknown>>
  readonly environment?: NodeJS.ProcessEnv
}

/** Flags over the environment over the file. Errors: INVALID_ARGUMENT, with the path of the key. */
export async function readConfig(sources: ConfigSources = {}): Promise<Config> {
  const { environment = {}, flags = {} } = sources
  const file = sources.file ?? environment.CNM_CONFIG
  const fromFile = file === undefined ? {} : await readFileConfig(file)
  const fromEnvironment = Object.entries(variables).map(([key, name]) => [
    key,
    environment[name] || undefined,
  ])
  return {
    ...fromFile,
    ...parse(given(Object.fromEntries(fromEnvironment)), 'environment'),
    ...parse(given(flags), 'options'),
  }
}

async function readFileConfig(path: string): Promise<Config> {
  const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new CnmError('INVALID_ARGUMENT', `${path} can't be read: ${cause.code}`, {
      details: { path },
      hint: 'name a configuration file, or none',
      cause,
    })
  })
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new CnmError('INVALID_ARGUMENT', `${path} is no JSON: ${(cause as Error).message}`, {
      details: { path },
      cause,
    })
  }
  return parse(value, path)
}

function parse(value: unknown, what: string): Config {
  try {
    const config = parser(ConfigShape, what)(value)
    refuseLong(config, what)
    return config
  } catch (error) {
    if (!isCnmError(error)) throw error
    const { code, details, hint = hintFor(error) } = error
    throw new CnmError(code, wording(error, what), { details, hint })
  }
}

/** As the user has written it: `options: idleExit is 600h` → `--idle-exit is 600h`. */
function wording({ message, details }: CnmError, what: string): string {
  const key = String(details.path)
  const names: Record<string, string | undefined> = {
    options: `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`,
    environment: Object.hasOwn(variables, key) ? variables[key as 'stateDir'] : undefined,
  }
  const plain = message.replace(/ must match pattern .*/, ' is no duration')
  return key === '' ? plain : plain.replace(`${what}: ${key}`, names[what] ?? `${what}: ${key}`)
}

interface Described {
  readonly description?: string
  readonly properties?: Readonly<Record<string, Described>>
}

/** What the schema says of the key, or which keys there are. */
function hintFor({ details }: CnmError): string {
  let place = ConfigShape as unknown as Described
  for (const key of String(details.path).split('.')) place = place.properties?.[key] ?? place
  if (place.description !== undefined && details.unknown === undefined) return place.description
  return `known are ${Object.keys(place.properties ?? {}).join(', ')}`
}

function given(values: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined))
}

/** What a timer can wait for. */
const longestMs = 2 ** 31 - 1

function refuseLong(config: Config, what: string): void {
  for (const key of ['idleExit', 'endpointIdle'] as const) {
    const duration = config[key]
    if (duration === undefined || milliseconds(duration) <= longestMs) continue
    throw new CnmError('INVALID_ARGUMENT', `${what}: ${key} is ${duration}, which is too long`, {
      details: { path: key },
      hint: 'give 24 days (576h) at most',
    })
  }
}

const units = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const

/** `30s` */
export function milliseconds(duration: string): number {
  const [, count, unit] = /^(\d+)(ms|s|m|h)$/.exec(duration) ?? []
  return Number(count) * units[unit as keyof typeof units]
}
