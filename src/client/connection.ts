import { Agent, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import {
  type AnswerOf,
  type BodyOf,
  type ParametersOf,
  pathOf,
  type QueryOf,
  type Route,
} from '../api/route.ts'
import { CnmError, type ErrorCode } from '../base/errors.ts'
import { answerOf, problemOf } from './answer.ts'
import { exchange, linesOf, textOf, Unread } from './exchange.ts'
import type { Question, Reply } from './question.ts'

/** What a route wants: parameters, body and query where it has them. */
type Given<R extends Route> = {
  readonly signal?: AbortSignal | undefined
  /** On a connection of its own: for what may take as long as it likes. */
  readonly apart?: boolean
} & Part<'parameters', { readonly [Name in ParametersOf<R['path']>]: string }> &
  (BodyOf<R> extends undefined ? unknown : { readonly body: Frozen<BodyOf<R>> }) & {
    readonly query?: Frozen<QueryOf<R>>
  }

type Part<Name extends string, Value> = keyof Value extends never
  ? unknown
  : { readonly [Key in Name]: Value }

/** What is sent is only read, and what is undefined is not sent. */
type Frozen<T> = T extends readonly (infer Each)[]
  ? readonly Frozen<Each>[]
  : T extends object
    ? { readonly [Key in keyof T]: Frozen<T[Key]> | undefined }
    : T

interface AnyGiven {
  readonly parameters?: Readonly<Record<string, string>>
  readonly query?: object
  readonly body?: unknown
  readonly signal?: AbortSignal | undefined
  readonly apart?: boolean
}

interface Stream<Each> {
  readonly headers: IncomingHttpHeaders
  readonly values: AsyncGenerator<Each, void, undefined>
}

/** Asks the daemon at a socket, by the table of routes. */
export class Connection {
  readonly socket: string
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 16, maxFreeSockets: 16 })
  readonly #closing = new AbortController()
  readonly #running = new Set<Promise<unknown>>()

  constructor(socket: string) {
    this.socket = socket
  }

  /** Fires when the connection is closed. */
  get closing(): AbortSignal {
    return this.#closing.signal
  }

  /** Errors: those of the route, with the same code, message, hint and details; DAEMON_UNREACHABLE, CLOSED. */
  async call<R extends Route>(route: R, given: Given<R>): Promise<AnswerOf<R>> {
    this.#refuseClosed()
    const question = this.#question(route, given)
    const answer = (async () => {
      return answerOf(route, await this.#reply(await this.#ask(question), question))
    })()
    if (question.agent === false) return answer
    this.#running.add(answer)
    try {
      return await answer
    } finally {
      this.#running.delete(answer)
    }
  }

  /**
   * Resolves when the daemon has begun to answer. Its only ends are the signal (CANCELLED), and that of
   * the connection (DAEMON_UNREACHABLE).
   */
  async stream<R extends Route>(route: R, given: Given<R>): Promise<Stream<AnswerOf<R>>> {
    this.#refuseClosed()
    const question = this.#question(route, { ...given, apart: true })
    const response = await this.#ask(question)
    if (response.statusCode !== 200) throw problemOf(await this.#reply(response, question))
    return { headers: response.headers, values: this.#lines(route, response, question) }
  }

  /** Ends streams, waits for the calls that are under way, and ends all connections. */
  async close(): Promise<void> {
    this.#closing.abort()
    await Promise.allSettled(this.#running)
    this.#agent.destroy()
  }

  async *#lines<R extends Route>(
    route: R,
    response: IncomingMessage,
    question: Question,
  ): AsyncGenerator<AnswerOf<R>, void, undefined> {
    for await (const line of linesOf(response, question)) {
      yield answerOf(route, { socket: this.socket, status: 200, text: line })
    }
  }

  #question(route: Route, given: AnyGiven): Question {
    const { parameters = {}, query, signal, apart = false } = given
    return {
      socket: this.socket,
      agent: apart ? false : this.#agent,
      method: route.method,
      path: pathOf(route, checked(parameters), { ...query }),
      ...(route.body === undefined ? {} : { body: textFor(given.body) }),
      ...(signal === undefined ? {} : { signal }),
    }
  }

  async #ask(question: Question): Promise<IncomingMessage> {
    try {
      return await exchange(question)
    } catch (error) {
      if (!(error instanceof Unread)) throw error
      // The others are as old, and ended likewise.
      for (const socket of Object.values(this.#agent.freeSockets).flat()) socket?.destroy()
      return exchange({ ...question, agent: false })
    }
  }

  async #reply(response: IncomingMessage, question: Question): Promise<Reply> {
    const text = await textOf(response, question)
    return { socket: this.socket, status: response.statusCode ?? 0, text }
  }

  #refuseClosed(): void {
    if (this.#closing.signal.aborted) throw new CnmError('CLOSED', 'the client is closed')
  }
}

const missing: Readonly<Record<string, ErrorCode>> = {
  network: 'NETWORK_NOT_FOUND',
  endpoint: 'ENDPOINT_NOT_FOUND',
  sandbox: 'SANDBOX_NOT_FOUND',
  plugin: 'PLUGIN_NOT_FOUND',
}

/** What can't be part of a path is no name of anything. */
function checked(parameters: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  for (const [what, text] of Object.entries(parameters)) {
    if (typeof text === 'string' && text !== '' && !/\p{Surrogate}/u.test(text)) continue
    throw new CnmError(missing[what] ?? 'INVALID_ARGUMENT', `there is no ${what} "${text}"`, {
      details: { [what]: text },
    })
  }
  return parameters
}

/** null, where JSON has nothing for it: then the daemon says what is wrong with it. */
function textFor(body: unknown): string {
  try {
    return JSON.stringify(body) ?? 'null'
  } catch (cause) {
    throw new CnmError('INVALID_ARGUMENT', 'the options are not what JSON can say', { cause })
  }
}
