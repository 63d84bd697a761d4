import { check, declare } from './libc.ts'

// The same number on all architectures.
const SYS_close_range = 436
const CLOSE_RANGE_CLOEXEC = 4
const ALL = 0x7fffffff

const syscall = declare<(number: number, first: number, last: number, flags: number) => number>(
  'intptr_t syscall(intptr_t, intptr_t, intptr_t, intptr_t)',
)

/** Marks all descriptors from this one on, so that no program started from now on gets them. */
export function closeOnExecFrom(fd: number): void {
  check(syscall(SYS_close_range, fd, ALL, CLOSE_RANGE_CLOEXEC), 'close_range')
}
