import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CnmError } from '../base/errors.ts'
import { parser } from '../base/parse.ts'
import { Type } from '../base/schema.ts'
import { bridge } from '../driver/bridge/bridge.ts'
import type { NetworkDriver } from '../driver/driver.ts'
import { host } from '../driver/host/host.ts'
import { nothing } from '../driver/null/null.ts'
import type { Ipam } from '../ipam/ipam.ts'
import { local as localIpam } from '../ipam/local/local.ts'
import { nullIpam } from '../ipam/null/null.ts'
import { type KeeperProgram, linuxKernel, lockFile } from '../kernel/linux/index.ts'
import { createController as createOn, type LocalController } from '../model/controller.ts'
import { type DnsOptions, parseDns } from '../model/engine-dns.ts'
import { holdFolders } from '../store/local/engine-folders.ts'
import { local as localStore } from '../store/local/local.ts'
import { makeFolder } from '../store/local/make-folder.ts'
import { type LinuxPluginOptions, pluginSource } from './plugins.ts'

export * from '../index.ts'
export type { LinuxPluginOptions } from './plugins.ts'

export interface EngineOptions {
  /** Networks are kept here; they survive a reboot. Default: `/var/lib/cnm`. */
  readonly stateDir?: string
  /** What dies with the boot: namespaces, records. Best on a tmpfs. Default: `/run/cnm`. */
  readonly runDir?: string
  /** Path of a network namespace that plays the host. Default: the one this process is in. */
  readonly host?: string
  /** How long an endpoint without a sandbox is kept, unless it is persistent. Default: 60 s. */
  readonly idleMs?: number
  /**
   * `auto`: where Docker filters, our packets are let through by a rule in its chain for such rules
   * (DOCKER-USER). `off`: nothing of others is touched, and `doctor` tells what is in the way. Default:
   * `auto`.
   */
  readonly coexist?: 'auto' | 'off'
  /** How names are answered. */
  readonly dns?: LinuxDnsOptions
  /** The process beside the engine that answers names and passes on what the kernel can't. */
  readonly keeper?: {
    /**
     * It goes on when the controller is closed, until the next one with these folders takes it over, or
     * there is no sandbox left. Default: false, it ends with the controller. It outlives a crash anyway.
     */
    readonly stay?: boolean
  }
  /** More drivers, each made by its factory; one of a name that is there takes its place. */
  readonly drivers?: readonly (() => NetworkDriver)[]
  /** The same for IPAMs. */
  readonly ipams?: readonly (() => Ipam)[]
  /** Drivers and IPAMs that are other programs, in Docker's plugin protocol. false: none. */
  readonly plugins?: LinuxPluginOptions | false
  /** Told of what fails in the background. Default: a process warning. */
  readonly onProblem?: (problem: unknown) => void
}

export interface LinuxDnsOptions extends DnsOptions {
  /** The host's resolv.conf, whose servers are asked and whose changes are followed. Default: `/etc/resolv.conf`. */
  readonly resolvConf?: string
}

/**
 * Starts the engine of this host on the real kernel, with the built-in drivers and the local store.
 * Errors: ENGINE_RUNNING (one engine for each state folder, run folder and host), MISSING_CAPABILITY,
 * STORE_UNAVAILABLE, INVALID_ARGUMENT.
 */
export async function createController(options: EngineOptions = {}): Promise<LocalController> {
  const {
    stateDir = '/var/lib/cnm',
    runDir = '/run/cnm',
    host: hostPath,
    ...given
  } = parse(options)
  const { drivers = [], ipams = [], plugins = {}, ...rest } = given
  await requireCapabilities()
  const folders = await holdFolders({ stateDir, runDir: resolve(runDir) }, lockFile)
  let isUp = false
  try {
    const namespaceDir = join(runDir, 'netns')
    const filesDir = join(resolve(runDir), 'files')
    await makeFolder(namespaceDir, 0o755)
    const controller = await createOn({
      kernel: await linuxKernel({
        ...(hostPath === undefined ? {} : { host: hostPath }),
        files: filesDir,
        keeper: keeperOf(runDir, options),
      }),
      store: localStore({ stateDir, runDir }),
      drivers: [bridge(), host(), nothing(), ...drivers.map((make) => make())],
      ipams: [
        localIpam({ seed: await hostSeed(stateDir) }),
        nullIpam(),
        ...ipams.map((make) => make()),
      ],
      ...(plugins ? { plugins: pluginSource(plugins, rest.onProblem) } : {}),
      namespaceDir,
      sandboxDir: filesDir,
      ...rest,
      onClose: async () => {
        if (isUp) folders.release()
      },
    })
    isUp = true
    return controller
  } catch (error) {
    await folders.abandon()
    throw error
  }
}

