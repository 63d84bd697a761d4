import type { IncomingMessage, ServerResponse } from 'node:http'
import fastify, {
  type FastifyInstance,
  type FastifyReply,
  type FastifyServerOptions,
} from 'fastify'
import { openapi } from '../api/openapi/openapi.ts'
import { type Route, statusOf } from '../api/route.ts'
import { type RouteName, routes } from '../api/routes.ts'
import { isCnmError } from '../base/errors.ts'
import { Type } from '../base/schema.ts'
import type { LocalController } from '../model/controller.ts'
import { type About, type Answers, answers } from './answers.ts'
import { taker } from './bodies.ts'
import { Gate } from './gate.ts'
import { sendLines } from './lines.ts'
import type { Log } from './log.ts'
import { Metrics } from './metrics.ts'
import { queryParser } from './query.ts'
import { bodyLimit, type Refusal, refusalOf, unknownRoute } from './refusal.ts'
import { type Outcome, RequestLog } from './request-log.ts'
import type { Peer } from './service.ts'

interface NativeApiOptions {
  readonly about: About
  readonly log: Log
  /** Fires when the daemon is being stopped: streams end. */
  readonly stopping: AbortSignal
  readonly peerOf: (request: IncomingMessage) => Peer | undefined
  /** How long the reader of a stream may take nothing. */
  readonly stallMs: number
}

/** The model parses, and answers are what it says: no schema is given to fastify, and its compilers aren't loaded. */
const compilersFactory = {
  buildValidator: () => () => () => true,
  buildSerializer: () => () => JSON.stringify,
} as unknown as NonNullable<FastifyServerOptions['schemaController']>['compilersFactory']

/** What may take as long as it likes has a gate of its own, or it would keep out all the rest. */
const long: readonly RouteName[] = ['events', 'queries', 'execInSandbox']
const Nothing = Type.Object({}, { additionalProperties: false })

/** What there is to be asked. */
interface Asking {
  readonly controller: LocalController
  readonly all: Answers
  readonly metrics: Metrics
  readonly requests: RequestLog
}

/** The native API on fastify: each route of the table, and what is no JSON. */
export class NativeApi {
  readonly #options: NativeApiOptions
  readonly #app: FastifyInstance
  #asking: Asking | undefined
  // What waits has sent its head only, so many may. What may never end is refused instead.
  readonly #gate = new Gate({ most: 256, mostWaiting: 1024 })
  readonly #longGate = new Gate({ most: 256, mostWaiting: 0 })

