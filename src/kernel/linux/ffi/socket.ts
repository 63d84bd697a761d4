import { addressBytes, familyOf, type IpAddress } from '../../../address/address.ts'
import { check, declare, lastErrno } from './libc.ts'

export const AF_INET = 2
export const AF_INET6 = 10
export const AF_NETLINK = 16
export const SOCK_STREAM = 1
export const SOCK_DGRAM = 2
export const SOCK_RAW = 3
const SOCK_CLOEXEC = 0o2000000

export const SOL_SOCKET = 1
export const SO_REUSEADDR = 2
export const SO_SNDBUFFORCE = 32
export const SO_RCVBUFFORCE = 33
export const SO_SNDBUF = 7
export const SO_RCVBUF = 8
const SO_NETNS_COOKIE = 71

export const IPPROTO_IPV6 = 41
export const IPPROTO_ICMPV6 = 58
export const IPV6_MULTICAST_HOPS = 18
export const IPV6_MULTICAST_LOOP = 19
export const IPV6_V6ONLY = 26

const MSG_TRUNC = 0x20
const MSG_DONTWAIT = 0x40
const MSG_NOSIGNAL = 0x4000

const c = {
  socket: declare<(domain: number, type: number, protocol: number) => number>(
    'int socket(int, int, int)',
  ),
  bind: declare<(fd: number, address: Uint8Array, length: number) => number>(
    'int bind(int, const void *, uint32_t)',
  ),
  listen: declare<(fd: number, backlog: number) => number>('int listen(int, int)'),
  connect: declare<(fd: number, address: Uint8Array, length: number) => number>(
    'int connect(int, const void *, uint32_t)',
  ),
  send: declare<(fd: number, bytes: Uint8Array, length: number, flags: number) => number>(
    'intptr_t send(int, const void *, size_t, int)',
  ),
  recv: declare<(fd: number, buffer: Uint8Array, length: number, flags: number) => number>(
    'intptr_t recv(int, void *, size_t, int)',
  ),
  setsockopt: declare<
    (fd: number, level: number, option: number, value: Int32Array, length: number) => number
  >('int setsockopt(int, int, int, const void *, uint32_t)'),
  getsockopt: declare<
    (fd: number, level: number, option: number, value: Uint8Array, length: Uint32Array) => number
  >('int getsockopt(int, int, int, void *, uint32_t *)'),
  getsockname: declare<(fd: number, address: Uint8Array, length: Uint32Array) => number>(
    'int getsockname(int, void *, uint32_t *)',
  ),
}

export function socket(domain: number, type: number, protocol: number): number {
  return check(c.socket(domain, type | SOCK_CLOEXEC, protocol), 'socket')
}

export function bind(fd: number, address: Uint8Array, target?: string): void {
  check(c.bind(fd, address, address.length), 'bind', target)
}

/** Connections that are not accepted yet: as many as the kernel allows (`somaxconn`). */
export function listen(fd: number, target?: string): void {
  check(c.listen(fd, 0x7fffffff), 'listen', target)
}

export function connect(fd: number, address: Uint8Array, target?: string): void {
  check(c.connect(fd, address, address.length), 'connect', target)
}

/** Sends the first `length` bytes. */
export function send(fd: number, bytes: Uint8Array, length: number): void {
  check(c.send(fd, bytes, length, MSG_NOSIGNAL), 'send')
}

/**
 * Receives one datagram without waiting. Answers with its real length, which is greater than the
 * buffer's if it was cut off, or undefined if there is none.
 */
export function recv(fd: number, buffer: Uint8Array): number | undefined {
  const length = c.recv(fd, buffer, buffer.length, MSG_DONTWAIT | MSG_TRUNC)
  if (length >= 0) return length
  if (lastErrno() === 'EAGAIN') return undefined
  return check(length, 'recv')
}

const optionValue = new Int32Array(1)

/** For options that are a number. */
export function setsockopt(fd: number, level: number, option: number, value: number): void {
  optionValue[0] = value
  check(c.setsockopt(fd, level, option, optionValue, 4), 'setsockopt')
}

const optionLength = new Uint32Array(1)

/** For options that are a structure: what is asked is in it, and the answer takes its place. */
export function getsockopt(fd: number, level: number, option: number, value: Uint8Array): void {
  optionLength[0] = value.length
  check(c.getsockopt(fd, level, option, value, optionLength), 'getsockopt')
}

const cookieValue = Buffer.alloc(8)

/** The kernel's own name of the network namespace a socket belongs to (SO_NETNS_COOKIE), decimal. */
export function namespaceCookie(fd: number): string {
  getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, cookieValue)
  return cookieValue.readBigUInt64LE().toString()
}

const netlinkAddress = Buffer.alloc(12)

/** `nl_pid` of a netlink socket: what the kernel calls it. */
export function netlinkPortId(fd: number): number {
  optionLength[0] = netlinkAddress.length
  check(c.getsockname(fd, netlinkAddress, optionLength), 'getsockname')
  return netlinkAddress.readUInt32LE(4)
}

/**
 * `struct sockaddr_in` or `sockaddr_in6`. The link (its index) only matters where the address means
 * another thing on each: `fe80::…`, `ff02::…`.
 */
export function internetAddress(address: IpAddress, port: number, link = 0): Uint8Array {
  const v4 = familyOf(address) === 4
  const bytes = Buffer.alloc(v4 ? 16 : 28)
  bytes.writeUInt16LE(v4 ? AF_INET : AF_INET6, 0)
  bytes.writeUInt16BE(port, 2)
  bytes.set(addressBytes(address), v4 ? 4 : 8)
  if (!v4) bytes.writeUInt32LE(link, 24)
  return bytes
}
