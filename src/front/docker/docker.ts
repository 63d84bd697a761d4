import { setMaxListeners } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { LocalController } from '../../model/controller.ts'
import type { Answer, Call, Front, Handler } from './calls/call.ts'
import { connectContainer, disconnectContainer } from './calls/connect-calls.ts'
import { inspectContainer, listContainers, refuseContainers } from './calls/container-calls.ts'
import { streamEvents } from './calls/event-calls.ts'
import {
  createNetwork,
  deleteNetwork,
  inspectNetwork,
  listNetworks,
  pruneNetworks,
} from './calls/network-calls.ts'
import { info, ping, version } from './calls/system-calls.ts'
import { EventLog } from './event-log.ts'
import { dockerError, invalid, pageNotFound } from './json/docker-error.ts'
import { ensurePredefined } from './predefined.ts'
import { latestVersion, splitVersion } from './versions.ts'

export interface DockerApiOptions {
  readonly controller: LocalController
  /** Ours, as `docker version` shows it. */
  readonly version: string
  /** Names of the network drivers, as `docker info` shows them. */
  readonly drivers?: readonly string[]
  /** Told of what fails behind an answer of status 500 and in the background. Default: ignored. */
  readonly onProblem?: (problem: unknown) => void
}

/** Docker's API for networks, for a server on a unix socket. Sandboxes are its containers. */
export interface DockerApi {
  /**
   * Resolves when the networks that are always there with Docker are: `bridge`, `host`, `none`. To be
   * called again at any time: one may have been deleted in another way.
   */
  ready(): Promise<void>
  /** `note` is told what belongs into a log: what a request is about, and why it was refused. */
  handle(request: IncomingMessage, response: ServerResponse, note?: (facts: object) => void): void
  /** Ends streams of events. Idempotent. */
  close(): Promise<void>
}

export function dockerApi(options: DockerApiOptions): DockerApi {
  const { controller, drivers = ['bridge', 'host', 'null'], onProblem = () => {} } = options
  const closing = new AbortController()
  // One for each stream.
  setMaxListeners(0, closing.signal)
  const front: Front = {
    controller,
    version: options.version,
    drivers,
    events: new EventLog(controller, closing.signal, onProblem),
    closing: closing.signal,
    pruning: false,
  }
  let pending: Promise<void> | undefined
  return {
    ready: () => {
      pending ??= ensurePredefined(controller).finally(() => {
        pending = undefined
      })
      return pending
    },
    handle: (request, response, note = () => {}) => {
      answer(front, request, response, note).catch((error: unknown) => {
        note({ error: dockerError(error).message })
        refuse(response, error, onProblem)
      })
    },
    close: async () => closing.abort(),
  }
}

type Route = readonly [method: string, path: RegExp, handler: Handler, sinceMinor?: number]

/** The first that fits counts. Names may contain slashes, so a path is told by its end too. */
const routes: readonly Route[] = [
  ['GET', /^\/_ping$/, ping],
  ['HEAD', /^\/_ping$/, ping],
  ['GET', /^\/version$/, version],
  ['GET', /^\/info$/, info],
  ['GET', /^\/events$/, streamEvents],
  ['GET', /^\/networks\/?$/, listNetworks],
  ['GET', /^\/networks\/(.+)$/, inspectNetwork],
  ['POST', /^\/networks\/create$/, createNetwork],
  ['POST', /^\/networks\/prune$/, pruneNetworks, 25],
  ['POST', /^\/networks\/(.+)\/connect$/, connectContainer],
  ['POST', /^\/networks\/(.+)\/disconnect$/, disconnectContainer],
  ['DELETE', /^\/networks\/(.+)$/, deleteNetwork],
  ['GET', /^\/containers\/json$/, listContainers],
  ['GET', /^\/containers\/(.+)\/json$/, inspectContainer],
  ['GET', /^\/containers\/(.+)$/, refuseContainers],
  ['POST', /^\/containers\/(.+)$/, refuseContainers],
  ['DELETE', /^\/containers\/(.+)$/, refuseContainers],
]

async function answer(
  front: Front,
  request: IncomingMessage,
  response: ServerResponse,
  note: Call['note'],
): Promise<void> {
  setHeaders(front, response)
  const [target = '', query = ''] = (request.url ?? '').split(/\?(.*)/s)
  const { minor, path } = splitVersion(target)
  for (const [method, pattern, handler, sinceMinor = 0] of routes) {
    const match = method === request.method && minor >= sinceMinor ? pattern.exec(path) : null
    if (match === null) continue
    const id = decode(match[1] ?? '')
    const call = { front, request, response, query: new URLSearchParams(query), id, minor, note }
    const made = await handler(call)
    if (made !== undefined) send(response, made)
    return
  }
  throw pageNotFound()
}

function setHeaders({ version: ours }: Front, response: ServerResponse): void {
  response.setHeader('Api-Version', latestVersion)
  response.setHeader('Docker-Experimental', 'false')
  response.setHeader('Ostype', 'linux')
  response.setHeader('Server', `libcnm/${ours} (linux)`)
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw invalid(`invalid URL escape in ${JSON.stringify(text)}`)
  }
}

function send(response: ServerResponse, { status, body }: Answer): void {
  if (body === undefined) {
    response.writeHead(status, status === 204 ? {} : { 'Content-Length': 0 })
    response.end()
    return
  }
  const text = `${JSON.stringify(body)}\n`
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(text),
  })
  response.end(text)
}

function refuse(
  response: ServerResponse,
  error: unknown,
  onProblem: (problem: unknown) => void,
): void {
  // The client is gone.
  if (response.destroyed) return
  const { status, message } = dockerError(error)
  if (status === 500) onProblem(error)
  if (response.headersSent) response.destroy()
  else send(response, { status, body: { message } })
}
