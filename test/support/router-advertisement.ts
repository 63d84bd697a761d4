import { addressBytes, parseAddress } from '#dist/address/address.js'
import { close } from '#dist/kernel/linux/ffi/file.js'
import { interfaceIndex } from '#dist/kernel/linux/ffi/interface.js'
import {
  AF_INET6,
  connect,
  internetAddress,
  SOCK_RAW,
  send,
  setsockopt,
  socket,
} from '#dist/kernel/linux/ffi/socket.js'
import { inNamespace } from './echo.ts'

const IPPROTO_IPV6 = 41
const IPPROTO_ICMPV6 = 58
const IPV6_MULTICAST_HOPS = 18

/**
 * What a router says to all on its link: "I am your default router for so many seconds, and this
 * /64 is here". Sent once, from the namespace of that path.
 */
export function advertise(path: string, link: string, prefix: string, lifetimeS: number): void {
  inNamespace(path, () => {
    const fd = socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6)
    try {
      // Others may have come from far away, so none believes them.
      setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 255)
      connect(fd, internetAddress(parseAddress('ff02::1'), 0, interfaceIndex(fd, link)))
      const message = advertisement(prefix, lifetimeS)
      send(fd, message, message.length)
    } finally {
      close(fd)
    }
  })
}

/** RFC 4861, 4.2 and 4.6.2. The kernel puts the checksum in. */
function advertisement(prefix: string, lifetimeS: number): Buffer {
  const message = Buffer.alloc(48)
  const onLinkAndAutonomous = 0xc0
  message.writeUInt8(134, 0)
  message.writeUInt8(64, 4)
  message.writeUInt16BE(lifetimeS, 6)
  message.set([3, 4, 64, onLinkAndAutonomous], 16)
  message.writeUInt32BE(lifetimeS, 20)
  message.writeUInt32BE(lifetimeS, 24)
  message.set(addressBytes(parseAddress(prefix)), 32)
  return message
}
