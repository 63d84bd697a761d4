import { workerData } from 'node:worker_threads'
import { Loop } from './loop.ts'
import { LOOP_IS_OVER, type LoopOptions } from './messages.ts'

new Loop(workerData as LoopOptions).run()
process.exit(LOOP_IS_OVER)
