import { stat } from 'node:fs/promises'
import { Socket } from 'node:net'
import { EventStreams } from '../../base/event-streams.ts'
import type {
  AdoptedNamespace,
  Change,
  Command,
  Difference,
  HostView,
  Kernel,
  KernelEvent,
  Obstacle,
  PortHolder,
  Program,
  QueryEvent,
  SocketRequest,
  Survey,
  SurveyQuery,
} from '../kernel.ts'
import {
  type NamespaceRef,
  type ReservationResource,
  type Resource,
  resourceKey,
} from '../resource.ts'
import { forgottenBy } from './apply/plan.ts'
import { Background } from './background/background.ts'
import { isRelay, Relays } from './relays/relays.ts'
import { KernelThread } from './thread.ts'
import { fromWire } from './wire-error.ts'

export interface LinuxKernelOptions {
  /** Path of a network namespace that plays the host. Default: the one this process is in. */
  readonly host?: string
  /** false: ordinary tables even where the kernel has such with an owner. Default: true. */
  readonly persist?: boolean
  /** false: as on a kernel without a way to keep others from binding ports. Default: true. */
  readonly reservePorts?: boolean
  /** false: IPv6 is forwarded as on kernels that can't do so for single links. Default: true. */
  readonly forceForwarding?: boolean
}

/** What tests need besides the door. */
export interface LinuxKernel extends Kernel {
  /** Makes the k-th change of the kernel from now fail, once, with EIO; Infinity: none. */
  armFault(k: number): Promise<void>
  /** How many changes there were since arming. */
  faultCalls(): Promise<number>
}

/**
 * The door to this machine's kernel. Needs CAP_NET_ADMIN and CAP_SYS_ADMIN, and CAP_SYS_PTRACE to
 * adopt namespaces of other people's processes.
 */
export async function linuxKernel(options: LinuxKernelOptions = {}): Promise<LinuxKernel> {
  // libuv's pool threads stay in the namespace in which the first piece of work for them comes up.
  await stat('/')
  const { host, persist = true, reservePorts = true, forceForwarding = true } = options
  const { thread, ready } = await KernelThread.start({
    persist,
    reservePorts,
    forceForwarding,
    ...(host === undefined ? {} : { host }),
  })
  const background = new Background(host, (fd) => {
    // One that is closed changes nothing any more.
    thread.call('listening', fd).catch(() => {})
  })
  background.delete({ links: ready.condemned, namespaces: [] })
  return new ThreadedKernel(thread, background)
}

class ThreadedKernel implements LinuxKernel {
  readonly #thread: KernelThread
  readonly #background: Background
  readonly #relays: Relays
  readonly #queries = new EventStreams<QueryEvent>()
  #closing: Promise<void> | undefined

  constructor(thread: KernelThread, background: Background) {
    this.#thread = thread
    this.#background = background
    this.#relays = new Relays((type, family) => thread.call('openClient', type, family))
  }

  async apply(change: Change): Promise<void> {
    if (change.add.length > 0) this.#background.takeCare()
    let forgotten: Promise<void> | undefined
    await this.#relays.change(change, (rest) =>
      this.#apply(rest, () => {
        forgotten = this.#forget(change)
      }),
    )
    await forgotten
    if (change.remove.length > 0) await this.#background.room()
  }

  async compare(resources: readonly Resource[]): Promise<Difference[]> {
    const differences = await this.#thread.call('compare', resources)
    if (!resources.some(isRelay)) return differences
    const found = new Map(differences.map((each) => [resourceKey(each.resource), each]))
    return resources.flatMap((resource) => {
      if (isRelay(resource)) return this.#relays.compare(resource)
      return found.get(resourceKey(resource)) ?? []
    })
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

  obstacles(): Promise<readonly Obstacle[]> {
    return this.#thread.call('obstacles')
  }

  adopt(target: { readonly pid: number } | { readonly path: string }): Promise<AdoptedNamespace> {
    return this.#thread.call('adopt', target)
  }

  async spawn(namespace: NamespaceRef | undefined, command: Command): Promise<Program> {
    // The thread has a copy of the environment of its own, as it was when it started.
    const env = { ...(command.env ?? process.env) }
    const { program, pid, pipes, ended } = await this.#thread.spawn(namespace, { ...command, env })
    return {
      pid,
      stdin: pipes && new Socket({ fd: pipes[0], readable: false, writable: true }),
      stdout: pipes && new Socket({ fd: pipes[1], readable: true, writable: false }),
      stderr: pipes && new Socket({ fd: pipes[2], readable: true, writable: false }),
      ended,
      kill: (signal) => {
        // After its end there is nothing to kill, and after ours nobody to ask.
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

  /** All of a change but its relays; answers with sockets for those that are new. */
  async #apply(change: Change, onDone: () => void): Promise<readonly number[]> {
    const { doomed, sockets, missed, error } = await this.#thread.call('apply', change)
    if (missed) this.#background.missed()
    // Before what is deleted, for which nobody waits.
    if (error === undefined) onDone()
    this.#background.delete(doomed)
    if (error !== undefined) throw fromWire(error)
    return sockets
  }

  async #close(): Promise<void> {
    await this.#thread.close()
    this.#relays.close()
    await this.#background.settled()
    await this.#background.close()
  }
}
