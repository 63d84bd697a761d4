import { check, declare } from './libc.ts'

// The same number on all architectures.
const SYS_close_range = 436
const CLOSE_RANGE_CLOEXEC = 4
const ALL = 0x7fffffff

const c = {
  syscall: declare<(number: number, first: number, last: number, flags: number) => number>(
    'intptr_t syscall(intptr_t, intptr_t, intptr_t, intptr_t)',
  ),
  fchdir: declare<(fd: number) => number>('int fchdir(int)'),
  chroot: declare<(path: string) => number>('int chroot(const char *)'),
  sethostname: declare<(name: Uint8Array, length: number) => number>(
    'int sethostname(const void *, size_t)',
  ),
}

/** Marks all descriptors from this one on, so that no program started from now on gets them. */
export function closeOnExecFrom(fd: number): void {
  check(c.syscall(SYS_close_range, fd, ALL, CLOSE_RANGE_CLOEXEC), 'close_range')
}

/** The working folder of the calling thread, or of all threads that share it. */
export function fchdir(fd: number): void {
  check(c.fchdir(fd), 'fchdir', `fd ${fd}`)
}

/** The root of the calling thread, or of all threads that share it. */
export function chroot(path: string): void {
  check(c.chroot(path), 'chroot', path)
}

/** The host's name in the UTS namespace the calling thread is in. Errors: EINVAL if it is too long. */
export function sethostname(name: string): void {
  const bytes = Buffer.from(name)
  check(c.sethostname(bytes, bytes.length), 'sethostname', name)
}
