import { check, declare, lastErrno } from './libc.ts'

const SIOCGIFNAME = 0x8910
const SIOCGIFINDEX = 0x8933
const IFNAMSIZ = 16

const ioctl = declare<(fd: number, request: number, argument: Uint8Array) => number>(
  'int ioctl(int, unsigned long, void *)',
)

// `struct ifreq`: the name, and a union of 24 bytes.
const request = Buffer.alloc(40)

/**
 * The index of a link of the network namespace a socket (of any family) belongs to; undefined if
 * there is none. Unlike RTM_GETLINK it waits for no lock.
 */
export function interfaceIndex(socket: number, name: string): number | undefined {
  if (name.length >= IFNAMSIZ) return undefined
  for (let at = 0; at < name.length; at++) request[at] = name.charCodeAt(at)
  request[name.length] = 0
  if (ioctl(socket, SIOCGIFINDEX, request) === 0) return request.readInt32LE(IFNAMSIZ)
  if (lastErrno() === 'ENODEV') return undefined
  return check(-1, 'SIOCGIFINDEX', name)
}

/** The name of the link with that index; undefined if there is none. Waits for no lock either. */
export function interfaceName(socket: number, index: number): string | undefined {
  request.writeInt32LE(index, IFNAMSIZ)
  if (ioctl(socket, SIOCGIFNAME, request) === 0) {
    return request.toString('latin1', 0, request.indexOf(0))
  }
  if (lastErrno() === 'ENODEV') return undefined
  check(-1, 'SIOCGIFNAME', `link #${index}`)
  return undefined
}
