import { mkdirSync, rmSync, statSync } from 'node:fs'
import { CnmError, isKernelError, KernelError } from '../../../base/errors.ts'
import { newerVersion } from '../../../base/newer-version.ts'
import { KEEPER_VERSION, type KeeperReply, type KeeperRequest } from '../../../keeper/keeper.ts'
import type { KeptResource } from '../../kept-resource.ts'
import { close } from '../ffi/file.ts'
import { connectUnix, listenUnix, peerCredentials } from '../ffi/unix-socket.ts'
import { Connection } from './connection.ts'
import {
  foundKeeper,
  type KeeperProcess,
  type KeeperProgram,
  killKeepersOf,
  lastWords,
  logOf,
  socketOf,
  startKeeper,
} from './program.ts'

/** One that runs answers within milliseconds. */
const FOUND_MS = 2000
/** A new one has to load its code first. */
const STARTED_MS = 5000
const END_MS = 2000
/** One that answers nothing for so long is of no use. */
const HUNG_MS = 5000
/** Until it has said its first word. */
const HUNG_AT_FIRST_MS = 30_000
/** Whatever has stopped it may have stopped this process as well: it hasn't had its time then. */
const LAST_CHANCE_MS = 500
/** What fits into a `struct sockaddr_un`. */
const MOST_PATH_BYTES = 107

type Unnumbered<Request> = Request extends unknown ? Omit<Request, 'number'> : never

/** Something the keeper was asked. */
export interface Asked {
  readonly isAnswered: boolean
  /** Why it couldn't; nothing of it was done. */
  readonly error: string | undefined
}

export interface LinkEvents {
  /** There is a keeper, that keeps these. */
  onGreeting(kept: readonly KeptResource[]): void
  /** There is none any more: it has ended, or listens to another engine. */
  onLoss(): void
  onProblem(message: string): void
}

type Pending = { -readonly [Key in keyof Asked]: Asked[Key] } & {
  readonly number: number
  readonly since: number
  readonly onAnswer: (error: string | undefined) => void
}

/** The kernel thread's line to the keeper: finds it or starts it, asks it, holds things in it. */
export class KeeperLink {
  readonly #program: KeeperProgram
  readonly #events: LinkEvents
  readonly #pending = new Map<number, Pending>()
  /** What it has to hold; the descriptors are their owners'. */
  readonly #held = new Map<string, readonly number[]>()
  /** What one that was found has held so far. */
  readonly #inherited = new Map<string, readonly number[]>()
  #connection: Connection | undefined
  #process: KeeperProcess | undefined
  /** Of a keeper that was started and hasn't said a word yet. */
  #greeting: Asked | undefined
  /** It is this link that has started it. */
  #isStarted = false
  /** The socket is systemd's, which starts a keeper for who connects. */
  #isActivated = false
  #lastNumber = 0
  #heardAt = 0

  constructor(program: KeeperProgram, events: LinkEvents) {
    this.#program = program
    this.#events = events
    const path = socketOf(program)
    if (Buffer.byteLength(path) > MOST_PATH_BYTES) throw tooLong(path)
    this.#open()
  }

  /** false: whatever is asked isn't answered. */
  get isUp(): boolean {
    return this.#connection?.isOpen === true
  }

  /** Whether something has no answer yet. */
  get owes(): boolean {
    return this.#pending.size > 0
  }

  /** Asks, with duplicates of descriptors; the answer comes later. */
  ask(
    question: Unnumbered<KeeperRequest>,
    descriptors: readonly number[] = [],
    onAnswer: (error: string | undefined) => void = () => {},
  ): Asked {
    this.#lastNumber += 1
    const number = this.#lastNumber
    const since = performance.now()
    const pending: Pending = { number, since, isAnswered: false, error: undefined, onAnswer }
    if (!this.isUp) return pending
    this.#pending.set(number, pending)
    this.#connection!.send({ ...question, number } as KeeperRequest, descriptors)
    this.#noticeLoss()
    return pending
  }

