import { workerData } from 'node:worker_threads'
import { Loop } from './loop.ts'
import type { LoopOptions } from './messages.ts'

new Loop(workerData as LoopOptions).run()
