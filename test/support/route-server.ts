import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { problemStatus } from '../../src/api/problem.ts'
import { type Route, statusOf } from '../../src/api/route.ts'
import { type RouteName, routes } from '../../src/api/routes.ts'
import { CnmError, isCnmError } from '../../src/base/errors.ts'

export interface Asked {
  readonly route: RouteName
  readonly parameters: Readonly<Record<string, string>>
  readonly query: Readonly<Record<string, string>>
  readonly body: unknown
  /** Which connection it came by. */
  readonly socket: Socket
  readonly response: ServerResponse
}

/** What is to be answered; undefined where the handler has written the answer itself. */
export type Handler = (asked: Asked) => unknown

/** A server of the route table that answers whatever a test wants. */
export class RouteServer implements AsyncDisposable {
  readonly path: string
  readonly asked: Asked[] = []
  readonly #folder: string
  readonly #handlers = new Map<RouteName, Handler>()
  readonly #sockets = new Set<Socket>()
  #server: Server | undefined

  private constructor(folder: string) {
    this.#folder = folder
    this.path = join(folder, 'cnm.sock')
  }

  static async start(): Promise<RouteServer> {
    const server = new RouteServer(await mkdtemp(join(tmpdir(), 'cnm-client-')))
    server.on('status', () => server.status)
    await server.listen()
    return server
  }

  status = {
    version: '0.0.0',
    pid: 1,
    instance: 'first',
    started: '2026-01-01T00:00:00.000Z',
    stateDir: '/state',
    runDir: '/run',
    networks: 0,
    endpoints: 0,
    sandboxes: 0,
    sequence: 0,
  }

  on(route: RouteName, handler: Handler): this {
    this.#handlers.set(route, handler)
    return this
  }

  /** Connections that are open now. */
  get sockets(): readonly Socket[] {
    return [...this.#sockets]
  }

  async listen(): Promise<void> {
    const server = createServer((request, response) => {
      void this.#answer(request, response)
    })
    server.on('connection', (socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
    })
    await new Promise<void>((resolve) => server.listen(this.path, resolve))
    this.#server = server
  }

  /** As if it were killed. */
  async stop(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (server === undefined) return
    const closed = new Promise((resolve) => server.close(resolve))
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
    await rm(this.#folder, { recursive: true })
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const { name, route, parameters, query } = routeOf(request)
      const body = route.body === undefined ? undefined : await json(request)
      const asked = { route: name, parameters, query, body, socket: request.socket, response }
      this.asked.push(asked)
      const answer = await this.#handlers.get(name)?.(asked)
      if (response.headersSent || response.destroyed) return
      response.statusCode = statusOf(route)
      response.end(route.answer === undefined ? undefined : JSON.stringify(answer))
    } catch (error) {
      const known = isCnmError(error) ? error : new CnmError('INTERNAL', String(error))
      response.statusCode = problemStatus(known.kind)
      response.end(JSON.stringify(known))
    }
  }
}

function routeOf({ method, url }: IncomingMessage) {
  const { pathname, searchParams } = new URL(url ?? '', 'http://cnm')
  for (const [name, route] of Object.entries(routes) as [RouteName, Route][]) {
    const pattern = `^${route.path.replace(/\{(\w+)\}/g, '(?<$1>[^/]+)')}$`
    const match = new RegExp(pattern).exec(pathname)
    if (match === null || route.method !== method) continue
    const given = Object.entries(match.groups ?? {})
    const parameters = Object.fromEntries(
      given.map(([key, text]) => [key, decodeURIComponent(text)]),
    )
    return { name, route, parameters, query: Object.fromEntries(searchParams) }
  }
  throw new CnmError('INTERNAL', `no route ${method} ${url}`)
}
