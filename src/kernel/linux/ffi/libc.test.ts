import { readFileSync, writeSync } from 'node:fs'
import { afterEach, describe, expect, it } from 'vitest'
import type { IpAddress } from '../../../address/address.ts'
import { isKernelError } from '../../../base/errors.ts'
import { errnoName } from './errno.ts'
import { close, eventfd, fstatfs, NSFS_MAGIC, O_RDONLY, open, pipe } from './file.ts'
import { CLONE_NEWNET, namespaceType, pidfdOpen } from './namespace.ts'
import {
  AF_INET,
  AF_INET6,
  bind,
  connect,
  internetAddress,
  namespaceCookie,
  recv,
  SOCK_DGRAM,
  send,
  socket,
} from './socket.ts'
import { EPOLLIN, epollAdd, epollCreate, epollDelete, epollWait } from './wait.ts'

const opened: number[] = []

afterEach(() => {
  for (const fd of opened.splice(0)) close(fd)
})

function keep(fd: number): number {
  opened.push(fd)
  return fd
}

describe('errors', () => {
  it('have the name of the errno, the call and its object', () => {
    let error: unknown
    try {
      open('/no/such/file', O_RDONLY)
    } catch (caught) {
      error = caught
    }
    expect(isKernelError(error, 'ENOENT')).toBe(true)
    expect(error).toMatchObject({ operation: 'open', target: '/no/such/file' })
    expect(() => close(1 << 30)).toThrow('close fd 1073741824: EBADF')
    expect(() => pidfdOpen(1 << 22)).toThrow(/^pidfd_open pid 4194304: (ESRCH|EINVAL)$/)
  })

  it('have names Node does not know, and the usual one of two', () => {
    expect([11, 17, 54, 95, 117, 9999].map(errnoName)).toEqual([
      'EAGAIN',
      'EEXIST',
      'EXFULL',
      'EOPNOTSUPP',
      'EUCLEAN',
      'errno 9999',
    ])
  })
})

describe('descriptors', () => {
  it('are never inherited by a program', () => {
    const { read, write } = pipe()
    const all = [
      keep(read),
      keep(write),
      keep(open('/proc/self/status', O_RDONLY)),
      keep(eventfd()),
      keep(socket(AF_INET, SOCK_DGRAM, 0)),
      keep(epollCreate()),
      keep(pidfdOpen(process.pid)),
    ]
    for (const fd of all) {
      const flags = /flags:\s+([0-7]+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))![1]!
      expect(Number.parseInt(flags, 8) & 0o2000000, `fd ${fd}`).not.toBe(0)
    }
  })

  it('of a namespace tell what they are', () => {
    const fd = keep(open('/proc/self/ns/net', O_RDONLY))
    expect(fstatfs(fd)).toBe(NSFS_MAGIC)
    expect(namespaceType(fd)).toBe(CLONE_NEWNET)
    expect(namespaceCookie(keep(socket(AF_INET, SOCK_DGRAM, 0)))).toMatch(/^[1-9][0-9]*$/)
  })
})

describe('waiting', () => {
  it('tells which descriptor can be read', () => {
    const set = keep(epollCreate())
    const first = keep(eventfd())
    const second = keep(eventfd())
    epollAdd(set, first, EPOLLIN)
    epollAdd(set, second, EPOLLIN)
    expect(epollWait(set, 0)).toEqual([])
    writeSync(second, Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]))
    expect(epollWait(set, 1000)).toEqual([{ fd: second, events: EPOLLIN }])
    epollDelete(set, second)
    expect(epollWait(set, 0)).toEqual([])
  })
})

describe('sockets', () => {
  it.each([
    ['127.0.0.1', AF_INET],
    ['::1', AF_INET6],
  ])('receive what was sent to %s, and how long it really was', (text, family) => {
    const address = text as IpAddress
    const receiver = keep(socket(family, SOCK_DGRAM, 0))
    const port = 20_000 + (process.pid % 10_000)
    bind(receiver, internetAddress(address, port))
    const buffer = Buffer.alloc(4)
    expect(recv(receiver, buffer)).toBeUndefined()
    const sender = keep(socket(family, SOCK_DGRAM, 0))
    connect(sender, internetAddress(address, port))
    send(sender, Buffer.from('datagram'), 7)
    expect(recv(receiver, buffer)).toBe(7)
    expect(buffer.toString()).toBe('data')
  })
})
