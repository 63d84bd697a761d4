import type { ExtendedError } from '../../../dns/answer/reply-writer.ts'
import { ExtendedCode } from '../../../dns/message/message.ts'
import type { UpstreamAnswer } from '../../../dns/upstream/upstream-answer.ts'
import type { UpstreamQuestion } from '../../../dns/upstream/upstream-query.ts'
import type { Server } from './server.ts'
import { type AskSupport, ServerAsk, type ServerFailure } from './server-ask.ts'
import { inOrder } from './servers.ts'

/** The upstream's NOERROR or NXDOMAIN, or why there is none. */
export type LookupResult = UpstreamAnswer | ExtendedError

interface LookupEvents {
  /** Once. */
  onResult(result: LookupResult): void
  /** Once, after that: all its sockets are closed. */
  onEnd(): void
}

/** glibc waits for 5 s. */
const DEADLINE_MS = 4000
/** Where all are dead, and one may be back. */
const DEAD_DEADLINE_MS = 1500
/** Late answers tell whether a server is slow or dead. */
const LINGER_MS = 1000
/** More than the three that glibc and Docker know: the next one is asked when those before are all late. */
const MOST_SERVERS = 6

/**
 * Asks servers until one of them knows: the healthiest first, and the next one as soon as that is late, or
 * can't. None has to be waited for because another one is dead.
 */
export class Lookup {
  readonly startedAt: number
  readonly #question: UpstreamQuestion
  readonly #support: AskSupport
  readonly #events: LookupEvents
  /** Not asked yet. */
  readonly #left: Server[]
  /** Dead ones that may be back: asked beside the others. */
  readonly #tried: readonly Server[]
  readonly #asks = new Set<ServerAsk>()
  readonly #failures = new Map<Server, ServerFailure>()
  #hedge: NodeJS.Timeout | undefined
  #deadline: NodeJS.Timeout | undefined
  #hasResult = false
  #hasEnded = false

  /** At least one server. */
  constructor(
    servers: readonly Server[],
    question: UpstreamQuestion,
    support: AskSupport,
    events: LookupEvents,
  ) {
    this.startedAt = support.now()
    this.#question = question
    this.#support = support
    this.#events = events
    const ordered = inOrder(servers, this.startedAt)
    this.#tried = ordered.filter((server) => server.takeTry(this.startedAt))
    this.#left = [...new Set([...ordered.slice(0, MOST_SERVERS), ...this.#tried])]
  }

  start(): void {
    const allDead = this.#left.every(({ isDead }) => isDead)
    this.#deadline = setTimeout(
      () => this.#giveUp(),
      allDead ? DEAD_DEADLINE_MS : DEADLINE_MS,
    ).unref()
    this.#askNext()
    for (const server of this.#tried) this.#ask(server)
  }

  /** Closes its sockets at once, and nothing is told any more. */
  close(): void {
    this.#hasResult = true
    this.#hasEnded = true
    clearTimeout(this.#hedge)
    clearTimeout(this.#deadline)
    for (const ask of this.#asks) ask.close()
    this.#asks.clear()
  }

  #askNext(): void {
    clearTimeout(this.#hedge)
    const server = this.#left[0]
    if (server === undefined) return
    const waitMs = server.isDead ? 0 : server.hedgeMs
    this.#hedge = setTimeout(() => this.#askNext(), waitMs).unref()
    this.#ask(server)
  }

  #ask(server: Server): void {
    const index = this.#left.indexOf(server)
    if (index < 0 || this.#hasResult) return
    this.#left.splice(index, 1)
    const ask = new ServerAsk(server, this.#question, this.#support, {
      onAnswer: (answer) => this.#onAnswer(ask, answer),
      onFailure: (failure) => this.#onFailure(ask, failure),
    })
    this.#asks.add(ask)
    ask.start()
  }

  #onAnswer(ask: ServerAsk, answer: UpstreamAnswer): void {
    this.#asks.delete(ask)
    if (!this.#hasResult) {
      const now = this.#support.now()
      for (const { server, askedAt } of this.#asks) {
        if (now - askedAt >= server.hedgeMs) server.overtaken(now, askedAt)
      }
      this.#result(answer)
    }
    this.#endIfIdle()
  }

  #onFailure(ask: ServerAsk, failure: ServerFailure): void {
    this.#asks.delete(ask)
    this.#failures.set(ask.server, failure)
    if (!this.#hasResult) {
      if (this.#left.length > 0) this.#askNext()
      else if (this.#asks.size === 0) this.#result(this.#failure())
    }
    this.#endIfIdle()
  }

  /** Those that are still asked may go on for a while. */
  #result(result: LookupResult): void {
    this.#hasResult = true
    clearTimeout(this.#hedge)
    clearTimeout(this.#deadline)
    for (const ask of this.#asks) ask.rest()
    this.#deadline = setTimeout(() => this.#giveUp(), LINGER_MS).unref()
    this.#events.onResult(result)
  }

  #giveUp(): void {
    const now = this.#support.now()
    for (const ask of this.#asks) {
      ask.server.silent(now, ask.askedAt)
      this.#failures.set(ask.server, { text: `${ask.server.name} didn't answer` })
      ask.close()
    }
    this.#asks.clear()
    if (!this.#hasResult) this.#result(this.#failure())
    this.#endIfIdle()
  }

  #endIfIdle(): void {
    if (!this.#hasResult || this.#asks.size > 0 || this.#hasEnded) return
    this.close()
    this.#events.onEnd()
  }

  /** What an upstream says of it itself is worth more than what we can. */
  #failure(): ExtendedError {
    const failures = [...this.#failures.values()]
    const [told] = failures.flatMap(({ answer }) => answer?.extended ?? [])
    if (told !== undefined) return told
    const noNetwork = failures.every(({ network }) => network === true)
    return {
      code: noNetwork ? ExtendedCode.NETWORK_ERROR : ExtendedCode.NO_REACHABLE_AUTHORITY,
      text: failures.map(({ text }) => text).join('; '),
    }
  }
}
