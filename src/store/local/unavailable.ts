import { CnmError, isKernelError } from '../../base/errors.ts'

const hints: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full: free some space there and repeat',
  EDQUOT: 'the disk quota is used up: free some space there and repeat',
  EROFS: 'the file system is read-only: mount it writable, or choose another folder',
  EACCES: 'it may not be written by this user: run as root, or choose another folder',
  EPERM: 'it may not be written by this user: run as root, or choose another folder',
  ENOTDIR: 'something that is no folder is in the way: move it, or choose another folder',
  EEXIST: 'something that is no folder is in the way: move it, or choose another folder',
  ENOENT: 'the folder is not there, or none can be made there: choose another folder',
  EIO: 'the disk is full or broken: see `df` and `dmesg`',
}

/** What is thrown when the disk refuses: STORE_UNAVAILABLE, naming the place and the way out. */
export function unavailable(error: unknown, path: string): CnmError {
  const errno = errnoOf(error)
  const hint = hints[errno ?? '']
  return new CnmError(
    'STORE_UNAVAILABLE',
    `the store can't use ${path}: ${(error as Error).message}`,
    {
      details: { path, ...(errno === undefined ? {} : { errno }) },
      ...(hint === undefined ? {} : { hint }),
      cause: error,
    },
  )
}

function errnoOf(error: unknown): string | undefined {
  if (isKernelError(error)) return error.errno
  const { code } = error as { readonly code?: unknown }
  return typeof code === 'string' ? code : undefined
}

/** Runs work on the disk; what it refuses becomes STORE_UNAVAILABLE. */
export async function onDisk<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw error instanceof CnmError ? error : unavailable(error, path)
  }
}

export function isErrno(error: unknown, ...codes: readonly string[]): boolean {
  return codes.includes((error as { readonly code?: string }).code ?? '')
}
