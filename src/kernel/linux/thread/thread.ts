/**
 * The kernel thread, from both ends: the Worker's own code (thread-worker, kernel-worker), what it can be asked
 * (operations), and how errors cross over (wire-error).
 */

import { Worker } from 'node:worker_threads'
import type { CnmError } from '../../../base/errors.ts'
import type { Command } from '../../kernel.ts'
import type { NamespaceRef } from '../../resource.ts'
import type {
  Ended,
  Operations,
  Ready,
  Reply,
  Request,
  SpawnedProgram,
  ThreadOptions,
} from './operations.ts'
import { fromWire } from './wire-error.ts'
import { onWorkerDeath } from './worker-end.ts'

interface Pending<T> {
  resolve(value: T): void
  reject(error: Error): void
}

interface ThreadEvents {
  /** What went wrong there that is no answer to anything. */
  onProblem(message: string): void
  /** It has ended without having been closed; a caller that waits for it is refused after that. */
  onDeath(death: CnmError): void
}

let prepared: KernelThread | undefined

/**
 * The kernel thread, seen from the main one: a Worker that owns all netlink sockets and does every
 * setns. Operations run there one after the other. It keeps the program alive only while it owes an
 * answer or something it started is running.
 */
export class KernelThread {
  readonly #worker: Worker
  readonly #answers = new Map<number, Pending<unknown>>()
  readonly #programs = new Map<number, Pending<Ended>>()
  readonly #over: Promise<void>
  #tell: ThreadEvents = { onProblem: () => {}, onDeath: () => {} }
  #lastId = 0
  #closed: CnmError | undefined

  private constructor() {
    const url = new URL('./thread-worker.js', import.meta.url)
    const worker = new Worker(url, { execArgv: [], name: 'cnm kernel' })
    this.#worker = worker
    worker.on('message', (reply: Reply) => this.#receive(reply))
    const wanted = () => this.#closed !== undefined
    onWorkerDeath(worker, { what: 'the kernel thread', wanted }, (death) => {
      this.#closed = death
      this.#tell.onDeath(death)
    })
    this.#over = new Promise((resolve) => {
      worker.on('exit', () => {
        this.#refuse()
        resolve()
      })
    })
    this.#holdWhileBusy()
  }

  /** The next thread that is started loads its code from now on. It keeps no program alive by that. */
  static prepare(): void {
    prepared ??= new KernelThread()
  }

  /** Resolves when the thread is in its namespace, with what it found there. */
  static async start(
    options: ThreadOptions,
    tell: ThreadEvents,
  ): Promise<{ readonly thread: KernelThread; readonly ready: Ready }> {
    const thread = prepared ?? new KernelThread()
    prepared = undefined
    thread.#tell = tell
    const ready = await thread.#send<Ready>(0, options)
    return { thread, ready }
  }

  async call<Name extends keyof Operations>(
    name: Name,
    ...args: Parameters<Operations[Name]>
  ): Promise<Awaited<ReturnType<Operations[Name]>>> {
    this.#lastId += 1
    const request: Request = { id: this.#lastId, name, args }
    return this.#send<Awaited<ReturnType<Operations[Name]>>>(request.id, request)
  }

  /** `ended` rejects only if the thread ends first. */
  async spawn(
    namespace: NamespaceRef | undefined,
    command: Command,
  ): Promise<SpawnedProgram & { readonly program: number; readonly ended: Promise<Ended> }> {
    const program = this.#lastId + 1
    const ended = new Promise<Ended>((resolve, reject) => {
      this.#programs.set(program, { resolve, reject })
    })
    // It need not be listened to.
    ended.catch(() => {})
    try {
      return { ...(await this.call('spawn', program, namespace, command)), program, ended }
    } catch (error) {
      this.#programs.delete(program)
      this.#holdWhileBusy()
      throw error
    }
  }

  /** What was asked before is still answered, and whatever else is refused. Programs go on running. Idempotent. */
  async close(reason: CnmError): Promise<void> {
    if (this.#closed === undefined) {
      this.#closed = reason
      this.#worker.ref()
      this.#worker.postMessage(undefined)
    }
    await this.#over
  }

  /** Resolves with the answer of that number. */
  async #send<T>(id: number, message: Request | ThreadOptions): Promise<T> {
    if (this.#closed !== undefined) throw this.#closed
    this.#worker.postMessage(message)
    return new Promise<T>((resolve, reject) => {
      this.#answers.set(id, { resolve: resolve as (value: unknown) => void, reject })
      this.#holdWhileBusy()
    })
  }

  #receive(reply: Reply): void {
    if ('problem' in reply) this.#tell.onProblem(reply.problem)
    else if ('program' in reply) {
      this.#programs.get(reply.program)?.resolve(reply.ended)
      this.#programs.delete(reply.program)
    } else {
      const answer = this.#answers.get(reply.id)
      this.#answers.delete(reply.id)
      if ('error' in reply) answer?.reject(fromWire(reply.error))
      else answer?.resolve(reply.value)
    }
    this.#holdWhileBusy()
  }

  #holdWhileBusy(): void {
    if (this.#answers.size + this.#programs.size > 0) this.#worker.ref()
    else if (this.#closed === undefined) this.#worker.unref()
  }

  /** Nothing is answered any more. */
  #refuse(): void {
    for (const map of [this.#answers, this.#programs]) {
      for (const { reject } of map.values()) reject(this.#closed!)
      map.clear()
    }
  }
}
