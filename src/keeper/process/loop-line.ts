import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads'
import { eventfd, raiseEvent } from '../../kernel/linux/service/index.ts'
import {
  LOOP_IS_OVER,
  type LoopOptions,
  type LoopOrder,
  type LoopReport,
} from './control/messages.ts'

/** The main thread's line to the loop, which it starts. */
export class LoopLine {
  readonly #port: MessagePort
  readonly #wakeFd = eventfd()
  readonly #taken = new Int32Array(new SharedArrayBuffer(4))
  readonly #onReport: (report: LoopReport) => void

  /** `onExit`: the loop is over; an error, if it wasn't meant to be. */
  constructor(
    options: Pick<LoopOptions, 'listenFd' | 'socket' | 'stays'>,
    onReport: (report: LoopReport) => void,
    onExit: (error: Error | undefined) => void,
  ) {
    const { port1, port2 } = new MessageChannel()
    this.#port = port1
    this.#onReport = onReport
    const own = { port: port2, wakeFd: this.#wakeFd, taken: this.#taken }
    const workerData: LoopOptions = { ...options, ...own }
    const worker = new Worker(new URL('./loop-worker.js', import.meta.url), {
      workerData,
      transferList: [port2],
      execArgv: [],
      name: 'cnm resolver',
    })
    worker.on('error', onExit)
    worker.on('exit', (code) => {
      onExit(
        code === LOOP_IS_OVER ? undefined : new Error(`its thread has ended with status ${code}`),
      )
    })
    port1.on('message', onReport)
  }

  send(order: LoopOrder): void {
    this.#port.postMessage(order)
    raiseEvent(this.#wakeFd)
  }

  /** A forwarded query is on its way, or answered: there is room for another one. */
  takeForwarded(): void {
    Atomics.add(this.#taken, 0, 1)
  }

  /** Hears what the loop has said so far: nothing that is done next may be older than that. */
  drain(): void {
    for (;;) {
      const received = receiveMessageOnPort(this.#port)
      if (received === undefined) return
      this.#onReport(received.message as LoopReport)
    }
  }
}
