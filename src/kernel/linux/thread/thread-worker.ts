import { writeFileSync } from 'node:fs'
import { parentPort } from 'node:worker_threads'
import { KernelWorker } from './kernel-worker.ts'
import type { Ended, Operations, Reply, Request, ThreadOptions } from './operations.ts'
import { toWire } from './wire-error.ts'

/** The kernel thread's entry: is told what it is to be, then takes requests one by one, answers each. */

/** So `nft` names the owner of our tables, and `nft monitor` who has changed them. */
const THREAD_NAME = 'cnm-kernel'

const port = parentPort!

function reply(message: Reply): void {
  port.postMessage(message)
}

function start(options: ThreadOptions): void {
  let worker: KernelWorker
  try {
    writeFileSync('/proc/thread-self/comm', THREAD_NAME)
    const onEnd = (program: number, ended: Ended) => reply({ program, ended })
    worker = new KernelWorker(options, onEnd, (problem) => reply({ problem }))
    reply({ id: 0, value: worker.ready() })
  } catch (error) {
    reply({ id: 0, error: toWire(error) })
    return
  }
  port.on('message', (request: Request | undefined) => {
    if (request === undefined) {
      // Programs that are still running must not keep this thread.
      void worker.close().finally(() => process.exit())
      return
    }
    answer(worker, request)
    setImmediate(() => worker.prepare())
  })
}

function answer(worker: Operations, { id, name, args }: Request): void {
  try {
    const result = (worker[name] as (...args: readonly unknown[]) => unknown)(...args)
    if (result instanceof Promise) {
      result.then(
        (value) => reply({ id, value }),
        (error) => reply({ id, error: toWire(error) }),
      )
    } else reply({ id, value: result })
  } catch (error) {
    reply({ id, error: toWire(error) })
  }
}

port.once('message', start)
