import { answer, DROPPED, FORWARD, lastAnswer } from '../../../dns/answer/answer.ts'
import { Code, emptyReply } from '../../../dns/message/message.ts'
import type { View } from '../../../dns/view/names.ts'
import type { AnswerSource } from '../../../kernel/kernel.ts'
import { now } from '../control/messages.ts'
import type { Forwarder } from '../forward/forwarder.ts'
import type { Counting } from './counting.ts'
import type { QueryLog } from './query-log.ts'
import type { Tally } from './tally.ts'

const MOST_BYTES = 65_535

/** Who asks at a resolver's or a zone's sockets. */
export interface SlowEndpoint {
  readonly id: number
  /** Of a zone: undefined. */
  readonly sandbox: string | undefined
  readonly udp: number
  readonly tally: Tally
  /** undefined: it is gone. */
  view(): View | undefined
}

type Transport = 'udp' | 'tcp'

interface Answered {
  readonly answer: Buffer
  readonly source: AnswerSource
  readonly code: number
}

/** Answers what the loop doesn't: what others have to be asked, and whatever comes over TCP. */
export class SlowAnswers {
  readonly #forwarder: Forwarder
  readonly #counting: Counting
  readonly #log: QueryLog
  readonly #room = Buffer.alloc(MOST_BYTES)
  /** Whether a client wants to be told each query. */
  logs = false

  constructor(forwarder: Forwarder, counting: Counting, log: QueryLog) {
    this.#forwarder = forwarder
    this.#counting = counting
    this.#log = log
  }

  /** undefined: it was no query. */
  answerTcp(endpoint: SlowEndpoint, query: Buffer): Buffer | undefined | Promise<Buffer> {
    const since = now()
    const view = endpoint.view()
    if (view === undefined || query.length > MOST_BYTES) return undefined
    query.copy(this.#room)
    const length = answer(view, this.#room, 0, query.length, MOST_BYTES, 'tcp')
    if (length === DROPPED) return undefined
    if (length === FORWARD) return this.forward(endpoint, query, 'tcp', since)
    endpoint.tally.asked += 1
    const answered = Buffer.from(this.#room.subarray(0, length))
    this.#count(endpoint, { answer: answered, ...lastAnswer }, 'tcp', since)
    return answered
  }

  /** Has others asked. It never fails. `since`: when the query came. */
  async forward(
    endpoint: SlowEndpoint,
    query: Buffer,
    transport: Transport,
    since: number,
  ): Promise<Buffer> {
    // By the thread that counts the answer: so there are never more answers than questions.
    endpoint.tally.asked += 1
    const answered = await this.#ask(endpoint, query, transport)
    this.#count(endpoint, answered, transport, since)
    return answered.answer
  }

  async #ask(endpoint: SlowEndpoint, query: Buffer, transport: Transport): Promise<Answered> {
    const upstreams = endpoint.view()?.upstreams
    const { sandbox, udp: beside } = endpoint
    // Since it was asked, they may have been taken away.
    if (sandbox === undefined || upstreams === undefined || upstreams.from === 'none') {
      const code = Code.REFUSED
      return { answer: emptyReply(query, code), source: 'refused', code }
    }
    return this.#forwarder.ask(query, { sandbox, transport, upstreams, beside })
  }

  #count(endpoint: SlowEndpoint, answered: Answered, transport: Transport, since: number): void {
    const { sandbox, tally, id } = endpoint
    if (sandbox === undefined) return
    const { answer: message, source, code } = answered
    const durationMs = Math.max(0, now() - since)
    tally.answered[source] += 1
    tally.took(durationMs, 1)
    this.#counting.changed(id)
    if (this.logs) this.#log.add({ sandbox, message, source, code, durationMs, transport })
  }
}
