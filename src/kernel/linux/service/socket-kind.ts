import { isKernelError } from '../../../base/errors.ts'
import {
  AF_INET,
  AF_INET6,
  getsockopt,
  SO_RCVBUFFORCE,
  SOCK_DGRAM,
  SOCK_STREAM,
  SOL_SOCKET,
  setsockopt,
} from '../ffi/socket.ts'

const SO_TYPE = 3
const SO_ACCEPTCONN = 30
const SO_DOMAIN = 39

const value = Buffer.alloc(4)

/** What a descriptor is; undefined: something else. */
export function socketKind(fd: number): 'udp' | 'tcp listener' | undefined {
  try {
    const family = option(fd, SO_DOMAIN)
    if (family !== AF_INET && family !== AF_INET6) return undefined
    const type = option(fd, SO_TYPE)
    if (type === SOCK_DGRAM) return 'udp'
    return type === SOCK_STREAM && option(fd, SO_ACCEPTCONN) === 1 ? 'tcp listener' : undefined
  } catch (error) {
    if (isKernelError(error)) return undefined
    throw error
  }
}

/** So many bytes of datagrams may wait in it, with what the kernel needs for each. */
export function setReceiveRoom(fd: number, bytes: number): void {
  try {
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, bytes)
  } catch (error) {
    // The usual size does as well, for fewer at once.
    if (!isKernelError(error, 'EPERM')) throw error
  }
}

function option(fd: number, name: number): number {
  getsockopt(fd, SOL_SOCKET, name, value)
  return value.readInt32LE()
}
