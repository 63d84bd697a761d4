import { once } from 'node:events'
import { mkdir, readFile, stat } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { join, resolve } from 'node:path'
import { CnmError, isCnmError } from '../base/errors.ts'
import { type Config, type ConfigSources, milliseconds, readConfig } from '../daemon/config.ts'
import type { Daemon, Front, Listener, Log } from '../daemon/daemon.ts'
import { inheritedSockets } from '../daemon/inherited-sockets.ts'
import type { DockerApi } from '../front/docker/docker.ts'
import { lockFile, peerCredentials, prepareKernel, sendDatagram } from '../kernel/linux/index.ts'
import { holdFolders } from '../store/local/engine-folders.ts'
import { handBackRecords, requireLmdb } from '../store/local/hand-over.ts'
import { daemonLog } from './daemon-log.ts'
import type { EngineOptions, LinuxPluginOptions, LocalController } from './library.ts'

export type { ConfigSources } from '../daemon/config.ts'

/**
 * The engine of this host as a service: runs until SIGTERM or SIGINT, or until it is idle. What runs on the
 * host goes on. Errors: those of `createController`; INVALID_ARGUMENT (the configuration); CLOSED (a thread of
 * it has died).
 */
export async function runDaemon(sources: ConfigSources = {}): Promise<void> {
  // The kernel's thread loads its code while this one loads the rest.
  prepareKernel()
  const environment = sources.environment ?? process.env
  const config = await readConfig({ ...sources, environment })
  const sockets = inheritedSockets(environment)
  const [{ createController }, { log, flush }] = await Promise.all([
    import('./library.ts'),
    daemonLog(config.logLevel),
  ])
  const notify = notifier(environment, log)
  const signal = Promise.race(['SIGTERM', 'SIGINT'].map((name) => once(process, name)))
  // Closing the terminal of a daemon is not meant to end it.
  process.on('SIGHUP', () => {})
  try {
    const starting = createController(engineOptions(config, log))
    const serving = serve({ config, controller: starting, sockets, log })
    // A failed start of the engine is told instead.
    serving.catch(() => {})
    await using controller = await starting
    const daemon = await serving
    warnOfUnused(sockets, config, log)
    log.info(await startFacts(config, controller, sockets), 'ready')
    notify('READY=1')
    const failure = await Promise.race([
      controller.failed,
      signal.then(() => undefined),
      daemon.closed.then(() => undefined),
    ])
    log.info({}, 'stopping')
    notify('STOPPING=1')
    await daemon.close()
    if (failure !== undefined) throw ended(failure)
  } finally {
    flush()
  }
}

/** In one line, for systemd, or what else starts it again. */
function ended(failure: CnmError): CnmError {
  return new CnmError('CLOSED', `the daemon ends: ${failure.message}`, { cause: failure })
}

/**
 * Takes the host over, and prepares it for the release before this one: `cnm daemon --hand-back`. Errors: those
 * of `createController`; INVALID_ARGUMENT (the configuration); STORE_UNAVAILABLE (lmdb is not there: nothing has been
 * changed).
 */
export async function runHandBack(sources: ConfigSources = {}): Promise<void> {
  prepareKernel()
  const config = await readConfig({ ...sources, environment: sources.environment ?? process.env })
  const [{ createController }, { log, flush }] = await Promise.all([
    import('./library.ts'),
    daemonLog(config.logLevel),
  ])
  // Before anything is changed.
  await requireLmdb()
  const controller = await createController(engineOptions(config, log))
  try {
    await controller.handBack()
  } finally {
    await controller.close()
  }
  const held = await holdFolders(folders(config), lockFile)
  try {
    await handBackRecords(folders(config).runDir)
  } finally {
    held.release()
  }
  log.info(folders(config), 'handed back')
  flush()
}

/** What this is, where it keeps things, where it listens, and what it has found. */
async function startFacts(
  config: Config,
  controller: LocalController,
  sockets: Served['sockets'],
): Promise<object> {
  const { now, instance } = controller
  const { docker = true } = config
  const own = ['cnm.sock', ...(docker ? ['docker.sock'] : [])]
  const plugin = await pluginListeners(config, sockets)
  return {
    version: await ownVersion(),
    node: process.version,
    pid: process.pid,
    instance,
    ...folders(config),
    sockets: [...own.flatMap((name) => listenersAt(name, config, sockets)), ...plugin].map(
      (listener) => ('path' in listener ? listener.path : `descriptor ${listener.fd}`),
    ),
    networks: now.networks().length,
    sandboxes: now.sandboxes().length,
  }
}

function engineOptions(config: Config, log: Log): EngineOptions {
  const { host, coexist, dns, endpointIdle, plugins } = config
  return {
    ...folders(config),
    ...(host === undefined ? {} : { host }),
    ...(coexist === undefined ? {} : { coexist }),
    ...(dns === undefined ? {} : { dns }),
    ...(endpointIdle === undefined ? {} : { idleMs: milliseconds(endpointIdle) }),
    ...(plugins === undefined ? {} : { plugins: pluginOptions(plugins) }),
    keeper: { stay: true },
    onProblem: (problem) => {
      // Said when the daemon ends of it.
      if (!isCnmError(problem, 'CLOSED'))
        log.warn({ err: asError(problem) }, asError(problem).message)
    },
  }
}

