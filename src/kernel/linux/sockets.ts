import { isIPv6 } from 'node:net'
import type { SocketRequest } from '../kernel.ts'
import { close } from './ffi/file.ts'
import {
  AF_INET,
  AF_INET6,
  bind,
  internetAddress,
  SO_REUSEADDR,
  SOCK_DGRAM,
  SOCK_STREAM,
  SOL_SOCKET,
  setsockopt,
  socket,
} from './ffi/socket.ts'

const IPPROTO_IPV6 = 41
const IPV6_V6ONLY = 26

/**
 * A socket of the namespace the calling thread is in: bound, not listening. It belongs to that
 * namespace for good and keeps it alive until it is closed.
 */
export function openBoundSocket(request: SocketRequest): number {
  const { family, type, address, port } = request
  const fd = socket(family === 4 ? AF_INET : AF_INET6, type === 'udp' ? SOCK_DGRAM : SOCK_STREAM, 0)
  try {
    if (type === 'tcp') setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1)
    if (family === 6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1)
    const where = isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`
    bind(fd, internetAddress(address, port), `${type} ${where}`)
    return fd
  } catch (error) {
    close(fd)
    throw error
  }
}
