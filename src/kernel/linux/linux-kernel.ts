import { stat } from 'node:fs/promises'
import { Socket } from 'node:net'
import { resolve } from 'node:path'
import { CnmError } from '../../base/errors.ts'
import { EventStreams } from '../../base/event-streams.ts'
import type {
  AdoptedNamespace,
  Change,
  Command,
  Difference,
  HostView,
  Kernel,
  KernelEvent,
  LinkStatistics,
  Obstacle,
  PortHolder,
  Program,
  QueryEvent,
  SharedTable,
  SocketRequest,
  Survey,
  SurveyQuery,
} from '../kernel.ts'
import type { NamespaceRef, ReservationResource, Resource } from '../resource.ts'
import { Background } from './background/background.ts'
import { forgottenBy } from './conntrack/forgotten.ts'
import { unpackedStatistics } from './host/statistics.ts'
import { LateNames } from './keeper/late-names.ts'
import { type KeeperProgram, socketOf } from './keeper/program.ts'
import { KeeperWatch } from './keeper/watch.ts'
import { RulesetPort } from './ruleset/ruleset-port.ts'
import { KernelThread } from './thread/thread.ts'
import { fromWire } from './thread/wire-error.ts'

/** Of those that are told, for one who doesn't read them: some ten seconds. */
const MOST_QUERIES = 10_000

export interface LinuxKernelOptions {
  /** Path of a network namespace that plays the host. Default: the one this process is in. */
  readonly host?: string
  /** false: ordinary tables even where the kernel has such with an owner. Default: true. */
  readonly persist?: boolean
  /** false: as on a kernel without a way to keep others from binding ports. Default: true. */
  readonly reservePorts?: boolean
  /** false: IPv6 is forwarded as on kernels that can't do so for single links. Default: true. */
  readonly forceForwarding?: boolean
  /**
   * A folder for the files of sandboxes, which becomes a small file system of its own for as long as there
   * is any. Default: none, files are wherever their paths say.
   */
  readonly files?: string
  /**
   * The process that keeps resolvers, names, zones and relays, and goes on keeping them when this one is
   * killed. One that is there already is taken over; otherwise it is started. Default: none, and such
   * resources are refused.
   */
  readonly keeper?: KeeperProgram
}

/** What tests need besides the door. */
export interface LinuxKernel extends Kernel {
  /** Makes the k-th change of the kernel from now fail, once, with EIO; Infinity: none. */
  armFault(k: number): Promise<void>
  /** How many changes there were since arming. */
  faultCalls(): Promise<number>
  /** With CNM_TRACE=calls: how often the kernel thread has called each function of the C library. */
  foreignCalls(): Promise<Readonly<Record<string, number>>>
}

/** The next `linuxKernel` is there sooner, if its caller has other things to do before. */
export function prepareKernel(): void {
  KernelThread.prepare()
}

/**
 * The door to this machine's kernel. Needs CAP_NET_ADMIN and CAP_SYS_ADMIN, and CAP_SYS_PTRACE to
 * adopt namespaces of other people's processes.
 */
export async function linuxKernel(options: LinuxKernelOptions = {}): Promise<LinuxKernel> {
  // libuv's pool threads stay in the namespace in which the first piece of work for them comes up.
  await stat('/')
  const { host, persist = true, reservePorts = true, forceForwarding = true } = options
  const { files, keeper } = options
  const rulesetPort = new RulesetPort()
  const threadOptions = {
    persist,
    rulesetPort: rulesetPort.memory,
    reservePorts,
    forceForwarding,
    ...(host === undefined ? {} : { host }),
    ...(files === undefined ? {} : { files }),
    ...(keeper === undefined ? {} : { keeper }),
  }
  const failure = new Failure()
  const onDeath = (death: CnmError) => failure.tell(death)
  const { thread, ready } = await KernelThread.start(threadOptions, {
    onProblem: (message) => background.publish([{ type: 'problem', message }]),
    onDeath,
  })
  const background: Background = new Background(
    { host, rulesetPort: rulesetPort.memory },
    {
      onListening: (fd) => {
        // One that is closed changes nothing any more.
        thread.call('listening', fd).catch(() => {})
      },
      onDeath,
    },
  )
  background.delete({ links: ready.retired, namespaces: [] })
  return new ThreadedKernel(thread, background, keeper, failure)
}

/** The first death of a thread, if there is one. */
class Failure {
  tell: (death: CnmError) => void = () => {}
  readonly happened = new Promise<CnmError>((resolve) => {
    this.tell = resolve
  })
}

class ThreadedKernel implements LinuxKernel {
  readonly #thread: KernelThread
  readonly #background: Background
  readonly #queries: EventStreams<QueryEvent>
  readonly #late: LateNames
  readonly #keeper: KeeperWatch | undefined
  readonly failed: Promise<CnmError>
  #failure: CnmError | undefined
  #closing: Promise<void> | undefined

