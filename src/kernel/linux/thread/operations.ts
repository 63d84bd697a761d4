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
import type { PackedStatistics } from '../host/statistics.ts'
import type { KeeperNews } from '../keeper/keeper.ts'
import type { KeeperProgram } from '../keeper/program.ts'
import type { WireError } from './wire-error.ts'

/**
 * What the kernel thread can be asked: one message there and one back for each. What goes over is
 * plain data, and descriptors as numbers: they are the process's, whichever thread made them.
 */
export interface Operations {
  apply(change: Change): Applied
  compare(resources: readonly Resource[]): Difference[]
  survey(query: SurveyQuery): Survey
  view(): HostView
  holders(ports: readonly Omit<ReservationResource, 'kind'>[]): PortHolder[]
  statistics(): PackedStatistics
  obstacles(leaving: readonly string[]): readonly Obstacle[]
  addedByPackets(set: Parameters<Kernel['addedByPackets']>[0]): readonly (readonly string[])[]
  sharedTables(): SharedTable[]
  adopt(target: { readonly pid: number } | { readonly path: string }): AdoptedNamespace
  /** Programs are known by a number the caller gives: a process id may be another process's later. */
  spawn(
    program: number,
    namespace: NamespaceRef | undefined,
    command: Command,
  ): Promise<SpawnedProgram>
  kill(program: number, signal: NodeJS.Signals): void
  openSocket(namespace: NamespaceRef, socket: SocketRequest): number
  /** What tells a namespace from others (see identityOf); undefined: it is gone. */
  identify(namespace: NamespaceRef): string | undefined
  /** That socket, of another thread, is in group NFNLGRP_NFTABLES. */
  listening(fd: number): void
  keeperNews(): KeeperNews
  /** The keeper has dropped those by itself. */
  keeperDropped(keys: readonly string[]): void
  /** Finds or starts another, if the one there was is lost. Throws if that one ends at once. */
  restoreKeeper(): void
  armFault(k: number): void
  faultCalls(): number
  foreignCalls(): Readonly<Record<string, number>>
}

/** What became of a change. There may be something to delete even if it failed. */
export interface Applied {
  readonly retired: Retired
  /** Endpoints whose names may not be known everywhere yet. */
  readonly late: readonly string[]
  /** Whether the keeper hasn't answered everything it was asked. */
  readonly owes: boolean
  /** What couldn't be done by the keeper, or to sandboxes' files, in sentences. */
  readonly problems: readonly string[]
  /** Others may have changed the ruleset meanwhile without its being told. */
  readonly missed: boolean
  readonly error: WireError | undefined
}

/** What an `apply` has made ineffective and the background has to delete at leisure. */
export interface Retired {
  /** Indexes of links in the retired group, in the host's namespace. */
  readonly links: readonly number[]
  readonly namespaces: readonly RetiredNamespace[]
}

export interface RetiredNamespace {
  /** Unmounted; closing this lets the kernel collect it. */
  readonly fd: number
  /** Indexes of the host ends of its links, which go with it. */
  readonly links: readonly number[]
}

export interface SpawnedProgram {
  readonly pid: number
  /** Our ends of its pipes, for 0, 1 and 2. */
  readonly pipes: readonly [number, number, number] | undefined
}

export interface ThreadOptions {
  /** Path of the network namespace that plays the host; absent: the one the process is in. */
  readonly host?: string
  /** A RulesetPort's memory: where the thread says by which socket it changes the ruleset. */
  readonly rulesetPort: SharedArrayBuffer
  /** false: tables that should be owned are made as ordinary ones. */
  readonly persist: boolean
  /** false: ports are looked at, but not kept from being bound. */
  readonly reservePorts: boolean
  /** false: `force_forwarding` is left alone, as if the kernel had none. */
  readonly forceForwarding: boolean
  /** Where sandboxes' files are; absent: wherever their paths say. */
  readonly files?: string
  /** Absent: nothing can be kept. */
  readonly keeper?: KeeperProgram
}

export interface Request {
  readonly id: number
  readonly name: keyof Operations
  readonly args: readonly unknown[]
}

/**
 * What the thread says: an answer (number 0: it is ready), that a program has ended, or what went wrong
 * in its own time, in a sentence.
 */
export type Reply =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: WireError }
  | { readonly program: number; readonly ended: Ended }
  | { readonly problem: string }

export interface Ready {
  /** Links that a crash has left in the retired group. */
  readonly retired: readonly number[]
}

/** How a program ended. */
export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}
