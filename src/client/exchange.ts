import { type IncomingMessage, type OutgoingHttpHeaders, request } from 'node:http'
import { cancelled } from '../base/errors.ts'
import type { Question } from './question.ts'
import { ended, lost, unreachable } from './unreachable.ts'

/** Nothing of it was done, since the daemon had ended the connection before it read the question. */
export class Unread extends Error {}

/**
 * Asks once; resolves when the status is there. The signal ends the connection, also later. Errors:
 * DAEMON_UNREACHABLE, CANCELLED, Unread.
 */
export function exchange(question: Question): Promise<IncomingMessage> {
  const { socket, agent, method, path, body, signal } = question
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(cancelled(`${method} ${path}`, signal))
    const headers = headersOf(body)
    const message = request({ socketPath: socket, agent, method, path, headers })
    const abort = () => message.destroy()
    signal?.addEventListener('abort', abort, { once: true })
    message.on('close', () => signal?.removeEventListener('abort', abort))
    message.on('response', resolve)
    message.on('error', (error) => reject(failure(question, error, message.reusedSocket)))
    message.end(body)
  })
}

/** The whole answer as text. */
export function textOf(answer: IncomingMessage, question: Question): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    answer.setEncoding('utf8').on('data', (part: string) => {
      text += part
    })
    answer.on('end', () => resolve(text))
    // Its other end is gone before all has come.
    answer.on('error', (error) => reject(failure(question, error, false)))
  })
}

/** Its lines, as they come, until it ends, which is an error: DAEMON_UNREACHABLE, CANCELLED. */
export async function* linesOf(
  answer: IncomingMessage,
  { socket, method, path, signal }: Question,
): AsyncGenerator<string, void, undefined> {
  const what = `${method} ${path}`
  let rest = ''
  let cause: unknown
  try {
    for await (const part of answer.setEncoding('utf8')) {
      const lines = `${rest}${part}`.split('\n')
      rest = lines.pop() ?? ''
      yield* lines.filter((line) => line !== '')
    }
  } catch (error) {
    cause = error
  }
  throw signal?.aborted ? cancelled(what, signal) : ended(socket, what, cause)
}

function headersOf(body: string | undefined): OutgoingHttpHeaders {
  if (body === undefined) return { host: 'cnm' }
  return {
    host: 'cnm',
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
  }
}

function failure(question: Question, error: NodeJS.ErrnoException, reused: boolean): Error {
  const { socket, method, path, signal } = question
  if (signal?.aborted) return cancelled(`${method} ${path}`, signal)
  if (error.syscall === 'connect') return unreachable(socket, error)
  // The kernel says so if the other side ended with something unread. Read and then ended is no such error.
  const unread = error.code === 'EPIPE' || (error.code === 'ECONNRESET' && error.syscall === 'read')
  // A killed daemon has read it, perhaps; asking does no harm twice.
  if (reused && (unread || method === 'GET')) return new Unread(error.message, { cause: error })
  return lost(socket, question, error)
}
