import { join, resolve } from 'node:path'
import { CnmError } from '../base/errors.ts'

/** Where a daemon is said to be. */
export interface Where {
  readonly socket?: string
  /** Its run folder, which has its socket: then CNM_HOST isn't asked. */
  readonly runDir?: string
}

/** The socket that was named; undefined: it is the usual one, so that a daemon may be started there. */
export function namedSocket({ socket, runDir }: Where): string | undefined {
  return (socket ?? (runDir === undefined ? process.env.CNM_HOST : undefined)) || undefined
}

/** Errors: INVALID_ARGUMENT. */
export function socketOf({ socket, runDir }: Where): string {
  if (socket !== undefined || runDir === undefined) return socketPath(socket)
  return socketPath(join(resolve(runDir), 'cnm.sock'))
}

/** What the kernel has room for in the address of a unix socket. */
const longest = 107

/**
 * The daemon's socket: as given, else as `CNM_HOST` says, else the usual one. `unix:///run/cnm/cnm.sock` or a
 * path.
 */
export function socketPath(given?: string): string {
  const [source, text] =
    given === undefined ? ['CNM_HOST', process.env.CNM_HOST || undefined] : ['socket', given]
  if (text === undefined) return '/run/cnm/cnm.sock'
  const is = `${source} is ${JSON.stringify(text)}`
  const path = typeof text === 'string' ? text.replace(/^unix:\/\//, '') : ''
  if (path === '' || /^[a-z]+:\/\//.test(path) || path.includes('\0')) {
    throw new CnmError('INVALID_ARGUMENT', `${is}, which is no unix socket`, {
      hint: 'give a path, or unix:///run/cnm/cnm.sock',
    })
  }
  if (Buffer.byteLength(path) > longest) {
    throw new CnmError('INVALID_ARGUMENT', `${is}, which is too long for a socket`, {
      hint: `a path of a unix socket has at most ${longest} bytes; use another folder`,
    })
  }
  return path
}