function keeperOf(runDir: string, { dns, keeper }: EngineOptions): KeeperProgram {
  const { resolvConf } = dns ?? {}
  return {
    program: fileURLToPath(new URL('../keeper/process/main.js', import.meta.url)),
    folder: resolve(runDir),
    stay: keeper?.stay ?? false,
    ...(resolvConf === undefined ? {} : { resolvConf }),
  }
}

const strict = { additionalProperties: false }
const Path = Type.Optional(Type.String({ minLength: 1 }))

const Plugin = Type.Object(
  {
    sockets: Type.Optional(Type.Array(Type.String({ minLength: 1 }))),
    specs: Type.Optional(Type.Array(Type.String({ minLength: 1 }))),
    timeoutMs: Type.Optional(Type.Number({ minimum: 1, maximum: 2 ** 31 - 1 })),
  },
  strict,
)

const parseData = parser(
  Type.Object(
    {
      stateDir: Path,
      runDir: Path,
      host: Path,
      // What a timer can wait for.
      idleMs: Type.Optional(Type.Number({ minimum: 0, maximum: 2 ** 31 - 1 })),
      coexist: Type.Optional(Type.Union([Type.Literal('auto'), Type.Literal('off')])),
      dns: Type.Optional(
        Type.Object(
          {
            resolvConf: Path,
            zone: Type.Optional(Type.Union([Type.String(), Type.Literal(false)])),
            listen: Type.Optional(Type.String()),
            hostGateway: Type.Optional(Type.String()),
          },
          strict,
        ),
      ),
      keeper: Type.Optional(Type.Object({ stay: Type.Optional(Type.Boolean()) }, strict)),
      plugins: Type.Optional(Type.Union([Type.Literal(false), Plugin])),
    },
    strict,
  ),
  'engine options',
)

/** A function is no data. */
function parse(options: EngineOptions): EngineOptions {
  if (typeof options !== 'object' || options === null) return parseData(options)
  const { onProblem, drivers = [], ipams = [], ...data } = options
  parseData(data)
  parseDns(data.dns)
  if (onProblem !== undefined && typeof onProblem !== 'function') {
    throw new CnmError('INVALID_ARGUMENT', 'engine options: onProblem must be a function')
  }
  for (const make of [...drivers, ...ipams]) {
    if (typeof make !== 'function') {
      throw new CnmError('INVALID_ARGUMENT', 'engine options: drivers and ipams are factories', {
        hint: 'give a function that makes the driver',
      })
    }
  }
  return options
}

const capabilities: readonly (readonly [string, number])[] = [
  ['CAP_NET_ADMIN', 12],
  ['CAP_SYS_ADMIN', 21],
  ['CAP_SYS_PTRACE', 19],
]

/** Better one clear sentence now than an EPERM in the middle. */
async function requireCapabilities(): Promise<void> {
  const status = await readFile('/proc/self/status', 'utf8')
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? '0'}`)
  const missing = capabilities
    .filter(([, bit]) => ((effective >> BigInt(bit)) & 1n) === 0n)
    .map(([name]) => name)
  if (missing.length === 0) return
  throw new CnmError('MISSING_CAPABILITY', `this process lacks ${missing.join(', ')}`, {
    details: { missing },
    hint: 'run it as root',
  })
}

/** What the host's IPv6 subnets derive from: the same for ever on one machine and state folder. */
async function hostSeed(stateDir: string): Promise<string> {
  const machine = await readFile('/etc/machine-id', 'utf8').catch(() => '')
  return `${machine.trim()} ${stateDir}`
}
