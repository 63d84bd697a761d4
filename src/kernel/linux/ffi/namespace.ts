import { faultPoint } from './fault.ts'
import { ioctl } from './file.ts'
import { check, declare } from './libc.ts'

export const CLONE_NEWNET = 0x40000000
export const CLONE_NEWNS = 0x20000
export const CLONE_NEWUTS = 0x4000000
/** For `unshare` only: root and working folder of the calling thread become its own. */
export const CLONE_FS = 0x200

const NS_GET_NSTYPE = 0xb703
// The same number on all architectures.
const SYS_pidfd_open = 434
const SYS_pidfd_getfd = 438

const c = {
  setns: declare<(fd: number, type: number) => number>('int setns(int, int)'),
  unshare: declare<(flags: number) => number>('int unshare(int)'),
  syscall: declare<(number: number, a: number, b: number) => number>(
    'intptr_t syscall(intptr_t, intptr_t, intptr_t)',
  ),
  pidfdGetfd: declare<(number: number, pidfd: number, fd: number, flags: number) => number>(
    'intptr_t syscall(intptr_t, intptr_t, intptr_t, uintptr_t)',
  ),
}

/** Moves the calling thread into a namespace. Run nothing asynchronous until it is back. */
export function setns(fd: number, type: number): void {
  faultPoint('setns')
  check(c.setns(fd, type), 'setns')
}

/** The way back from setns and unshare. No fault is injected: a thread left inside can't go on. */
export function setnsBack(fd: number, type: number): void {
  check(c.setns(fd, type), 'setns')
}

/** Moves the calling thread into new namespaces. */
export function unshare(flags: number): void {
  faultPoint('unshare')
  check(c.unshare(flags), 'unshare')
}

/** The CLONE_… flag of the namespace a descriptor is. */
export function namespaceType(fd: number): number {
  return ioctl(fd, NS_GET_NSTYPE)
}

/** A descriptor of a process; it is readable once the process has ended. */
export function pidfdOpen(pid: number): number {
  return check(c.syscall(SYS_pidfd_open, pid, 0), 'pidfd_open', `pid ${pid}`)
}

/** A descriptor of another process as one of our own. */
export function pidfdGetfd(pidfd: number, fd: number): number {
  return check(c.pidfdGetfd(SYS_pidfd_getfd, pidfd, fd, 0), 'pidfd_getfd', `fd ${fd}`)
}
