import { Worker } from 'node:worker_threads'
import type { CnmError } from '../../../base/errors.ts'
import type { Command } from '../../kernel.ts'
import type { NamespaceRef } from '../../resource.ts'
import type { Ended } from '../thread/operations.ts'
import { fromWire, type WireError } from '../thread/wire-error.ts'
import { onWorkerDeath } from '../thread/worker-end.ts'

/** A program that has this process's own 0, 1 and 2. */
export interface StartedProgram {
  readonly pid: number
  /** Rejects only if the thread that waits for it dies first. */
  readonly ended: Promise<Ended>
  kill(signal: NodeJS.Signals): void
}

export interface ProgramRequest {
  readonly namespace: NamespaceRef | undefined
  readonly command: Omit<Command, 'stdio'>
}

export type ProgramReply =
  | { readonly pid: number }
  | { readonly ended: Ended }
  | { readonly error: WireError }

/**
 * Starts one program inside a namespace, as a child of this process, without an engine. The thread it is
 * started from is one of its own: a process that asks meanwhile where this one is (`/proc/PID/ns/net`) is told
 * of its main thread, which never goes anywhere. It is there from the beginning, so that no caller waits for
 * it later.
 */
export class ProgramThread {
  readonly #worker = new Worker(new URL('./program-worker.js', import.meta.url), {
    execArgv: [],
    name: 'cnm program',
  })
  readonly #death: Promise<CnmError>
  #isClosed = false

  constructor() {
    this.#worker.unref()
    const what = 'the thread that starts programs'
    this.#death = new Promise((resolve) => {
      onWorkerDeath(this.#worker, { what, wanted: () => this.#isClosed }, resolve)
    })
  }

  /**
   * Absent: where this process is. To be called once. Equivalent to: `nsenter --net=PATH PROGRAM`.
   *
   * Errors: NAMESPACE_NOT_FOUND, MISSING_CAPABILITY, and those of `Kernel.spawn`.
   */
  start(
    namespace: NamespaceRef | undefined,
    command: Omit<Command, 'stdio'>,
  ): Promise<StartedProgram> {
    const worker = this.#worker
    worker.ref()
    return new Promise((resolve, reject) => {
      let tell: (ended: Ended) => void = () => {}
      let fail: (death: CnmError) => void = () => {}
      const ended = new Promise<Ended>((told, failed) => {
        tell = told
        fail = failed
      })
      // It need not be listened to.
      ended.catch(() => {})
      const kill = (signal: NodeJS.Signals) => worker.postMessage(signal)
      worker.on('message', (reply: ProgramReply) => {
        if ('pid' in reply) resolve({ pid: reply.pid, ended, kill })
        else if ('ended' in reply) tell(reply.ended)
        else reject(fromWire(reply.error))
      })
      void this.#death.then((death) => {
        reject(death)
        fail(death)
      })
      const request: ProgramRequest = { namespace, command }
      worker.postMessage(request)
    })
  }

  /** Ends the thread; a program that is still running goes on. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#worker.terminate()
  }
}