  constructor(
    thread: KernelThread,
    background: Background,
    keeper: KeeperProgram | undefined,
    failure: Failure,
  ) {
    this.#thread = thread
    this.#background = background
    this.failed = failure.happened
    // One thread is of no use without the other.
    void this.failed.then((death) => {
      this.#failure = death
      this.#quieten()
      background.end(death)
    })
    const onCount = (count: number) => {
      if (this.#keeper !== undefined) this.#keeper.log = count > 0
    }
    this.#queries = new EventStreams(onCount, { most: MOST_QUERIES, afterLoss: withSkipped })
    const onEvents = (events: readonly KernelEvent[]) => background.publish(events)
    this.#late = new LateNames({
      news: () => thread.call('keeperNews'),
      onEvents,
      onLoss: () => this.#keeper?.lost(),
    })
    if (keeper === undefined) return
    this.#keeper = new KeeperWatch({
      path: socketOf(keeper),
      onEvents,
      onQueries: (queries) => this.#queries.publish(queries),
      onDropped: (keys) => {
        thread.call('keeperDropped', keys).catch(() => {})
      },
      restore: () => thread.call('restoreKeeper'),
    })
  }

  async apply(change: Change): Promise<void> {
    if (change.add.length > 0) this.#background.takeCare()
    const applied = await this.#thread.call('apply', change)
    const { retired, late, owes, problems, missed, error } = applied
    if (owes) this.#late.awaitAnswers()
    if (missed) this.#background.missed()
    this.#background.publish(problems.map((message) => ({ type: 'problem', message })))
    // Before what is deleted, for which no caller waits.
    const forgotten = error === undefined ? this.#forget(change) : undefined
    this.#background.delete(retired)
    if (error !== undefined) throw fromWire(error)
    this.#late.follow(change, late)
    await forgotten
    if (change.remove.length > 0) await this.#background.room()
  }

  compare(resources: readonly Resource[]): Promise<Difference[]> {
    return this.#thread.call('compare', resources)
  }

  survey(query: SurveyQuery): Promise<Survey> {
    return this.#thread.call('survey', query)
  }

  view(): Promise<HostView> {
    return this.#thread.call('view')
  }

  holders(ports: readonly Omit<ReservationResource, 'kind'>[]): Promise<readonly PortHolder[]> {
    return this.#thread.call('holders', ports)
  }

  async statistics(): Promise<readonly LinkStatistics[]> {
    return unpackedStatistics(await this.#thread.call('statistics'))
  }

  sharedTables(): Promise<readonly SharedTable[]> {
    return this.#thread.call('sharedTables')
  }

  addedByPackets(
    set: Parameters<Kernel['addedByPackets']>[0],
  ): Promise<readonly (readonly string[])[]> {
    return this.#thread.call('addedByPackets', set)
  }

  obstacles(leaving: readonly string[]): Promise<readonly Obstacle[]> {
    return this.#thread.call('obstacles', leaving)
  }

  adopt(target: { readonly pid: number } | { readonly path: string }): Promise<AdoptedNamespace> {
    return this.#thread.call('adopt', target)
  }

  async spawn(namespace: NamespaceRef | undefined, command: Command): Promise<Program> {
    // The thread has a copy of the environment of its own, as it was when it started, and perhaps
    // another working folder.
    const env = { ...(command.env ?? process.env) }
    const cwd = resolve(command.cwd ?? '')
    const { program, pid, pipes, ended } = await this.#thread.spawn(namespace, {
      ...command,
      cwd,
      env,
    })
    return {
      pid,
      stdin: pipes && new Socket({ fd: pipes[0], readable: false, writable: true }),
      stdout: pipes && new Socket({ fd: pipes[1], readable: true, writable: false }),
      stderr: pipes && new Socket({ fd: pipes[2], readable: true, writable: false }),
      ended,
      kill: (signal) => {
        // After its end there is nothing to kill, and after ours no thread to ask.
        this.#thread.call('kill', program, signal).catch(() => {})
      },
    }
  }

  openSocket(namespace: NamespaceRef, socket: SocketRequest): Promise<number> {
    return this.#thread.call('openSocket', namespace, socket)
  }

  async gone(namespace: NamespaceRef, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return
    const identity = await this.#thread.call('identify', namespace)
    if (identity === undefined || signal.aborted) return
    await this.#background.ended(namespace.path, identity, signal)
  }

  events(signal?: AbortSignal): AsyncIterable<KernelEvent> {
    return this.#background.events(signal)
  }

  queries(signal?: AbortSignal): AsyncIterable<QueryEvent> {
    return this.#queries.open(signal)
  }

  async restoreKeeper(): Promise<void> {
    if (this.#keeper === undefined) return
    await this.#thread.call('restoreKeeper')
    this.#keeper.hurry()
  }

  settled(): Promise<void> {
    return this.#background.settled()
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  armFault(k: number): Promise<void> {
    return this.#thread.call('armFault', k)
  }

  faultCalls(): Promise<number> {
    return this.#thread.call('faultCalls')
  }

  foreignCalls(): Promise<Readonly<Record<string, number>>> {
    return this.#thread.call('foreignCalls')
  }

  /** Resolves when nothing of what was forwarded goes on. */
  async #forget(change: Change): Promise<void> {
    const waited: Promise<void>[] = []
    for (const forgotten of forgottenBy(change)) {
      const done = this.#background.forget(forgotten)
      if (forgotten.isAwaited) waited.push(done)
      else done.catch(() => {})
    }
    await Promise.all(waited)
  }

  async #close(): Promise<void> {
    this.#quieten()
    await this.#thread.close(this.#failure ?? new CnmError('CLOSED', 'the kernel is closed'))
    // What is left to be deleted has no effect: the next engine does it.
    await this.#background.settled().catch(() => {})
    await this.#background.close()
  }

  /** Nothing more is heard of the keeper. */
  #quieten(): void {
    this.#keeper?.close()
    this.#late.close()
    this.#queries.end()
  }
}

function withSkipped(dropped: readonly QueryEvent[], next: QueryEvent): QueryEvent[] {
  const skipped = dropped.reduce((sum, each) => sum + 1 + each.skipped, next.skipped)
  return [{ ...next, skipped }]
}
