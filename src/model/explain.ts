import { CnmError, isCnmError, isKernelError } from '../base/errors.ts'

/** Other calls mean something else by these errnos. */
const ofFiles: ReadonlySet<string> = new Set(['open', 'write', 'rename', 'mkdir', 'unlink'])
const diskHints: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full: free some space there and repeat',
  EDQUOT: 'the disk quota is used up: free some space there and repeat',
  EROFS: 'the file system is read-only: mount it writable and repeat',
}

/** What the kernel refused, in the words of the operation. */
export function explain(error: unknown, what: string): unknown {
  if (isCnmError(error) || !isKernelError(error)) return error
  // Those of the host's own namespace are ours, not what a user asked for.
  const sysctl = /^sysctl:\/[^:]*:(.*)$/.exec(error.resource ?? '')?.[1]
  if (sysctl !== undefined) {
    const name = sysctl.replaceAll('/', '.')
    return new CnmError(
      'INVALID_OPTION',
      `${what}: sysctl "${name}" can't be set so: ${error.errno}`,
      {
        details: { sysctl: name, errno: error.errno },
        hint: 'check its name and value; whether there is IPv6 is the network’s business',
        cause: error,
      },
    )
  }
  if (error.errno === 'EPERM' || error.errno === 'EACCES') {
    return new CnmError('MISSING_CAPABILITY', `${what}: the kernel refuses: ${error.message}`, {
      hint: 'run as root, or with CAP_NET_ADMIN and CAP_SYS_ADMIN',
      cause: error,
    })
  }
  if (error.errno === 'EOPNOTSUPP' || error.errno === 'EAFNOSUPPORT') {
    return new CnmError('UNSUPPORTED_KERNEL', `${what}: this kernel can't: ${error.message}`, {
      cause: error,
    })
  }
  const hint = ofFiles.has(error.operation) ? diskHints[error.errno] : undefined
  if (hint !== undefined) {
    return new CnmError('STORE_UNAVAILABLE', `${what}: the disk refuses: ${error.message}`, {
      details: { errno: error.errno, path: error.target },
      hint,
      cause: error,
    })
  }
  return new CnmError('KERNEL', `${what}: ${error.message}`, {
    details: { operation: error.operation, errno: error.errno, target: error.target },
    cause: error,
  })
}
