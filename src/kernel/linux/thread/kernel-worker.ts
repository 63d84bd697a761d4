import { fstatSync } from 'node:fs'
import { resolve } from 'node:path'
import { CnmError, isKernelError } from '../../../base/errors.ts'
import type {
  AdoptedNamespace,
  Change,
  Command,
  Difference,
  HostView,
  Kernel,
  Obstacle,
  PortHolder,
  SharedTable,
  SocketRequest,
  Survey,
  SurveyQuery,
} from '../../kernel.ts'
import type { NamespaceRef, ReservationResource, Resource } from '../../resource.ts'
import { apply } from '../apply/apply.ts'
import type { Machinery } from '../apply/machinery.ts'
import { compare } from '../compare/compare.ts'
import { armFault, faultCalls } from '../ffi/fault.ts'
import { close } from '../ffi/file.ts'
import { foreignCalls } from '../ffi/libc.ts'
import { Hindrances } from '../files/hindrances.ts'
import { OwnMount } from '../files/own-mount.ts'
import { hostView } from '../host/host-view.ts'
import { SharedTables } from '../host/shared-tables.ts'
import { type PackedStatistics, packedStatistics } from '../host/statistics.ts'
import { Keeper, type KeeperNews } from '../keeper/keeper.ts'
import { Announcer } from '../kinds/announcement/announcer.ts'
import {
  identityOf,
  Namespaces,
  noProcess,
  openNamespace,
  openProcess,
} from '../namespaces/namespace.ts'
import {
  type NetnsHandle,
  NetnsHandles,
  ownNetns,
  sandboxNetns,
} from '../namespaces/netns-handle.ts'
import { NetnsPool } from '../namespaces/netns-pool.ts'
import { obstacles } from '../obstacles/obstacles.ts'
import { isAlive } from '../ours.ts'
import { OpenListeners } from '../ports/open-listeners.ts'
import { PortReservations } from '../ports/port-reservations.ts'
import { findHolders } from '../ports/port-search.ts'
import { openBoundSocket } from '../ports/sockets.ts'
import { Programs } from '../programs/programs.ts'
import { listLinks } from '../rtnetlink/link.ts'
import { listRoutes, RTN_UNICAST } from '../rtnetlink/route.ts'
import { Ruleset } from '../ruleset/ruleset.ts'
import { RulesetPort } from '../ruleset/ruleset-port.ts'
import { survey } from '../survey/survey.ts'
import type {
  Applied,
  Ended,
  Operations,
  Ready,
  SpawnedProgram,
  ThreadOptions,
} from './operations.ts'
import { toWire } from './wire-error.ts'

/** So long an engine may take to ask for what the one before it had. */
const INHERITED_MS = 10_000

/** The door's work, on the kernel thread: everything synchronous, everything from the host's namespace. */
export class KernelWorker implements Operations {
  readonly #namespaces: Namespaces
  readonly #host: NetnsHandle
  readonly #options: ThreadOptions
  readonly #machinery: Machinery
  readonly #files: OwnMount | undefined
  readonly #programs: Programs
  readonly #sharedTables: SharedTables
  readonly #givesUp: NodeJS.Timeout
  /** Cookies of the namespaces no sandbox may have: the host's, and the one this process is in. */
  readonly #hostCookies: ReadonlySet<string>

