import { familyOf, type IpAddress } from '../../../address/address.ts'
import type { PortRange } from '../../../address/port.ts'
import { isKernelError } from '../../../base/errors.ts'
import { close } from '../ffi/file.ts'
import { listBoundSockets } from '../ports/sock-diag.ts'
import { openListener } from '../ports/sockets.ts'
import type { ResolverPorts } from './resolver-table.ts'

/** Not of those that the kernel gives away, and hardly any program's choice. */
const FIRST_PORT = 61053
const FIXED_PORTS = 16
const RANDOM_PORTS = 64
const FIRST_RANDOM_PORT = 1024

export const USUAL_PORTS: ResolverPorts = { udp: FIRST_PORT, tcp: FIRST_PORT }
/** They are hardly ever anywhere else. */
export const USUAL_RANGE: PortRange = { from: FIRST_PORT, to: FIRST_PORT + FIXED_PORTS - 1 }

export interface ResolverSockets {
  readonly ports: ResolverPorts
  /** A UDP socket and a listening TCP socket: the caller's from now on. */
  readonly descriptors: readonly [udp: number, tcp: number]
}

/**
 * The sockets of a resolver at a loopback address of the namespace the calling thread is in, where `lo`
 * is up. They belong to that namespace for good and keep it alive until they are closed.
 */
export function openResolverSockets(address: IpAddress): ResolverSockets {
  const udp = openSomewhere('udp', address)
  try {
    const tcp = openSomewhere('tcp', address)
    return { ports: { udp: udp.port, tcp: tcp.port }, descriptors: [udp.fd, tcp.fd] }
  } catch (error) {
    close(udp.fd)
    throw error
  }
}

/** Where those sockets are that are open; undefined: there are none. */
export function findResolverPorts(address: IpAddress): ResolverPorts | undefined {
  const [udp, tcp] = [findPort('udp', address), findPort('tcp', address)]
  return udp === undefined || tcp === undefined ? undefined : { udp, tcp }
}

function openSomewhere(
  type: 'udp' | 'tcp',
  address: IpAddress,
): { readonly fd: number; readonly port: number } {
  for (let attempt = 0; ; attempt += 1) {
    const port = attempt < FIXED_PORTS ? FIRST_PORT + attempt : randomPort()
    try {
      return { fd: openListener({ type, family: familyOf(address), address, port }), port }
    } catch (error) {
      const isLast = attempt === FIXED_PORTS + RANDOM_PORTS - 1
      if (isLast || !isKernelError(error, 'EADDRINUSE')) throw error
    }
  }
}

function randomPort(): number {
  return FIRST_RANDOM_PORT + Math.floor(Math.random() * (65536 - FIRST_RANDOM_PORT))
}

/** The usual one before any other: in an adopted container there may be more resolvers than ours. */
function findPort(protocol: 'udp' | 'tcp', at: IpAddress): number | undefined {
  const range = { from: FIRST_RANDOM_PORT, to: 65535 }
  const all = listBoundSockets(familyOf(at), protocol, [range])
  const ports = all.filter(({ address }) => address === at).map(({ port }) => port)
  const isUsual = (port: number) => port >= USUAL_RANGE.from && port <= USUAL_RANGE.to
  return ports.sort((a, b) => Number(isUsual(b)) - Number(isUsual(a)) || a - b)[0]
}
