import { randomBytes, randomInt } from 'node:crypto'
import { familyOf } from '../../../address/address.ts'
import { Code, codeName } from '../../../dns/message/message.ts'
import { readAnswer, type UpstreamAnswer } from '../../../dns/upstream/upstream-answer.ts'
import {
  fitOf,
  mixedCase,
  type UpstreamQuery,
  type UpstreamQuestion,
  upstreamQuery,
} from '../../../dns/upstream/upstream-query.ts'
import type { Exchange } from './exchange.ts'
import type { Server } from './server.ts'
import { TcpExchange } from './tcp-exchange.ts'
import { UdpExchange } from './udp-exchange.ts'

/** What asking needs. */
export interface AskSupport {
  /** A socket, neither bound nor connected, in the namespace the question is asked from. */
  readonly open: (type: 'udp' | 'tcp', family: 4 | 6) => number
  readonly now: () => number
}

/** Why a server's word is of no use. */
export interface ServerFailure {
  /** `10.0.0.1 answered SERVFAIL` */
  readonly text: string
  /** What it has answered, if anything. */
  readonly answer?: UpstreamAnswer
  /** No packet came through. */
  readonly network?: true
}

interface AskEvents {
  /** NOERROR or NXDOMAIN, complete. */
  onAnswer(answer: UpstreamAnswer): void
  onFailure(failure: ServerFailure): void
}

/** `plain`: over UDP too, the name as it is; TCP can't be guessed. */
type Way = 'mixed' | 'plain' | 'tcp'

interface Manner {
  readonly way: Way
  readonly edns: boolean
}

/** It sends again after so long; twice as long each time. */
const FIRST_REPEAT_MS = 500
/** So many datagrams that are no answer, and it looks as if an attacker guesses: TCP can't be guessed. */
const MOST_STRANGERS = 16

const unreachable: readonly unknown[] = ['ECONNREFUSED', 'ENETUNREACH', 'EHOSTUNREACH', 'EPERM']

/** Asks one server one question, in whatever manner it takes, until it says something or is closed. */
export class ServerAsk {
  readonly server: Server
  readonly askedAt: number
  readonly #question: UpstreamQuestion
  readonly #support: AskSupport
  readonly #events: AskEvents
  readonly #exchanges = new Map<Way, Exchange>()
  readonly #first: Manner
  #repeat: NodeJS.Timeout | undefined
  #strangers = 0
  #isOver = false

  constructor(server: Server, question: UpstreamQuestion, support: AskSupport, events: AskEvents) {
    this.server = server
    this.askedAt = support.now()
    this.#question = question
    this.#support = support
    this.#events = events
    this.#first = {
      way: server.losesCase(this.askedAt) ? 'plain' : 'mixed',
      edns: !server.hatesEdns(this.askedAt),
    }
  }

  start(): void {
    this.#exchange(this.#first)
    // Where no socket can be had, that was all.
    if (!this.#isOver) this.#repeatAfter(FIRST_REPEAT_MS)
  }

  /** It doesn't send again any more, but hears what comes. */
  rest(): void {
    clearTimeout(this.#repeat)
  }

  /** Closes its sockets at once, and nothing is told. Idempotent. */
  close(): void {
    this.#isOver = true
    clearTimeout(this.#repeat)
    for (const exchange of this.#exchanges.values()) exchange.close()
    this.#exchanges.clear()
  }

  #exchange(manner: Manner): void {
    const { way } = manner
    this.#drop(way)
    const { upstream } = this.server
    const type = way === 'tcp' ? 'tcp' : 'udp'
    const open = () => this.#support.open(type, familyOf(upstream.address))
    const query = this.#query(manner)
    const events = {
      onMessage: (message: Buffer) => this.#receive(message, query, manner),
      onError: (error: Error) => this.#lose(error, manner),
    }
    const Kind = type === 'tcp' ? TcpExchange : UdpExchange
    try {
      this.#exchanges.set(way, new Kind(open, upstream, query.bytes, events))
    } catch (error) {
      this.#lose(error as Error, manner)
    }
  }

  #drop(way: Way): void {
    this.#exchanges.get(way)?.close()
    this.#exchanges.delete(way)
  }

  #query({ way, edns }: Manner): UpstreamQuery {
    const { wireName } = this.#question
    const name = way === 'mixed' ? mixedCase(wireName, randomBytes(32)) : wireName
    return upstreamQuery({ ...this.#question, wireName: name }, { id: randomInt(0x10000), edns })
  }

  #repeatAfter(ms: number): void {
    this.#repeat = setTimeout(() => {
      for (const exchange of this.#exchanges.values()) exchange.send()
      this.#repeatAfter(2 * ms)
    }, ms).unref()
  }

  #receive(message: Buffer, query: UpstreamQuery, manner: Manner): void {
    if (this.#isOver) return
    const fit = fitOf(message, query)
    if (fit === 'no') this.#meetStranger(manner)
    else if (fit === 'case') this.#meetOtherCase(manner)
    else this.#read(message, query, manner)
  }

  #meetStranger(manner: Manner): void {
    this.#strangers += 1
    if (this.#strangers === MOST_STRANGERS) this.#askOverTcp(manner)
  }

  /**
   * The server doesn't keep the case of letters, or an attacker guesses. It is asked once more without,
   * under another id and from another port, while the first question goes on waiting for its answer.
   */
  #meetOtherCase(manner: Manner): void {
    if (manner.way !== 'mixed' || this.#exchanges.has('plain')) return
    this.#exchange({ ...manner, way: 'plain' })
  }

  #askOverTcp(manner: Manner): void {
    this.#drop('mixed')
    this.#drop('plain')
    if (!this.#exchanges.has('tcp')) this.#exchange({ ...manner, way: 'tcp' })
  }

  #read(message: Buffer, query: UpstreamQuery, manner: Manner): void {
    const { server } = this
    const now = this.#support.now()
    const answer = readAnswer(message, query)
    server.answered(now, now - this.askedAt)
    if (manner.way === 'plain' && this.#first.way === 'mixed') server.caseLost(now)
    if (answer === undefined) this.#fail({ text: `${server.name} sent a damaged answer` })
    else if (manner.edns && isEdnsTrouble(answer)) this.#exchange({ ...manner, edns: false })
    else if (answer.truncated && manner.way !== 'tcp') this.#askOverTcp(manner)
    else if (isUsable(answer)) {
      if (!manner.edns && this.#first.edns) server.ednsHated(now)
      server.judged(true)
      this.close()
      this.#events.onAnswer(answer)
    } else {
      const what = answer.referral
        ? 'only named other servers'
        : `answered ${codeName(answer.code)}`
      this.#fail({ text: `${server.name} ${what}`, answer })
    }
  }

  #lose(error: Error, { way }: Manner): void {
    if (this.#isOver) return
    const { code } = error as NodeJS.ErrnoException
    const where = way === 'tcp' ? ' over TCP' : ''
    if (way !== 'tcp' && unreachable.includes(code)) this.server.refused(this.#support.now())
    const how = code ?? error.message
    this.#fail({ text: `${this.server.name} can't be reached${where} (${how})`, network: true })
  }

  #fail(failure: ServerFailure): void {
    if (failure.network !== true) this.server.judged(false)
    this.close()
    this.#events.onFailure(failure)
  }
}

function isEdnsTrouble({ code }: UpstreamAnswer): boolean {
  return code === Code.FORMERR || code === Code.NOTIMP || code === Code.BADVERS
}

function isUsable({ code, referral, truncated }: UpstreamAnswer): boolean {
  return (code === Code.NOERROR || code === Code.NXDOMAIN) && !referral && !truncated
}
