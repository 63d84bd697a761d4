import { fchmodSync } from 'node:fs'
import koffi from 'koffi'
import { close } from './file.ts'
import { check, declare, lastErrno } from './libc.ts'
import {
  bind,
  connect,
  getsockopt,
  listen,
  SOCK_DGRAM,
  SOCK_STREAM,
  SOL_SOCKET,
  send,
  socket,
} from './socket.ts'

const AF_UNIX = 1
const SCM_RIGHTS = 1
const SO_PEERCRED = 17
const SO_SNDTIMEO = 21
const SOCK_CLOEXEC = 0o2000000
const MSG_CTRUNC = 8
const MSG_DONTWAIT = 0x40
const MSG_NOSIGNAL = 0x4000
const MSG_CMSG_CLOEXEC = 0x40000000
const PATH_BYTES = 108
const MOST_DESCRIPTORS = 253

const c = {
  accept4: declare<(fd: number, address: null, length: null, flags: number) => number>(
    'int accept4(int, void *, void *, int)',
  ),
  sendmsg: declare<(fd: number, message: Uint8Array, flags: number) => number>(
    'intptr_t sendmsg(int, const void *, int)',
  ),
  recvmsg: declare<(fd: number, message: Uint8Array, flags: number) => number>(
    'intptr_t recvmsg(int, void *, int)',
  ),
  setsockopt: declare<
    (fd: number, level: number, option: number, value: Uint8Array, length: number) => number
  >('int setsockopt(int, int, int, const void *, uint32_t)'),
}

/**
 * A connection to the listener at that path. Errors: ENOENT, ECONNREFUSED; EAGAIN: so many wait there
 * already that there was no room for one more in time.
 */
export function connectUnix(path: string, timeoutMs: number): number {
  return opened((fd) => {
    setSendTimeout(fd, timeoutMs)
    connect(fd, unixAddress(path), path)
    setSendTimeout(fd, 0)
  })
}

/** A socket that listens at that path, where nothing may be yet, for its owner. Errors: EADDRINUSE. */
export function listenUnix(path: string): number {
  return opened((fd) => {
    // What is made at the path gets it from the socket.
    fchmodSync(fd, 0o600)
    bind(fd, unixAddress(path), path)
    listen(fd, path)
  })
}

/** The next connection; undefined if there is none and the socket doesn't block. */
export function accept(fd: number): number | undefined {
  const connection = c.accept4(fd, null, null, SOCK_CLOEXEC)
  if (connection >= 0) return connection
  if (lastErrno() === 'EAGAIN' || lastErrno() === 'ECONNABORTED') return undefined
  return check(connection, 'accept4')
}

const credentials = Buffer.alloc(12)

/** Who connected, or listens, at the other end: as it was then, and as this process sees it. */
export function peerCredentials(fd: number): { readonly pid: number; readonly uid: number } {
  getsockopt(fd, SOL_SOCKET, SO_PEERCRED, credentials)
  return { pid: credentials.readInt32LE(0), uid: credentials.readUInt32LE(4) }
}

/** One datagram to a socket at a path, or with `@` at its beginning, at an abstract address. */
export function sendDatagram(path: string, text: string): void {
  const fd = socket(AF_UNIX, SOCK_DGRAM, 0)
  try {
    connect(fd, path.startsWith('@') ? abstractAddress(path.slice(1)) : unixAddress(path), path)
    const bytes = Buffer.from(text)
    send(fd, bytes, bytes.length)
  } finally {
    close(fd)
  }
}

// `struct msghdr`, one `struct iovec`, and a `struct cmsghdr` with descriptors behind it.
const message = Buffer.alloc(56)
const vector = Buffer.alloc(16)
const control = Buffer.alloc(16 + MOST_DESCRIPTORS * 4)
message.writeBigUInt64LE(koffi.address(vector), 16)
message.writeBigUInt64LE(1n, 24)

/**
 * Sends bytes, and with the first of them duplicates of descriptors. Answers with how many bytes were
 * taken; undefined: none could be without waiting.
 */
