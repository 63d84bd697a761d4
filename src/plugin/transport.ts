import { readFile } from 'node:fs/promises'
import { type ClientRequest, type IncomingMessage, request as overHttp } from 'node:http'
import { request as overHttps, type RequestOptions } from 'node:https'
import { pluginContentType } from './call.ts'
import type { PluginAddress, PluginTls } from './place.ts'

export interface PluginResponse {
  readonly status: number
  readonly text: string
}

/** Nothing was there to hear the call, so it may be made again. */
export class Unreached extends Error {
  override readonly name = 'Unreached'
}

/** The largest answer that is read. */
const maxAnswerBytes = 4 * 1024 * 1024

/** What Docker sends, so that plugins that look at it find what they know. */
const headers = {
  accept: 'application/vnd.docker.plugins.v1.2+json',
  'content-type': pluginContentType,
}

/** One call, on a connection of its own. The signal ends it. Errors: Unreached; else it may have been heard. */
export async function post(
  address: PluginAddress,
  path: string,
  body: string,
  signal: AbortSignal,
): Promise<PluginResponse> {
  const common = { method: 'POST', path, headers, agent: false as const, signal }
  if ('socket' in address) {
    const options = { ...common, socketPath: address.socket }
    return send(overHttp({ ...options, headers: { ...headers, host: localHost } }), body)
  }
  const { host, port, tls } = address
  if (tls === undefined) return send(overHttp({ ...common, host, port }), body)
  return send(overHttps({ ...common, host, port, ...(await secrets(tls)) }), body)
}

const localHost = 'plugin.moby.localhost'

async function secrets({ insecure, ca, certificate, key }: PluginTls): Promise<RequestOptions> {
  try {
    return {
      rejectUnauthorized: !insecure,
      ...(ca === undefined ? {} : { ca: await readFile(ca) }),
      ...(certificate === undefined ? {} : { cert: await readFile(certificate) }),
      ...(key === undefined ? {} : { key: await readFile(key) }),
    }
  } catch (cause) {
    throw new Unreached((cause as Error).message, { cause })
  }
}

function send(request: ClientRequest, body: string): Promise<PluginResponse> {
  return new Promise((resolve, reject) => {
    let isConnected = false
    let isAnswered = false
    request.once('socket', (socket) => {
      const event = 'encrypted' in socket ? 'secureConnect' : 'connect'
      socket.once(event, () => {
        isConnected = true
      })
    })
    request.once('response', (response) => {
      isAnswered = true
      textOf(response).then(
        (text) => resolve({ status: response.statusCode ?? 0, text }),
        (error: unknown) => {
          request.destroy()
          reject(error)
        },
      )
    })
    request.on('error', (error) => {
      if (isConnected || error.name === 'AbortError') reject(error)
      else reject(new Unreached(error.message, { cause: error }))
    })
    // A server that switches to another protocol ends without an answer and without an error.
    request.once('close', () => {
      if (!isAnswered) reject(new Error('it has not answered in HTTP'))
    })
    request.end(body)
  })
}

async function textOf(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  let bytes = 0
  for await (const part of response as AsyncIterable<Buffer>) {
    bytes += part.length
    if (bytes > maxAnswerBytes) throw new Error(`it answers with more than ${maxAnswerBytes} bytes`)
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}