function pluginOptions(plugins: NonNullable<Config['plugins']>): LinuxPluginOptions | false {
  if (plugins === false) return false
  const { timeout, ...folders } = plugins
  return { ...folders, ...(timeout === undefined ? {} : { timeoutMs: milliseconds(timeout) }) }
}

interface Served {
  readonly config: Config
  readonly controller: Promise<LocalController>
  readonly sockets: ReadonlyMap<string, readonly number[]>
  readonly log: Log
}

/** What only this needs is loaded while the engine starts, which takes as long. */
async function serve({ config, controller, sockets, log }: Served): Promise<Daemon> {
  const [{ startDaemon }, { dockerApi }, version] = await Promise.all([
    import('../daemon/daemon.ts'),
    import('../front/docker/docker.ts'),
    ownVersion(),
  ])
  const { docker = true, idleExit } = config
  const { stateDir, runDir } = folders(config)
  const at = (name: string) => listenersAt(name, config, sockets)
  const plugin = await pluginListeners(config, sockets)
  const { dockerPlugin } =
    plugin.length === 0 ? {} : await import('../front/docker-plugin/docker-plugin.ts')
  const front = (cnm: LocalController) => {
    const onProblem = (problem: unknown) => {
      log.warn({ err: asError(problem) }, `docker: ${asError(problem).message}`)
    }
    const api = dockerApi({ controller: cnm, version, onProblem })
    return dockerFront(api, at('docker.sock'), onProblem)
  }
  return startDaemon({
    controller,
    listeners: at('cnm.sock'),
    fronts: (cnm) => [
      ...(docker ? [front(cnm)] : []),
      ...(dockerPlugin === undefined ? [] : [pluginFront(dockerPlugin(cnm), plugin)]),
    ],
    log,
    about: { version, stateDir, runDir },
    peerOf,
    ...(idleExit === undefined ? {} : { idleExitMs: milliseconds(idleExit) }),
  })
}

function listenersAt(name: string, config: Config, sockets: Served['sockets']): Listener[] {
  const given = sockets.get(name) ?? []
  if (given.length > 0) return given.map((fd) => ({ fd }))
  return [{ path: join(folders(config).runDir, name), group: config.group ?? 'cnm' }]
}

/** A client of a socket that systemd has made and nothing serves would wait for ever. */
function warnOfUnused(
  sockets: ReadonlyMap<string, readonly number[]>,
  { docker = true }: Config,
  log: Log,
): void {
  const used = ['cnm.sock', 'docker-plugin.sock', ...(docker ? ['docker.sock'] : [])]
  for (const name of sockets.keys()) {
    if (!used.includes(name)) log.warn({ name }, 'nothing answers at a socket that was handed on')
  }
}

/** Its networks are made at the first request: a host without Docker's clients needs none of them. */
function dockerFront(
  api: DockerApi,
  listeners: readonly Listener[],
  onProblem: (problem: unknown) => void,
): Front {
  return {
    name: 'docker',
    listeners,
    handle: (request, response, note) => {
      api
        .ready()
        .catch(onProblem)
        .then(() => api.handle(request, response, note))
        .catch(onProblem)
    },
    refusal: (_, message) => JSON.stringify({ message }),
    close: () => api.close(),
  }
}

/** Where dockerd looks for plugins. */
const pluginFolder = '/run/docker/plugins'

/** Where dockerd's calls come in. Without a word about it, the host's own daemon serves the host's dockerd. */
async function pluginListeners(
  { dockerPluginDir: folder, host, runDir, idleExit }: Config,
  sockets: Served['sockets'],
): Promise<Listener[]> {
  const given = sockets.get('docker-plugin.sock') ?? []
  if (given.length > 0) return given.map((fd) => ({ fd }))
  if (folder === false) return []
  if (folder === undefined) {
    const isHostsOwn = host === undefined && runDir === undefined && idleExit === undefined
    const isWanted = isHostsOwn && (await stat(pluginFolder).catch(() => undefined))
    return isWanted ? [{ path: join(pluginFolder, 'cnm.sock') }] : []
  }
  await mkdir(folder, { recursive: true })
  return [{ path: resolve(folder, 'cnm.sock') }]
}

function pluginFront(handle: Front['handle'], listeners: readonly Listener[]): Front {
  return {
    name: 'docker plugin',
    listeners,
    handle,
    refusal: (_, message) => JSON.stringify({ Err: message }),
    close: async () => {},
  }
}

function folders({ stateDir = '/var/lib/cnm', runDir = '/run/cnm' }: Config) {
  return { stateDir: resolve(stateDir), runDir: resolve(runDir) }
}

function peerOf(socket: Socket): { readonly pid: number; readonly uid: number } | undefined {
  // Node has no name for it.
  const { _handle } = socket as unknown as { readonly _handle?: { readonly fd?: number } }
  const fd = _handle?.fd ?? -1
  return fd < 0 ? undefined : peerCredentials(fd)
}

/** Tells systemd how far this is. That it doesn't listen is no reason to end. */
function notifier(environment: NodeJS.ProcessEnv, log: Log): (state: string) => void {
  const { NOTIFY_SOCKET: path } = environment
  delete environment.NOTIFY_SOCKET
  return (state) => {
    try {
      if (path) sendDatagram(path, state)
    } catch (error) {
      log.warn({ err: error }, 'systemd could not be told')
    }
  }
}

async function ownVersion(): Promise<string> {
  const text = await readFile(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { readonly version: string }).version
}

function asError(problem: unknown): Error {
  return problem instanceof Error ? problem : new CnmError('INTERNAL', String(problem))
}
