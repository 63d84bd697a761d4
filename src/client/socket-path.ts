import { CnmError } from '../base/errors.ts'

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