  constructor(
    options: ThreadOptions,
    onEnd: (program: number, ended: Ended) => void,
    onProblem: (message: string) => void,
  ) {
    this.#options = options
    const outside = ownNetns()
    this.#namespaces = new Namespaces(options.host)
    this.#host = ownNetns()
    this.#hostCookies = new Set([cookieOf(outside), cookieOf(this.#host)])
    outside.close()
    const keeper = options.keeper && new Keeper(options.keeper)
    this.#files = options.files === undefined ? undefined : new OwnMount(options.files)
    const cookie = cookieOf(this.#host)
    this.#machinery = {
      namespaces: this.#namespaces,
      pool: new NetnsPool(this.#namespaces),
      host: this.#host,
      ruleset: new Ruleset(options, new RulesetPort(options.rulesetPort), keeper?.link),
      reservations: new PortReservations(cookie, options, keeper?.link),
      announcer: new Announcer(this.#namespaces, this.#host),
      listeners: keeper?.mirror.listeners ?? new OpenListeners(),
      hindrances: new Hindrances(this.#files),
      keeper,
    }
    keeper?.link.closeInherited()
    this.#givesUp = setTimeout(() => {
      this.#machinery.reservations.giveUpInherited()
    }, INHERITED_MS).unref()
    this.#programs = new Programs(onEnd, onProblem)
    this.#sharedTables = new SharedTables(this.#host)
  }

  ready(): Ready {
    const retired = listLinks(this.#host.socket).filter((link) => !isAlive(link))
    return { retired: retired.map(({ index }) => index) }
  }

  apply(change: Change): Applied {
    const { retired, late, error } = apply(this.#machinery, change)
    const missed = this.#machinery.ruleset.listener.takeMissed()
    const { keeper, hindrances } = this.#machinery
    const problems = [...(keeper?.takeProblems() ?? []), ...hindrances.take()]
    const owes = keeper?.owes ?? false
    const wire = error === undefined ? undefined : toWire(error)
    return { retired, late, owes, problems, missed, error: wire }
  }

  /** Told when an operation has been answered: no caller waits for what is done now. */
  prepare(): void {
    this.#machinery.keeper?.flush()
    this.#machinery.pool.refill()
  }

  compare(resources: readonly Resource[]): Difference[] {
    return compare(this.#machinery, resources)
  }

  survey(query: SurveyQuery): Survey {
    return survey(this.#machinery, query)
  }

  view(): HostView {
    return hostView(this.#host, this.#machinery.ruleset, this.#options)
  }

  holders(ports: readonly Omit<ReservationResource, 'kind'>[]): PortHolder[] {
    return findHolders(ports, this.#machinery.listeners)
  }

  statistics(): PackedStatistics {
    return packedStatistics(this.#host)
  }

  sharedTables(): SharedTable[] {
    return this.#sharedTables.list()
  }

  addedByPackets(set: Parameters<Kernel['addedByPackets']>[0]): readonly (readonly string[])[] {
    const { ruleset } = this.#machinery
    return ruleset.keysIn(set)
  }

  obstacles(leaving: readonly string[]): readonly Obstacle[] {
    return [...obstacles(this.#machinery, leaving), ...(this.#files?.obstacles() ?? [])]
  }

  adopt(target: { readonly pid: number } | { readonly path: string }): AdoptedNamespace {
    if ('path' in target) {
      const path = resolve(target.path)
      return this.#adopt(openNamespace({ path }), path)
    }
    const { pid } = target
    try {
      return this.#adopt(openProcess(pid), `/proc/${pid}/ns/net`)
    } catch (error) {
      throw isKernelError(error, 'ESRCH') ? noProcess(pid, error) : error
    }
  }

  spawn(
    program: number,
    namespace: NamespaceRef | undefined,
    command: Command,
  ): Promise<SpawnedProgram> {
    const start = () => this.#programs.start(program, command)
    const started = namespace === undefined ? start() : this.#inside(namespace, start)
    return started()
  }

  kill(program: number, signal: NodeJS.Signals): void {
    this.#programs.kill(program, signal)
  }

  openSocket(namespace: NamespaceRef, socket: SocketRequest): number {
    return this.#inside(namespace, () => openBoundSocket(socket))
  }

  identify(namespace: NamespaceRef): string | undefined {
    const handles = new NetnsHandles(this.#namespaces, this.#host)
    try {
      const netns = handles.find(namespace)
      return netns && identityOf(fstatSync(netns.fd))
    } finally {
      handles.close()
    }
  }

  listening(fd: number): void {
    this.#machinery.ruleset.listener.set(fd)
  }

  keeperNews(): KeeperNews {
    return this.#machinery.keeper!.takeNews()
  }

  keeperDropped(keys: readonly string[]): void {
    this.#machinery.keeper!.dropped(keys)
  }

  restoreKeeper(): void {
    this.#machinery.keeper!.link.restore()
  }

  armFault(k: number): void {
    // What is made in advance would be counted at any time.
    this.#machinery.pool.close()
    this.#machinery.reservations.unloadIfIdle()
    armFault(k)
  }

  faultCalls(): number {
    return faultCalls()
  }

  foreignCalls(): Readonly<Record<string, number>> {
    return foreignCalls()
  }

  async close(): Promise<void> {
    clearTimeout(this.#givesUp)
    this.#programs.close()
    this.#files?.close()
    this.#machinery.pool.close()
    this.#machinery.announcer.close()
    this.#machinery.ruleset.close()
    this.#machinery.reservations.close()
    this.#host.close()
    this.#namespaces.close()
    this.#machinery.keeper?.flush()
    await this.#machinery.keeper?.end(this.#machinery.ruleset.definitions.length > 0)
  }

  #adopt(fd: number, path: string): AdoptedNamespace {
    try {
      return this.#namespaces.enter(fd, () => {
        const netns = sandboxNetns()
        try {
          const cookie = cookieOf(netns)
          if (this.#hostCookies.has(cookie)) throw hostNamespace(path)
          const links = listLinks(netns.socket).map(({ name }) => name)
          return { namespace: { path, cookie }, links, gateways: gatewaysOf(netns) }
        } finally {
          netns.close()
        }
      })
    } finally {
      close(fd)
    }
  }

  #inside<T>(ref: NamespaceRef, work: () => T extends PromiseLike<unknown> ? never : T): T {
    const handles = new NetnsHandles(this.#namespaces, this.#host)
    try {
      return this.#namespaces.enter<T>(handles.at(ref).fd, work)
    } finally {
      handles.close()
    }
  }
}

/** Who has more routes than are read is a router, and has a default route of its own. */
function gatewaysOf({ socket }: NetnsHandle): (4 | 6)[] {
  return ([4, 6] as const).filter((family) => {
    const routes = listRoutes(socket, { family })
    const all = family === 4 ? '0.0.0.0/0' : '::/0'
    return (
      socket.takeCut() ||
      routes.some(({ type, destination }) => type === RTN_UNICAST && destination === all)
    )
  })
}

function cookieOf({ socket }: NetnsHandle): string {
  return socket.namespaceCookie()
}

function hostNamespace(path: string): CnmError {
  return new CnmError('HOST_NAMESPACE', `${path} is the network namespace of the host itself`, {
    details: { path },
    hint: 'give the namespace of a container or another process',
  })
}
