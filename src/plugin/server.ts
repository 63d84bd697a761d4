/// <reference types="node" preserve="true" />

import { rm } from 'node:fs/promises'
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from 'node:http'
import { CnmError, type ErrorKind, isCnmError } from '../base/errors.ts'
import {
  type PluginAnswerOf,
  type PluginCall,
  type PluginCalls,
  parseMessage,
  pluginContentType,
  type RequestOf,
} from './call.ts'
import { type IpamDriverCalls, ipamDriverCalls } from './ipam-driver-messages.ts'
import { type NetworkDriverCalls, networkDriverCalls } from './network-driver-messages.ts'

export type * from './ipam-driver-messages.ts'
export type * from './network-driver-messages.ts'

/** What answers the calls of one interface. The signal fires when the caller has gone away. */
export type Handlers<Calls extends PluginCalls> = {
  readonly [Method in keyof Calls as Calls[Method] extends { readonly optional: true }
    ? never
    : Method]: Handler<Calls[Method]>
} & {
  readonly [Method in keyof Calls as Calls[Method] extends { readonly optional: true }
    ? Method
    : never]?: Handler<Calls[Method]>
}

type Handler<C extends PluginCall> = (
  request: RequestOf<C>,
  signal: AbortSignal,
) => C extends { readonly answer: unknown }
  ? PluginAnswerOf<C> | Promise<PluginAnswerOf<C>>
  : unknown

/** The interfaces of a plugin: those that it has handlers for. */
export interface PluginHandlers {
  readonly NetworkDriver?: Handlers<NetworkDriverCalls>
  readonly IpamDriver?: Handlers<IpamDriverCalls>
}

export interface PluginServer {
  /** Waits for the calls that are under way. */
  close(): Promise<void>
}

const interfaces: Readonly<Record<keyof PluginHandlers, PluginCalls>> = {
  NetworkDriver: networkDriverCalls,
  IpamDriver: ipamDriverCalls,
}

/** The largest body that is read: Docker names each port of a range, more than 100 bytes long. */
const maxBodyBytes = 16 * 1024 * 1024

/**
 * Serves a plugin at a unix socket: `/run/docker/plugins/NAME.sock` is where hosts look for it. A socket
 * that is there already is taken away.
 */
export async function servePlugin(options: {
  readonly path: string
  readonly handlers: PluginHandlers
}): Promise<PluginServer> {
  const { path, handlers } = options
  const server = createServer(pluginListener(handlers))
  await rm(path, { force: true })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, () => resolve())
  })
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeIdleConnections()
      }),
  }
}

/** A call that has been answered. */
export interface AnsweredCall {
  /** As it was parsed; absent: it could not be. */
  readonly body?: unknown
  /** Why it was refused, in the words of the answer. */
  readonly error?: string
}

/**
 * For a server of one's own: answers the protocol's calls, errors as `{ "Err": "…" }`. `onAnswer` is told of each call
 * just before its answer, for a log.
 */
export function pluginListener(
  handlers: PluginHandlers,
  onAnswer: (call: AnsweredCall, response: ServerResponse) => void = () => {},
): RequestListener {
  return (request, response) => {
    const gone = new AbortController()
    response.once('close', () => {
      if (!response.writableFinished) gone.abort()
    })
    const send = (status: number, answer: object) => {
      response.writeHead(status, { 'content-type': pluginContentType })
      response.end(JSON.stringify(answer))
    }
    const call: { body?: unknown } = {}
    answer(handlers, request, gone.signal, call).then(
      (answer) => {
        onAnswer(call, response)
        send(200, answer)
      },
      (error: unknown) => {
        const { status, message } = refusalOf(error)
        onAnswer({ ...call, error: message }, response)
        send(status, { Err: message })
      },
    )
  }
}

async function answer(
  handlers: PluginHandlers,
  request: IncomingMessage,
  signal: AbortSignal,
  asked: { body?: unknown },
): Promise<object> {
  const path = request.url ?? ''
  if (path === '/Plugin.Activate') return { Implements: Object.keys(handlers) }
  const { call, handler } = find(handlers, path)
  const body = await bodyOf(request)
  const parsed =
    call.request === undefined ? undefined : parseMessage(call.request, jsonOf(body, path), path)
  asked.body = parsed
  const answer = await handler(parsed, signal)
  return call.answer === undefined ? {} : answer
}

function find(handlers: PluginHandlers, path: string) {
  const [, name = '', method = ''] = /^\/(\w+)\.(\w+)$/.exec(path) ?? []
  const side = Object.hasOwn(handlers, name) ? (name as keyof PluginHandlers) : undefined
  const calls = side === undefined ? {} : interfaces[side]
  const call = Object.hasOwn(calls, method) ? calls[method] : undefined
  const handler = side === undefined ? undefined : handlerOf(handlers[side], method)
  if (call === undefined || handler === undefined) {
    throw new CnmError('ROUTE_NOT_FOUND', `this plugin has no ${path}`)
  }
  return { call, handler }
}

type AnyHandler = (request: unknown, signal: AbortSignal) => object | Promise<object>

function handlerOf(side: object | undefined, method: string): AnyHandler | undefined {
  const handler = (side as Readonly<Record<string, unknown>> | undefined)?.[method]
  return typeof handler === 'function' ? (handler.bind(side) as AnyHandler) : undefined
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  let bytes = 0
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length
    if (bytes > maxBodyBytes) {
      throw new CnmError('INVALID_ARGUMENT', `the body is larger than ${maxBodyBytes} bytes`)
    }
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}

function jsonOf(body: string, path: string): unknown {
  try {
    return JSON.parse(body)
  } catch (cause) {
    const is = body === '' ? 'is empty' : 'is no JSON'
    throw new CnmError('INVALID_ARGUMENT', `the body of ${path} ${is}`, { cause })
  }
}

/** Not 404, which says that there is no such method. */
const statuses: Readonly<Record<ErrorKind, number>> = {
  invalid: 400,
  'not-found': 400,
  conflict: 409,
  forbidden: 403,
  unavailable: 503,
  'not-implemented': 501,
  cancelled: 503,
  internal: 500,
}

function refusalOf(error: unknown): { status: number; message: string } {
  if (!isCnmError(error)) return { status: 500, message: messageOf(error) }
  const status = error.code === 'ROUTE_NOT_FOUND' ? 404 : statuses[error.kind]
  const hint = error.hint === undefined ? '' : ` (${error.hint})`
  return { status, message: `${error.message}${hint}` }
}

function messageOf(error: unknown): string {
  return error instanceof Error && error.message !== '' ? error.message : String(error)
}