export function sendWithDescriptors(
  fd: number,
  bytes: Uint8Array,
  descriptors: readonly number[],
  { wait }: { readonly wait: boolean },
): number | undefined {
  vector.writeBigUInt64LE(koffi.address(bytes), 0)
  vector.writeBigUInt64LE(BigInt(bytes.length), 8)
  const length = descriptors.length === 0 ? 0 : 16 + descriptors.length * 4
  if (length > 0) {
    control.writeBigUInt64LE(BigInt(length), 0)
    control.writeInt32LE(SOL_SOCKET, 8)
    control.writeInt32LE(SCM_RIGHTS, 12)
    for (const [at, each] of descriptors.entries()) control.writeInt32LE(each, 16 + at * 4)
  }
  describeControl(length)
  const sent = c.sendmsg(fd, message, MSG_NOSIGNAL | (wait ? 0 : MSG_DONTWAIT))
  if (sent < 0 && lastErrno() === 'EAGAIN') return undefined
  return check(sent, 'sendmsg')
}

interface Received {
  /** 0: the other end is closed. */
  readonly length: number
  /** The receiver's from now on. */
  readonly descriptors: readonly number[]
}

/** Receives what is there, at most as much as fits; undefined: nothing, without waiting. */
export function receiveWithDescriptors(
  fd: number,
  buffer: Uint8Array,
  { wait }: { readonly wait: boolean },
): Received | undefined {
  vector.writeBigUInt64LE(koffi.address(buffer), 0)
  vector.writeBigUInt64LE(BigInt(buffer.length), 8)
  describeControl(control.length)
  const length = c.recvmsg(fd, message, MSG_CMSG_CLOEXEC | (wait ? 0 : MSG_DONTWAIT))
  if (length < 0 && lastErrno() === 'EAGAIN') return undefined
  check(length, 'recvmsg')
  return { length, descriptors: receivedDescriptors() }
}

function receivedDescriptors(): number[] {
  const length = Number(message.readBigUInt64LE(40))
  const descriptors: number[] = []
  // Only one such block comes at a time.
  if (length >= 16 && control.readInt32LE(12) === SCM_RIGHTS) {
    const end = Math.min(length, Number(control.readBigUInt64LE(0)))
    for (let at = 16; at + 4 <= end; at += 4) descriptors.push(control.readInt32LE(at))
  }
  if ((message.readInt32LE(48) & MSG_CTRUNC) === 0) return descriptors
  for (const each of descriptors) close(each)
  throw new Error('more descriptors than there may be, or than this process can have')
}

function describeControl(length: number): void {
  message.writeBigUInt64LE(length === 0 ? 0n : koffi.address(control), 32)
  message.writeBigUInt64LE(BigInt(length), 40)
}

/** Of sending, and of connecting; 0: none. */
function setSendTimeout(fd: number, timeoutMs: number): void {
  // `struct timeval`.
  const seconds = Math.floor(timeoutMs / 1000)
  const value = new BigInt64Array([BigInt(seconds), BigInt(timeoutMs - seconds * 1000) * 1000n])
  const bytes = new Uint8Array(value.buffer)
  check(c.setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, bytes, bytes.length), 'setsockopt')
}

function opened(prepare: (fd: number) => void): number {
  const fd = socket(AF_UNIX, SOCK_STREAM, 0)
  try {
    prepare(fd)
    return fd
  } catch (error) {
    close(fd)
    throw error
  }
}

function unixAddress(path: string): Uint8Array {
  const bytes = Buffer.alloc(2 + PATH_BYTES)
  bytes.writeUInt16LE(AF_UNIX, 0)
  if (Buffer.byteLength(path) >= PATH_BYTES) {
    throw new Error(`${path} is too long for a unix socket: at most ${PATH_BYTES - 1} bytes`)
  }
  bytes.write(path, 2)
  return bytes
}

/** Its length counts, and there is no NUL at its end. */
function abstractAddress(name: string): Uint8Array {
  const bytes = Buffer.from(`..\0${name}`)
  bytes.writeUInt16LE(AF_UNIX, 0)
  return bytes
}