  private constructor(options: NativeApiOptions) {
    this.#options = options
    this.#app = fastify({
      bodyLimit,
      exposeHeadRoutes: false,
      logger: false,
      schemaController: { compilersFactory },
      routerOptions: { maxParamLength: 16_384 },
      frameworkErrors: (error, _, reply) => refuse(reply, refusalOf(error)),
    })
    this.#prepare()
    for (const name of Object.keys(routes) as RouteName[]) this.#add(name, routes[name])
  }

  /** Nothing can be asked until it has got its controller, which may take as long as this to start. */
  static async make(options: NativeApiOptions): Promise<NativeApi> {
    const api = new NativeApi(options)
    await api.#app.ready()
    return api
  }

  answerFor(controller: LocalController): void {
    const { about, log } = this.#options
    const metrics = new Metrics(controller, about, log)
    const requests = new RequestLog(controller, log)
    this.#asking = { controller, all: answers(controller, about), metrics, requests }
  }

  handle(request: IncomingMessage, response: ServerResponse): void {
    this.#app.routing(request, response)
  }

  async close(): Promise<void> {
    await this.#asking?.metrics.close()
    await this.#app.close()
  }

  #prepare(): void {
    const app = this.#app
    app.removeAllContentTypeParsers()
    const parse = app.getDefaultJsonParser('error', 'ignore')
    app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
      if (body === '') done(null, undefined)
      // What it finds it tells `done`.
      else void parse(request, body as string, done)
    })
    app.setErrorHandler((error, _, reply) => refuse(reply, refusalOf(error)))
    app.setNotFoundHandler(({ method, url }, reply) => refuse(reply, unknownRoute(method, url)))
    let document: ReturnType<typeof openapi> | undefined
    app.get('/v1/openapi.json', async () => {
      document ??= openapi(this.#options.about.version)
      return document
    })
    app.get('/metrics', async (_, reply) => {
      const { contentType, text } = await this.#asking!.metrics.text()
      reply.header('content-type', contentType)
      return text
    })
  }

  #add(name: RouteName, route: Route): void {
    const parseQuery = queryParser(route.query)
    const takeNothing = taker(Nothing)
    const gate = long.includes(name) ? this.#longGate : this.#gate
    this.#app.route({
      method: route.method,
      url: route.path.replace(/\{(\w+)\}/g, ':$1'),
      // Before the body is read.
      onRequest: async (_, reply) => {
        const leave = await gate.enter(signalOf(reply))
        reply.raw.once('close', leave)
        if (reply.raw.closed) leave()
      },
      handler: async (request, reply) => {
        const body = request.body ?? {}
        const question: Asked = {
          parameters: request.params as Record<string, string>,
          query: parseQuery(request.query as Record<string, unknown>),
          body: route.body === undefined ? takeNothing(body) : body,
          signal: signalOf(reply),
        }
        if (name === 'events' || name === 'queries') return this.#stream(name, question, reply)
        // The table says that question and answer belong together.
        const answer = this.#asking!.all[name] as (question: Asked) => Promise<unknown>
        const result = await this.#told(name, { question, raw: request.raw }, () => {
          return answer(question)
        })
        return reply.code(statusOf(route)).send(result)
      },
    })
  }

  /** Does the work; tells how long it took and what came of it. */
  async #told<T>(
    name: RouteName,
    { question, raw }: { readonly question: Asked; readonly raw: IncomingMessage },
    work: () => Promise<T>,
  ): Promise<T> {
    const begin = performance.now()
    const { requests, metrics } = this.#asking!
    const log = requests.begin(name, question)
    const tell = (code: string, end: Omit<Outcome, 'ms'>) => {
      const ms = Math.round((performance.now() - begin) * 10) / 10
      metrics.observe({ route: name, code, seconds: ms / 1000 })
      const peer = this.#options.peerOf(raw) ?? {}
      // Who asked doesn't have to wait until it is written.
      setImmediate(() => log({ ...end, ms }, peer))
    }
    try {
      const answer = await work()
      tell('ok', { answer })
      return answer
    } catch (error) {
      tell(isCnmError(error) ? error.code : 'INTERNAL', { error })
      throw error
    }
  }

  async #stream(
    name: 'events' | 'queries',
    { query, signal }: Asked,
    reply: FastifyReply,
  ): Promise<void> {
    const { stopping, stallMs, log } = this.#options
    const { controller } = this.#asking!
    const options = { ...query, signal: AbortSignal.any([signal, stopping]) }
    const { instance, sequence } = controller
    const values = await (name === 'events'
      ? controller.events(options)
      : controller.queries(options))
    const headers = { 'cnm-instance': instance, 'cnm-sequence': String(query.since ?? sequence) }
    reply.hijack()
    await sendLines(reply.raw, values, headers, stallMs).catch((error: unknown) => {
      log.warn({ err: error }, `${name}: the stream was ended`)
    })
  }
}

interface Asked {
  readonly parameters: Readonly<Record<string, string>>
  readonly query: Readonly<Record<string, unknown>>
  readonly body: unknown
  readonly signal: AbortSignal
}

function refuse(reply: FastifyReply, { status, error }: Refusal): void {
  reply.code(status).send(error.toJSON())
}

const signals = new WeakMap<ServerResponse, AbortSignal>()

/** Fires when who asked has gone away before the answer. */
function signalOf({ raw }: FastifyReply): AbortSignal {
  const known = signals.get(raw)
  if (known !== undefined) return known
  const abort = new AbortController()
  const leave = () => {
    if (!raw.writableFinished) abort.abort()
  }
  if (raw.closed) leave()
  else raw.once('close', leave)
  signals.set(raw, abort.signal)
  return abort.signal
}
