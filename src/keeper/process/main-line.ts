import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads'
import { clearEvent, close } from '../../kernel/linux/service/index.ts'
import type { LoopOptions, LoopOrder, LoopReport } from './control/messages.ts'
import type { Difference } from './kept.ts'
import type { Answering, ResolverEndpoint } from './resolver/answering.ts'
import type { QueryLog } from './resolver/query-log.ts'

const TALLIES_EVERY_MS = 250
const LOG_EVERY_MS = 50

interface Ending {
  readonly sockets: readonly number[]
  onDone(): void
}

/** The loop's line to the main thread. */
export class MainLine {
  readonly #port: MessagePort
  readonly #wakeFd: number
  /** Sockets that main may still use, by the token it will let go of them with. */
  readonly #endings = new Map<number, Ending>()
  #ended: Ending[] = []
  #lastToken = 0
  #talliesAt = 0
  #logAt = 0

  constructor({ port, wakeFd }: LoopOptions) {
    this.#port = port
    this.#wakeFd = wakeFd
  }

  report(report: LoopReport): void {
    this.#port.postMessage(report)
  }

  /** Makes a difference known to main. `onDone`: when nothing of what was closed is used any more. */
  change(difference: Difference, gone: readonly string[], onDone: () => void): void {
    const { remove, add, opened, closed, relays } = difference
    const isEnding = closed.length > 0 || relays.length > 0
    if (isEnding) {
      this.#lastToken += 1
      this.#endings.set(this.#lastToken, { sockets: closed.flatMap(socketsOf), onDone })
    }
    this.report({
      type: 'change',
      token: isEnding ? this.#lastToken : undefined,
      remove,
      add,
      close: closed.map(({ id }) => id),
      open: opened.map(({ endpoint: { id, udp }, resource }) => ({ id, resource, udp })),
      relays,
      gone,
    })
    if (!isEnding) onDone()
  }

  /** What main has said since last time. */
  *orders(): Generator<LoopOrder> {
    clearEvent(this.#wakeFd)
    for (;;) {
      const received = receiveMessageOnPort(this.#port)
      if (received === undefined) return
      yield received.message as LoopOrder
    }
  }

  /** Main doesn't use these any more. */
  done(token: number): void {
    const ending = this.#endings.get(token)
    this.#endings.delete(token)
    if (ending !== undefined) this.#ended.push(ending)
  }

  /**
   * Closes what is used no more. When nothing looks at what epoll has told: the numbers of descriptors
   * may mean others afterwards.
   */
  finish(): void {
    for (const { sockets, onDone } of this.#ended.splice(0)) {
      for (const fd of sockets) close(fd)
      onDone()
    }
  }

  /**
   * Tells what has been asked, if it is time to. Answers in how many milliseconds it will be; -1: there
   * is nothing to tell.
   */
  step(answering: Answering, log: QueryLog): number {
    const hasLog = !log.isEmpty
    if (!answering.isBusy && !hasLog) return -1
    const time = performance.now()
    if (hasLog && time >= this.#logAt) {
      this.#logAt = time + LOG_EVERY_MS
      this.report({ type: 'queries', queries: log.take() })
    }
    if (answering.isBusy && time >= this.#talliesAt) {
      this.#talliesAt = time + TALLIES_EVERY_MS
      const tallies = answering.takeBusy().map(({ id, tally }) => [id, tally.numbers()] as const)
      this.report({ type: 'tallies', tallies })
    }
    const nextLog = log.isEmpty ? Number.POSITIVE_INFINITY : this.#logAt
    const nextTallies = answering.isBusy ? this.#talliesAt : Number.POSITIVE_INFINITY
    const next = Math.min(nextLog, nextTallies)
    return next === Number.POSITIVE_INFINITY ? -1 : Math.ceil(next - time)
  }
}

/** Those that the loop closes. */
function socketsOf({ udp, tcp }: ResolverEndpoint): readonly number[] {
  return tcp === undefined ? [udp] : [udp, tcp]
}
