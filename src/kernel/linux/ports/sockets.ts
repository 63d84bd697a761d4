import { socketText } from '../../../address/address.ts'
import type { SocketRequest } from '../../kernel.ts'
import { faultPoint } from '../ffi/fault.ts'
import { close } from '../ffi/file.ts'
import {
  AF_INET,
  AF_INET6,
  bind,
  IPPROTO_IPV6,
  IPV6_V6ONLY,
  internetAddress,
  listen,
  SO_REUSEADDR,
  SOCK_DGRAM,
  SOCK_STREAM,
  SOL_SOCKET,
  setsockopt,
  socket,
} from '../ffi/socket.ts'

/**
 * A socket of the namespace the calling thread is in: bound, not listening. It belongs to that
 * namespace for good and keeps it alive until it is closed.
 */
export function openBoundSocket(request: SocketRequest): number {
  const { family, type, address, port } = request
  const fd = openUnboundSocket(type, family)
  try {
    if (type === 'tcp') setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1)
    if (family === 6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1)
    const where = target(request)
    faultPoint('bind', where)
    bind(fd, internetAddress(address, port), where)
    return fd
  } catch (error) {
    close(fd)
    throw error
  }
}

/** The same, and TCP is listening: only then is it certain that no other socket is. */
export function openListener(request: SocketRequest): number {
  const fd = openBoundSocket(request)
  try {
    if (request.type === 'tcp') listen(fd, target(request))
    return fd
  } catch (error) {
    close(fd)
    throw error
  }
}

export function openUnboundSocket(
  type: SocketRequest['type'],
  family: SocketRequest['family'],
): number {
  return socket(family === 4 ? AF_INET : AF_INET6, type === 'udp' ? SOCK_DGRAM : SOCK_STREAM, 0)
}

function target(request: SocketRequest): string {
  return `${request.type} ${socketText(request)}`
}

/** Whether no socket is in the way of binding that. It is tried, without SO_REUSEADDR, and undone. */
export function canBind({ type, family, address, port }: SocketRequest): boolean {
  const fd = openUnboundSocket(type, family)
  try {
    if (family === 6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1)
    bind(fd, internetAddress(address, port))
    return true
  } catch {
    return false
  } finally {
    close(fd)
  }
}
