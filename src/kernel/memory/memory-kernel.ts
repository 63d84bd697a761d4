import { setImmediate as turn } from 'node:timers/promises'
import { CnmError } from '../../base/errors.ts'
import { EventStreams } from '../../base/event-streams.ts'
import type { Kernel, KernelEvent, QueryEvent } from '../kernel.ts'
import { applyChange } from './apply.ts'
import { type HostActions, hostActions } from './host-actions.ts'
import { Machine } from './machine.ts'
import {
  adoptedNamespace,
  differences,
  holdersOf,
  hostView,
  linkStatistics,
  stateLines,
  surveyed,
} from './observe.ts'

/** The door over a Map, with what others on the host do, and what a test does. */
export interface MemoryKernel extends Kernel, HostActions {
  /** All there is, as sorted `ip`, `nft` and `sysctl` commands; ours has `group cnm` or `proto cnm`. */
  lines(): readonly string[]
  /** The k-th step from now fails, once, with EIO; Infinity: none does. Counting starts again at 0. */
  failAt(k: number): void
  /** Steps since the last `failAt`: changes of the machine, and questions to it. */
  steps(): number
  /** It ends by itself, as the real one does when a thread of it dies. */
  fail(error: CnmError): void
}

interface MemoryKernelOptions {
  /** Default: true, as Linux has it since 6.17. */
  readonly forceForwarding6?: boolean
}

/**
 * A kernel without a machine: refuses what Linux refuses and is all or nothing as Linux is. It has
 * no packets, no programs and no sockets.
 */
export function memoryKernel(options: MemoryKernelOptions = {}): MemoryKernel {
  const machine = new Machine(options.forceForwarding6 ?? true)
  const streams = new EventStreams<KernelEvent>()
  const queries = new EventStreams<QueryEvent>()
  const watchers = new Set<() => void>()
  let isClosed = false
  let failure: CnmError | undefined
  let tellFailure: (error: CnmError) => void = () => {}
  const failed = new Promise<CnmError>((resolve) => {
    tellFailure = resolve
  })

  function assertOpen(): void {
    if (failure !== undefined) throw failure
    if (isClosed) throw new CnmError('CLOSED', 'the memory kernel is closed')
  }

  /** Takes a turn of the event loop, as the real one does, so that work can interleave. */
  async function ask<T>(question: () => T): Promise<T> {
    assertOpen()
    await turn()
    assertOpen()
    machine.step()
    return question()
  }

  /** All of it or nothing; then tells the listeners. */
  function transact(work: () => void): void {
    try {
      work()
      streams.publish(machine.commit())
      for (const look of watchers) look()
    } finally {
      machine.working = undefined
      machine.rollback()
    }
  }

  function end(): void {
    streams.end()
    queries.end()
    for (const look of watchers) look()
  }

  async function gone(...[namespace, signal]: Parameters<Kernel['gone']>): Promise<void> {
    await new Promise<void>((resolve) => {
      const look = () => {
        if (
          !isClosed &&
          failure === undefined &&
          !signal.aborted &&
          machine.find(namespace) !== undefined
        )
          return
        watchers.delete(look)
        signal.removeEventListener('abort', look)
        resolve()
      }
      watchers.add(look)
      signal.addEventListener('abort', look)
      look()
    })
    // Not gone: a caller must not take the end of the watch for the end of what it watched.
    if (!signal.aborted) assertOpen()
  }

  return {
    ...hostActions(machine, transact),
    lines: () => stateLines(machine),
    failAt: (k) => machine.failAt(k),
    steps: () => machine.steps,

    apply: (change) => ask(() => transact(() => applyChange(machine, change))),
    compare: (resources) => ask(() => differences(machine, resources)),
    survey: (query) => ask(() => surveyed(machine, query)),
    view: () => ask(() => hostView(machine)),
    holders: (ports) => ask(() => holdersOf(machine, ports)),
    statistics: () => ask(() => linkStatistics(machine)),
    sharedTables: () => ask(() => [...machine.sharedTables.values()]),
    addedByPackets: (set) => ask(() => [...(machine.added.get(setName(set)) ?? [])]),
    obstacles: () => ask(() => [...machine.obstacles.values()]),
    adopt: (target) => ask(() => adoptedNamespace(machine, target)),
    spawn: (_, { argv }) => ask(() => refuse(`"${argv[0]}" can't be started`)),
    openSocket: (_, { type }) => ask(() => refuse(`a ${type} socket can't be opened`)),
    gone,
    events(signal) {
      assertOpen()
      return streams.open(signal)
    },
    queries(signal) {
      assertOpen()
      return queries.open(signal)
    },
    restoreKeeper: async () => assertOpen(),
    settled: async () => assertOpen(),
    failed,
    fail(error) {
      failure = error
      tellFailure(error)
      end()
    },
    async close() {
      isClosed = true
      end()
    },
  }
}

function refuse(what: string): never {
  throw new CnmError(
    'UNSUPPORTED_KERNEL',
    `${what}: the memory kernel has no programs or sockets`,
    {
      hint: 'Use the kernel of libcnm/linux.',
    },
  )
}

function setName({ family, table, set }: Parameters<Kernel['addedByPackets']>[0]): string {
  return `${family} ${table} ${set}`
}
