import type { Worker } from 'node:worker_threads'
import { CnmError } from '../../../base/errors.ts'

/**
 * Calls back once, when that thread has ended and the caller didn't want it to: by an exception, or without one
 * (`exit` alone comes, when something in it or in this process has ended it).
 */
export function onWorkerDeath(
  worker: Worker,
  { what, wanted }: { readonly what: string; wanted(): boolean },
  tell: (death: CnmError) => void,
): void {
  let isOver = false
  const end = (reason: string, cause?: unknown) => {
    if (isOver) return
    isOver = true
    if (!wanted()) tell(threadDeath(what, reason, cause))
  }
  worker.on('error', (error: unknown) => {
    end(error instanceof Error ? error.message : String(error), error)
  })
  worker.on('exit', (code) => end(`it has ended with status ${code}`))
}

function threadDeath(what: string, reason: string, cause: unknown): CnmError {
  return new CnmError('CLOSED', `${what} has died: ${reason}`, {
    hint: 'start the engine again: sandboxes, their ports and names go on, and the next one takes them over',
    ...(cause === undefined ? {} : { cause }),
  })
}
