import type { IncomingMessage } from 'node:http'
import { DockerError, invalid } from './docker-error.ts'
import { Fields } from './fields.ts'

const longestBody = 1024 * 1024

/** The object in a request's body. A body that is declared empty is an empty object. */
export async function readBody(request: IncomingMessage): Promise<Fields> {
  const { 'content-type': type, 'content-length': length } = request.headers
  const isEmpty = length === '0' || (length === undefined && !isChunked(request))
  if (type !== undefined || !isEmpty) checkType(type ?? '')
  if (isEmpty) return new Fields({})
  const text = await readText(request)
  if (text.trim() === '') throw invalid('invalid JSON: got EOF while reading request body')
  return new Fields(parse(text))
}

function isChunked({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined
}

function checkType(type: string): void {
  if (type.split(';')[0]?.trim().toLowerCase() === 'application/json') return
  throw invalid(`unsupported Content-Type header (${type}): must be 'application/json'`)
}

/** What is too long is read to its end, so that the client reads the answer. */
async function readText(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length
    if (size <= longestBody) parts.push(part)
    else parts.length = 0
  }
  if (size > longestBody) throw new DockerError(413, `the body has more than ${longestBody} bytes`)
  return Buffer.concat(parts).toString('utf8')
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    const end = endOfObject(text)
    if (end !== undefined && isJson(text.slice(0, end))) {
      throw invalid('unexpected content after JSON')
    }
    throw invalid(`invalid JSON: ${(error as Error).message}`)
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** Where the first object of a text ends. */
function endOfObject(text: string): number | undefined {
  let depth = 0
  for (const { 0: token, index } of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}]/gs)) {
    if (token === '{') depth += 1
    if (token === '}') depth -= 1
    if (token === '}' && depth === 0) return index + 1
  }
  return undefined
}
