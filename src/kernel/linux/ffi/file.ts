import { constants, readSync, writeSync } from 'node:fs'
import { faultPoint } from './fault.ts'
import { check, declare, lastErrno } from './libc.ts'

const O_CLOEXEC = 0o2000000
const EFD_CLOEXEC = 0o2000000
const EFD_NONBLOCK = 0o4000
const FS_IOC_SETFLAGS = 0x40086602

export const { O_RDONLY, O_RDWR, O_CREAT, O_EXCL, O_NONBLOCK } = constants

const c = {
  open: declare<(path: string, flags: number, mode: number) => number>(
    'int open(const char *, int, uint32_t)',
  ),
  close: declare<(fd: number) => number>('int close(int)'),
  dup3: declare<(from: number, to: number, flags: number) => number>('int dup3(int, int, int)'),
  unlink: declare<(path: string) => number>('int unlink(const char *)'),
  mkdir: declare<(path: string, mode: number) => number>('int mkdir(const char *, uint32_t)'),
  ioctl: declare<(fd: number, request: number, argument: number) => number>(
    'int ioctl(int, unsigned long, uintptr_t)',
  ),
  setFlags: declare<(fd: number, request: number, flags: Int32Array) => number>(
    'int ioctl(int, unsigned long, int *)',
  ),
  pipe2: declare<(fds: Int32Array, flags: number) => number>('int pipe2(int *, int)'),
  eventfd: declare<(initial: number, flags: number) => number>('int eventfd(unsigned int, int)'),
  fstatfs: declare<(fd: number, buffer: Uint8Array) => number>('int fstatfs(int, void *)'),
}

export function open(path: string, flags: number, mode = 0): number {
  return check(c.open(path, flags | O_CLOEXEC, mode), 'open', path)
}

export function close(fd: number): void {
  // After EINTR and EIO the descriptor is gone all the same.
  if (c.close(fd) < 0 && lastErrno() === 'EBADF') check(-1, 'close', `fd ${fd}`)
}

/** `to` means from now on what `from` does. */
export function dup3(from: number, to: number): void {
  check(c.dup3(from, to, O_CLOEXEC), 'dup3', `fd ${from}`)
}

export function unlink(path: string): void {
  faultPoint('unlink', path)
  check(c.unlink(path), 'unlink', path)
}

export function mkdir(path: string, mode: number): void {
  check(c.mkdir(path, mode), 'mkdir', path)
}

/** For requests whose argument is a number or nothing. */
export function ioctl(fd: number, request: number, argument = 0): number {
  return check(c.ioctl(fd, request, argument), 'ioctl')
}

/** Equivalent to: `chattr =`: it may be changed, appended to and removed. */
export function clearFileFlags(fd: number): void {
  check(c.setFlags(fd, FS_IOC_SETFLAGS, new Int32Array(2)), 'FS_IOC_SETFLAGS')
}

export function pipe(): { readonly read: number; readonly write: number } {
  const fds = new Int32Array(2)
  check(c.pipe2(fds, O_CLOEXEC), 'pipe2')
  return { read: fds[0]!, write: fds[1]! }
}

/** A non-blocking event counter. */
export function eventfd(): number {
  return check(c.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), 'eventfd')
}

const one = new Uint8Array(new BigUint64Array([1n]).buffer)

/** Makes an eventfd ready to be read, for the thread that waits for that. */
export function raiseEvent(fd: number): void {
  writeSync(fd, one)
}

const count = Buffer.alloc(8)

/** It isn't ready any more, until it is raised again. */
export function clearEvent(fd: number): void {
  try {
    readSync(fd, count)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
  }
}

export const NSFS_MAGIC = 0x6e736673

const statfsBuffer = Buffer.alloc(256)

/** `f_type`: the magic number of the file system a descriptor is on. */
export function fstatfs(fd: number): number {
  check(c.fstatfs(fd, statfsBuffer), 'fstatfs')
  return statfsBuffer.readUInt32LE(0)
}
