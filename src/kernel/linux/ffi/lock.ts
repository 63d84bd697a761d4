import { KernelError } from '../../../base/errors.ts'
import { close, O_CREAT, O_RDWR, open } from './file.ts'
import { declare, lastErrno } from './libc.ts'

const LOCK_EX = 2
const LOCK_NB = 4

const flock = declare<(fd: number, operation: number) => number>('int flock(int, int)')

/**
 * Opens a file, making it if need be, and locks it: no other process gets the lock until the descriptor is
 * closed or this process ends. undefined if another process holds it.
 * Equivalent to: `flock --exclusive --nonblock PATH`.
 */
export function lockFile(path: string): number | undefined {
  const fd = open(path, O_RDWR | O_CREAT, 0o600)
  if (flock(fd, LOCK_EX | LOCK_NB) === 0) return fd
  const errno = lastErrno()
  close(fd)
  if (errno === 'EAGAIN') return undefined
  throw new KernelError('flock', errno, { target: path })
}
