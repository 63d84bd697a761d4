import { check, declare, lastErrno } from './libc.ts'

export const POLLIN = 1
export const POLLOUT = 4

const poll = declare<(descriptors: Uint8Array, count: number, timeoutMs: number) => number>(
  'int poll(void *, unsigned long, int)',
)

const descriptor = Buffer.alloc(8)

/**
 * Blocks the calling thread until something can be done with a descriptor (POLLIN, POLLOUT), or its
 * other end is closed. false: time is up.
 */
export function waitFor(fd: number, events: number, timeoutMs: number): boolean {
  const deadline = performance.now() + timeoutMs
  for (let rest = timeoutMs; ; rest = deadline - performance.now()) {
    descriptor.writeInt32LE(fd, 0)
    descriptor.writeInt16LE(events, 4)
    const count = poll(descriptor, 1, Math.max(0, Math.ceil(rest)))
    if (count >= 0) return count > 0
    if (lastErrno() !== 'EINTR') check(count, 'poll')
  }
}
