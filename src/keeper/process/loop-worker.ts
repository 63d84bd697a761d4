import { workerData } from 'node:worker_threads'
import { LOOP_IS_OVER, type LoopOptions } from './control/messages.ts'
import { Loop } from './loop.ts'

new Loop(workerData as LoopOptions).run()
process.exit(LOOP_IS_OVER)
