import { fstatSync } from 'node:fs'
import { close, ioctl } from '../ffi/file.ts'
import { AF_INET, AF_INET6, SOCK_DGRAM, SOCK_STREAM, socket } from '../ffi/socket.ts'
import { identityOf, Namespaces } from '../namespaces/namespace.ts'

const SIOCGSKNS = 0x894c
const SOCK_NONBLOCK = 0o4000

/** Made when it is first needed, on each thread that needs it: its home is where the process is. */
let namespaces: Namespaces | undefined

/**
 * A socket that neither is bound nor connected nor ever blocks, of the network namespace that socket
 * `beside` is in, or else of the one this process is in. Needs CAP_NET_ADMIN and CAP_SYS_ADMIN there.
 */
export function openSocketBeside(
  beside: number | undefined,
  type: 'udp' | 'tcp',
  family: 4 | 6,
): number {
  if (beside === undefined) return openSocket(type, family)
  namespaces ??= new Namespaces()
  const namespace = ioctl(beside, SIOCGSKNS)
  try {
    return namespaces.enter(namespace, () => openSocket(type, family))
  } finally {
    // As long as it is open, the namespace can't go.
    close(namespace)
  }
}

/** What tells the network namespace of a socket from all others: see `identityOf`. */
export function namespaceOf(fd: number): string {
  const namespace = ioctl(fd, SIOCGSKNS)
  try {
    return identityOf(fstatSync(namespace))
  } finally {
    close(namespace)
  }
}

function openSocket(type: 'udp' | 'tcp', family: 4 | 6): number {
  const kind = type === 'udp' ? SOCK_DGRAM : SOCK_STREAM
  return socket(family === 4 ? AF_INET : AF_INET6, kind | SOCK_NONBLOCK, 0)
}