  /** Waits for an answer; false: there is none in time. */
  answered(asked: Asked, timeoutMs: number): boolean {
    const deadline = performance.now() + timeoutMs
    while (!asked.isAnswered && this.#receive(deadline)) {}
    return asked.isAnswered
  }

  /** Takes the answers that have come. */
  drain(): void {
    while (this.#receive(0)) {}
  }

  /** Returns when it is known what the keeper keeps; a new one gets some time, once. */
  ready(): void {
    if (this.#greeting === undefined) return
    this.answered(this.#greeting, STARTED_MS)
    this.#greeting = undefined
  }

  /** Has the keeper hold these descriptors under that label, and no others; the next one, too. */
  hold(label: string, descriptors: readonly number[]): void {
    if (descriptors.length === 0) this.#held.delete(label)
    else this.#held.set(label, descriptors)
    this.#tellHold(label, descriptors)
  }

  /** What was held for the engine before, under labels that begin so. They are the caller's now. */
  takeInherited(
    label: string,
  ): readonly (readonly [label: string, descriptors: readonly number[]])[] {
    const taken = [...this.#inherited].filter(([name]) => name.startsWith(label))
    for (const [name] of taken) this.#inherited.delete(name)
    return taken
  }

  /** Closes what has not been taken. */
  closeInherited(): void {
    for (const fds of this.#inherited.values()) for (const fd of fds) close(fd)
    this.#inherited.clear()
  }

  /** A keeper that hangs is killed, and lost then. */
  endIfHung(): void {
    const [oldest] = this.#pending.values()
    if (oldest === undefined || !this.isUp) return
    // The first is hello.
    const patience = oldest.number === 1 ? HUNG_AT_FIRST_MS : HUNG_MS
    const since = Math.max(oldest.since, this.#heardAt)
    if (performance.now() - since < patience || this.answered(oldest, LAST_CHANCE_MS)) return
    this.#events.onProblem(`the keeper has not answered for ${patience / 1000} s: it is replaced`)
    if (this.#process === undefined) killKeepersOf(this.#program)
    else this.#process.kill()
    this.#connection!.close()
    this.#noticeLoss()
  }

  /** When the keeper is lost: finds or starts another. Throws if that one ends at once. */
  restore(): void {
    // One that is killed doesn't lose all its connections at once: this may be the last.
    this.answered(this.ask({ op: 'change', remove: [], add: [] }), FOUND_MS)
    if (this.isUp) return
    this.#open()
    this.closeInherited()
    for (const [label, descriptors] of this.#held) this.#tellHold(label, descriptors)
    this.ready()
    this.drain()
    if (this.isUp) return
    const message = lastWords(this.#program) || 'it has ended'
    throw new KernelError('execve', 'ECONNRESET', { target: this.#program.program, message })
  }

  /**
   * Ends the keeper, if it doesn't have to stay. `isUnused`: it has been given nothing, so that one which
   * was started here has nothing to stay for.
   */
  async end(isUnused: boolean): Promise<void> {
    // It may listen to another engine by now.
    this.drain()
    const connection = this.#connection
    const stays = this.#program.stay === true && !(isUnused && this.#isStarted)
    if (stays || !this.isUp) {
      connection?.close()
      this.#process?.forget()
      return
    }
    // Before its first word there is nothing it would have to put in order.
    if (this.#greeting?.isAnswered === false) this.#process?.kill()
    else connection!.send({ op: 'end', number: this.#lastNumber + 1 })
    if (this.#process === undefined) connection!.waitForEnd(performance.now() + END_MS)
    await this.#process?.ended(END_MS)
    connection!.close()
    if (!this.#isActivated) rmSync(socketOf(this.#program), { force: true })
    const log = logOf(this.#program)
    if (statSync(log, { throwIfNoEntry: false })?.size === 0) rmSync(log, { force: true })
  }

  #open(): void {
    this.#pending.clear()
    this.#lastNumber = 0
    this.#greeting = undefined
    this.#process?.forget()
    this.#process = undefined
    if (this.#find()) return
    // One that had to be ended has a successor soon.
    if (this.#isActivated && this.#find()) return
    this.#start()
  }

  /** false: there is none, or one that doesn't answer, which is ended. Errors: NEWER_VERSION. */
  #find(): boolean {
    this.#isStarted = false
    this.#isActivated = false
    const deadline = performance.now() + FOUND_MS
    const fd = this.#connect()
    if (fd === undefined) return false
    this.#isActivated = isActivated(fd)
    const connection = new Connection(fd)
    this.#lastNumber = 1
    connection.send({ op: 'hello', number: 1, version: KEEPER_VERSION })
    // One that systemd has to start first takes longer.
    const reply = connection.receive(deadline + (this.#isActivated ? STARTED_MS : 0))
    if (reply === undefined || 'error' in reply) {
      if (reply !== undefined) connection.send({ op: 'end', number: 2 })
      const hasEnded = connection.waitForEnd(performance.now() + (reply ? END_MS : 0))
      connection.close()
      // Or the tables would never be another's.
      if (!hasEnded) killKeepersOf(this.#program)
      return false
    }
    if (reply.version !== KEEPER_VERSION) {
      connection.close()
      const path = socketOf(this.#program)
      throw newerVersion(`the keeper at ${path}`, reply.version ?? 0, KEEPER_VERSION)
    }
    for (const { label, count } of reply.held ?? []) {
      this.#inherited.set(label, connection.takeDescriptors(count))
    }
    this.#connection = connection
    this.#process = reply.pid === undefined ? undefined : foundKeeper(reply.pid)
    this.#events.onGreeting(reply.resources ?? [])
    return true
  }

  /** undefined: there is none, or one that takes no connections, which is ended. */
  #connect(): number | undefined {
    try {
      return connectUnix(socketOf(this.#program), FOUND_MS)
    } catch (error) {
      if (isKernelError(error, 'EAGAIN')) killKeepersOf(this.#program)
      else if (!isKernelError(error, 'ENOENT') && !isKernelError(error, 'ECONNREFUSED')) throw error
      return undefined
    }
  }

  /** Doesn't wait for it: what is said waits in its socket. */
  #start(): void {
    const path = socketOf(this.#program)
    this.#isStarted = true
    this.#isActivated = false
    mkdirSync(this.#program.folder, { recursive: true, mode: 0o755 })
    rmSync(path, { force: true })
    const listening = listenUnix(path)
    try {
      this.#process = startKeeper(this.#program, listening)
      this.#connection = new Connection(connectUnix(path, STARTED_MS))
    } finally {
      close(listening)
    }
    this.#greeting = this.ask({ op: 'hello', version: KEEPER_VERSION }, [], (error) => {
      if (error !== undefined) this.#connection?.close()
    })
    this.#events.onGreeting([])
  }

  #tellHold(label: string, descriptors: readonly number[]): void {
    this.ask({ op: 'hold', label }, descriptors, (error) => {
      if (error !== undefined) this.#events.onProblem(`the keeper can't hold ${label}: ${error}`)
    })
  }

  /** false: nothing came before the deadline. */
  #receive(deadline: number): boolean {
    const reply = this.isUp ? this.#connection!.receive(deadline) : undefined
    if (reply !== undefined) this.#take(reply)
    this.#noticeLoss()
    return reply !== undefined
  }

  #take(reply: KeeperReply): void {
    const pending = this.#pending.get(reply.number)
    if (pending === undefined) return
    this.#pending.delete(reply.number)
    this.#heardAt = performance.now()
    pending.isAnswered = true
    pending.error = 'error' in reply ? reply.error : undefined
    pending.onAnswer(pending.error)
  }

  #noticeLoss(): void {
    if (this.#connection === undefined || this.isUp) return
    this.#connection = undefined
    this.#pending.clear()
    this.#events.onLoss()
  }
}

/** Who listens there is process 1, or one outside. */
function isActivated(fd: number): boolean {
  const { pid } = peerCredentials(fd)
  return pid <= 1 && pid !== process.pid
}

function tooLong(path: string): CnmError {
  return new CnmError('INVALID_ARGUMENT', `${path} is too long for a socket's path`, {
    details: { path },
    hint: `choose a folder whose path is shorter: ${MOST_PATH_BYTES} bytes are possible`,
  })
}
