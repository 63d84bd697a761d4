// Knows the threads of its process, and ends one as a defect in it would. As a preloaded module it does so
// on SIGUSR2: CNM_TEST_THREAD names the thread and the way.
import { writeSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import threads from 'node:worker_threads'

const known = new Map()

threads.Worker = class extends threads.Worker {
  constructor(url, options) {
    super(url, options)
    known.set(options?.name, { worker: this, wakeFd: options?.workerData?.wakeFd })
  }
}
syncBuiltinESMExports()

/** What they can't read. */
const poison = { 'cnm kernel': null, 'cnm background': { type: 'delete' } }

/** `way`: `throw` (an exception that isn't caught), or `exit` (no exception). Throws if there is no such thread. */
export function endThread(name, way) {
  const { worker, wakeFd } = known.get(name)
  if (way === 'exit') worker.terminate()
  else worker.postMessage(poison[name])
  // It sleeps in the kernel.
  if (wakeFd !== undefined) writeSync(wakeFd, new BigUint64Array([1n]))
}

process.on('SIGUSR2', () => {
  const [name, way] = process.env.CNM_TEST_THREAD.split(':')
  if (known.has(name)) endThread(name, way)
})
