import { CnmError } from '../base/errors.ts'

/** Nobody answers there, or not everybody may ask. */
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

/** The connection ended in the middle. */
export function lost(socket: string, what: string, cause?: unknown): CnmError {
  return new CnmError(
    'DAEMON_UNREACHABLE',
    `the daemon at ${socket} ended the connection before it had answered ${what}`,
    {
      details: { socket },
      hint: 'see what is there before you ask for it again: it may have been done',
      ...(cause === undefined ? {} : { cause }),
    },
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
