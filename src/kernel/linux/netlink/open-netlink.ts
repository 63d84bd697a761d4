import { isKernelError } from '../../../base/errors.ts'
import { close } from '../ffi/file.ts'
import * as ffi from '../ffi/socket.ts'

export const SOL_NETLINK = 270

const NETLINK_CAP_ACK = 10
const NETLINK_EXT_ACK = 11
const NETLINK_GET_STRICT_CHK = 12

// Limits, not allocations: room for 10,000 nftables elements in one message, and for their errors.
const SEND_BUFFER = 16 << 20
const RECEIVE_BUFFER = 4 << 20

/** `struct sockaddr_nl` of the kernel. */
const kernelAddress = Uint8Array.of(ffi.AF_NETLINK, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)

/** A descriptor of a socket in the namespace of the calling thread. `strict`: filters of dumps count. */
export function openNetlink(protocol: number, strict: boolean): number {
  const fd = ffi.socket(ffi.AF_NETLINK, ffi.SOCK_RAW, protocol)
  try {
    ffi.setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, 1)
    ffi.setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, 1)
    if (strict) ffi.setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1)
    setBufferSize(fd, ffi.SO_SNDBUFFORCE, ffi.SO_SNDBUF, SEND_BUFFER)
    setBufferSize(fd, ffi.SO_RCVBUFFORCE, ffi.SO_RCVBUF, RECEIVE_BUFFER)
    // Connected to the kernel: no other sender can reach us, and no address goes with a send.
    ffi.connect(fd, kernelAddress)
    return fd
  } catch (error) {
    close(fd)
    throw error
  }
}

/** Beyond the machine's limit if we may. */
function setBufferSize(fd: number, force: number, plain: number, size: number): void {
  try {
    ffi.setsockopt(fd, ffi.SOL_SOCKET, force, size)
  } catch (error) {
    if (!isKernelError(error, 'EPERM')) throw error
    ffi.setsockopt(fd, ffi.SOL_SOCKET, plain, size)
  }
}
