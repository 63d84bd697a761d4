import { codeName, readQuestion, typeName } from '../../../dns/message/message.ts'
import type { AnswerSource, QueryEvent } from '../../../kernel/kernel.ts'

const MOST_IN_A_SECOND = 1000

/** What is told of a query when it has been answered. */
interface AnsweredQuery {
  readonly sandbox: string
  /** The query, or its answer: both have the question. */
  readonly message: Uint8Array
  readonly source: AnswerSource
  readonly code: number
  readonly durationMs: number
  readonly transport: 'udp' | 'tcp'
}

/** Queries that are to be told, no more of them than can be read. */
export class QueryLog {
  readonly #now: () => number
  #second = 0
  #inSecond = 0
  #skipped = 0
  #waiting: QueryEvent[] = []

  /** `now`: milliseconds of the calendar. */
  constructor(now: () => number = Date.now) {
    this.#now = now
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0
  }

  add(query: AnsweredQuery): void {
    const time = this.#now()
    if (!this.#isWorthTelling(time)) {
      this.#skipped += 1
      return
    }
    const { message, code, ...rest } = query
    const question = readQuestion(message)
    this.#push({
      ...rest,
      time: new Date(time).toISOString(),
      name: question?.name ?? '',
      type: question === undefined ? '' : typeName(question.type),
      code: codeName(code),
      skipped: 0,
    })
  }

  /** What another one has let through. */
  pass(queries: readonly QueryEvent[]): void {
    for (const query of queries) {
      if (this.#isWorthTelling(this.#now())) this.#push(query)
      else this.#skipped += 1 + query.skipped
    }
  }

  /** What is to be told now. */
  take(): readonly QueryEvent[] {
    const taken = this.#waiting
    this.#waiting = []
    return taken
  }

  #push(query: QueryEvent): void {
    this.#waiting.push({ ...query, skipped: query.skipped + this.#skipped })
    this.#skipped = 0
  }

  #isWorthTelling(time: number): boolean {
    const second = Math.floor(time / 1000)
    if (second !== this.#second) {
      this.#second = second
      this.#inSecond = 0
    }
    this.#inSecond += 1
    return this.#inSecond <= MOST_IN_A_SECOND
  }
}
