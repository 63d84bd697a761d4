import { check, declare, lastErrno } from './libc.ts'

export const EPOLLIN = 1
export const EPOLLOUT = 4
/** Told once, until `epollChange`. */
export const EPOLLONESHOT = 1 << 30

const EPOLL_CLOEXEC = 0o2000000
const EPOLL_CTL_ADD = 1
const EPOLL_CTL_DEL = 2
const EPOLL_CTL_MOD = 3

// `struct epoll_event` is packed on x64 only.
const packed = process.arch === 'x64'
const EVENT_SIZE = packed ? 12 : 16
const DATA_OFFSET = packed ? 4 : 8
const MAX_EVENTS = 64

const c = {
  epoll_create1: declare<(flags: number) => number>('int epoll_create1(int)'),
  epoll_ctl: declare<(epfd: number, op: number, fd: number, event: Uint8Array) => number>(
    'int epoll_ctl(int, int, int, void *)',
  ),
  epoll_wait: declare<(epfd: number, events: Uint8Array, max: number, timeoutMs: number) => number>(
    'int epoll_wait(int, void *, int, int)',
  ),
}

const event = Buffer.alloc(16)
const events = Buffer.alloc(MAX_EVENTS * EVENT_SIZE)

export function epollCreate(): number {
  return check(c.epoll_create1(EPOLL_CLOEXEC), 'epoll_create1')
}

export function epollAdd(epfd: number, fd: number, mask: number): void {
  control(epfd, EPOLL_CTL_ADD, fd, mask)
}

/** From now on, something else is waited for. */
export function epollChange(epfd: number, fd: number, mask: number): void {
  control(epfd, EPOLL_CTL_MOD, fd, mask)
}

export function epollDelete(epfd: number, fd: number): void {
  check(c.epoll_ctl(epfd, EPOLL_CTL_DEL, fd, event), 'epoll_ctl')
}

/**
 * Blocks the calling thread until something happens (-1: for ever). Empty: time is up or a signal
 * came. A thread that may block for ever needs an eventfd in its set, or it can't be ended.
 */
export function epollWait(
  epfd: number,
  timeoutMs: number,
): readonly { readonly fd: number; readonly events: number }[] {
  const count = c.epoll_wait(epfd, events, MAX_EVENTS, timeoutMs)
  if (count < 0) {
    if (lastErrno() === 'EINTR') return []
    check(count, 'epoll_wait')
  }
  return Array.from({ length: count }, (_, index) => ({
    events: events.readUInt32LE(index * EVENT_SIZE),
    fd: events.readInt32LE(index * EVENT_SIZE + DATA_OFFSET),
  }))
}

function control(epfd: number, operation: number, fd: number, mask: number): void {
  event.writeUInt32LE(mask, 0)
  event.writeInt32LE(fd, DATA_OFFSET)
  check(c.epoll_ctl(epfd, operation, fd, event), 'epoll_ctl')
}
