import { readFileSync } from 'node:fs'
import { familyOf, type IpAddress } from '#dist/address/address.js'
import { type PortRange, parsePorts } from '#dist/address/port.js'
import { close } from '#dist/kernel/linux/ffi/file.js'
import {
  AF_INET,
  AF_INET6,
  bind,
  internetAddress,
  listen,
  namespaceCookie,
  SOCK_DGRAM,
  SOCK_STREAM,
  setsockopt,
  socket,
} from '#dist/kernel/linux/ffi/socket.js'
import { PortReservations } from '#dist/kernel/linux/ports/port-reservations.js'
import type { ReservationResource } from '#dist/kernel/resource.js'
import { inNamespace } from './echo.ts'

const IPPROTO_IPV6 = 41
const IPV6_V6ONLY = 26

export interface BoundPort {
  readonly protocol: 'tcp' | 'udp' | 'sctp'
  readonly address: IpAddress
  readonly port: number
  /** true: an IPv6 socket for IPv4 as well. */
  readonly dual?: boolean
  /** false: TCP that is bound and doesn't listen. */
  readonly listening?: boolean
}

/** A socket of this process in the namespace of that path. It throws as the kernel refuses. */
export function bindPort(path: string, request: BoundPort): number {
  const { protocol, address, port, dual = false, listening = protocol === 'tcp' } = request
  const family = familyOf(address) === 4 ? AF_INET : AF_INET6
  const type = protocol === 'tcp' ? SOCK_STREAM : SOCK_DGRAM
  const fd = inNamespace(path, () => socket(family, type, 0))
  try {
    if (family === AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, dual ? 0 : 1)
    bind(fd, internetAddress(address, port))
    if (listening) listen(fd)
    return fd
  } catch (error) {
    close(fd)
    throw error
  }
}

export function reservation(
  ports: string | PortRange,
  address = '0.0.0.0',
  protocol: ReservationResource['protocol'] = 'tcp',
): ReservationResource {
  const range = typeof ports === 'string' ? parsePorts(ports) : ports
  return { kind: 'reservation', protocol, address: address as IpAddress, ports: range }
}

/** What a process of ours is called. */
export function ownName(): string {
  return readFileSync('/proc/self/comm', 'utf8').trim()
}

/** Whether this machine has what it takes to keep others from binding ports. */
export function canReservePorts(): boolean {
  const fd = socket(AF_INET, SOCK_DGRAM, 0)
  const reservations = new PortReservations(namespaceCookie(fd), { reservePorts: true })
  try {
    return reservations.isPossible()
  } finally {
    reservations.close()
    close(fd)
  }
}
