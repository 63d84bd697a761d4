import { answer, FORWARD, lastAnswer, refuse } from '../../../dns/answer/answer.ts'
import type { View } from '../../../dns/view/names.ts'
import type { AnswerSource } from '../../../kernel/kernel.ts'
import { DatagramSlots } from '../../../kernel/linux/service/index.ts'
import type { Backlog } from '../control/backlog.ts'
import { type EndpointSockets, type ForwardedQuery, now } from '../control/messages.ts'
import { TOO_MANY } from '../forward/forwarded.ts'
import type { QueryLog } from './query-log.ts'
import { Tally } from './tally.ts'

const SLOTS = 64
/** The longest answer over UDP that a client may ask for. */
const SLOT_BYTES = 4096
/** So often in a row one socket is read before others have their turn. */
const MOST_BATCHES = 4

/** Who asks at a pair of sockets, and what may be answered there. */
export class ResolverEndpoint {
  readonly id: number
  readonly udp: number
  /** undefined: it is main's by now. */
  tcp: number | undefined
  /** Of a zone: undefined. */
  readonly sandbox: string | undefined
  readonly tally = new Tally()
  view: View

  constructor(id: number, { udp, tcp }: EndpointSockets, sandbox: string | undefined, view: View) {
    this.id = id
    this.udp = udp
    this.tcp = tcp
    this.sandbox = sandbox
    this.view = view
  }
}

interface Answered {
  readonly slot: number
  readonly length: number
  readonly source: AnswerSource
  readonly code: number
}

/** Answers what is asked over UDP, as far as that can be done from what is known here. */
export class Answering {
  readonly #log: QueryLog
  readonly #backlog: Backlog
  readonly #slots = new DatagramSlots(SLOTS, SLOT_BYTES)
  #forwarded: ForwardedQuery[] = []
  #busy = new Set<ResolverEndpoint>()
  /** Whether a client wants to be told each query. */
  logs = false

  constructor(log: QueryLog, backlog: Backlog) {
    this.#log = log
    this.#backlog = backlog
  }

  /** Reads what waits at that socket, or a good part of it, and answers. */
  serve(endpoint: ResolverEndpoint): void {
    for (let batch = 0; batch < MOST_BATCHES; batch++) {
      const count = this.#slots.receive(endpoint.udp)
      if (count > 0) this.#answer(endpoint, count)
      if (count < SLOTS) return
    }
  }

  /** Queries for others to answer, since last time. */
  takeForwarded(): readonly ForwardedQuery[] {
    const taken = this.#forwarded
    if (taken.length > 0) this.#forwarded = []
    return taken
  }

  /** Endpoints where something was asked since last time. */
  takeBusy(): readonly ResolverEndpoint[] {
    const taken = [...this.#busy]
    this.#busy.clear()
    return taken
  }

  get isBusy(): boolean {
    return this.#busy.size > 0
  }

  forget(endpoint: ResolverEndpoint): void {
    this.#busy.delete(endpoint)
  }

  #answer(endpoint: ResolverEndpoint, count: number): void {
    const started = performance.now()
    const slots = this.#slots
    const { tally } = endpoint
    const told: Answered[] | undefined =
      this.logs && endpoint.sandbox !== undefined ? [] : undefined
    let answers = 0
    for (let slot = 0; slot < count; slot++) {
      const start = slot * SLOT_BYTES
      const asked = slots.lengthOf(slot)
      let length = answer(endpoint.view, slots.bytes, start, asked, SLOT_BYTES, 'udp')
      if (length === FORWARD && !this.#backlog.add(endpoint.id)) length = refuse(TOO_MANY)
      if (length > 0) {
        slots.reply(slot, length)
        answers += 1
        tally.answered[lastAnswer.source] += 1
        told?.push({ slot, length, source: lastAnswer.source, code: lastAnswer.code })
      } else if (length === FORWARD) this.#forward(endpoint, slot)
    }
    slots.send(endpoint.udp, count)
    const durationMs = performance.now() - started
    tally.asked += answers
    tally.took(durationMs, answers)
    if (endpoint.sandbox === undefined) return
    this.#busy.add(endpoint)
    if (told !== undefined) this.#tell(endpoint.sandbox, told, durationMs)
  }

  #forward(endpoint: ResolverEndpoint, slot: number): void {
    const start = slot * SLOT_BYTES
    const { bytes } = this.#slots
    this.#forwarded.push({
      endpoint: endpoint.id,
      query: Uint8Array.prototype.slice.call(bytes, start, start + this.#slots.lengthOf(slot)),
      from: this.#slots.senderOf(slot),
      since: now(),
    })
  }

  #tell(sandbox: string, told: readonly Answered[], durationMs: number): void {
    for (const { slot, length, source, code } of told) {
      const start = slot * SLOT_BYTES
      const message = this.#slots.bytes.subarray(start, start + length)
      this.#log.add({ sandbox, message, source, code, durationMs, transport: 'udp' })
    }
  }
}
