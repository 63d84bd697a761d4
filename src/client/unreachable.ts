import { CnmError } from '../base/errors.ts'
import type { Reply } from './question.ts'

/** Nothing answers there, or the caller may not ask. */
export function unreachable(socket: string, cause: NodeJS.ErrnoException): CnmError {
  if (cause.code === 'EACCES' || cause.code === 'EPERM') {
    return new CnmError('MISSING_CAPABILITY', `you may not talk to the daemon at ${socket}`, {
      details: { socket },
      hint: 'root and members of the group cnm may',
      cause,
    })
  }
  const why = ['ENOENT', 'ECONNREFUSED'].includes(cause.code ?? '') ? '' : ` (${cause.code})`
  return new CnmError('DAEMON_UNREACHABLE', `no daemon answers at ${socket}${why}`, {
    details: { socket },
    hint: 'start it with "cnm daemon", or say in CNM_HOST where its socket is',
    cause,
  })
}

/** What answers there doesn't speak as a daemon does. */
export function stranger({ socket, status, text }: Reply): CnmError {
  const quote = text.length > longestQuote ? `${text.slice(0, longestQuote)} …` : text
  return new CnmError(
    'INVALID_ARGUMENT',
    `what answers at ${socket} is no cnm daemon: status ${status}, ${quote.trim() || 'no text'}`,
    {
      details: { socket, status },
      hint: "say with --host or CNM_HOST where the daemon's socket is",
    },
  )
}

const longestQuote = 200

/** The connection ended in the middle. */
export function lost(
  socket: string,
  { method, path }: { readonly method: string; readonly path: string },
  cause?: unknown,
): CnmError {
  const hint =
    method === 'GET'
      ? 'ask again; if that ends likewise, see whether the socket is that of a cnm daemon'
      : 'see what is there before you ask for it again: it may have been done'
  return new CnmError(
    'DAEMON_UNREACHABLE',
    `the daemon at ${socket} ended the connection before it had answered ${method} ${path}`,
    { details: { socket }, hint, ...(cause === undefined ? {} : { cause }) },
  )
}

/** A stream has an end only if it is asked for. */
export function ended(socket: string, what: string, cause?: unknown): CnmError {
  return new CnmError('DAEMON_UNREACHABLE', `the daemon at ${socket} ended ${what}`, {
    details: { socket },
    hint: 'ask again; the daemon was stopped, or its answers were not read in time',
    ...(cause === undefined ? {} : { cause }),
  })
}
