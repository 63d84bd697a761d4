import { parseAddress } from '#dist/address/address.js'
import { close } from '#dist/kernel/linux/ffi/file.js'
import {
  AF_INET,
  AF_INET6,
  connect,
  internetAddress,
  SOCK_RAW,
  send,
  socket,
} from '#dist/kernel/linux/ffi/socket.js'
import { inNamespace } from './echo.ts'

const IPPROTO_SCTP = 132

/** Sends the first packet of an SCTP association; for kernels whose sockets can't. */
export function sendInit(path: string, to: string, port: number): void {
  const packet = initPacket(port)
  inNamespace(path, () => {
    const fd = socket(to.includes(':') ? AF_INET6 : AF_INET, SOCK_RAW, IPPROTO_SCTP)
    try {
      connect(fd, internetAddress(parseAddress(to), 0))
      send(fd, packet, packet.length)
    } finally {
      close(fd)
    }
  })
}

function initPacket(port: number): Buffer {
  const packet = Buffer.alloc(32)
  packet.writeUInt16BE(40_000, 0)
  packet.writeUInt16BE(port, 2)
  // Chunk INIT of 20 bytes: tag, window, streams out and in, first sequence number.
  packet.writeUInt8(1, 12)
  packet.writeUInt16BE(20, 14)
  packet.writeUInt32BE(1, 16)
  packet.writeUInt32BE(65_536, 20)
  packet.writeUInt16BE(1, 24)
  packet.writeUInt16BE(1, 26)
  packet.writeUInt32BE(1, 28)
  packet.writeUInt32LE(crc32c(packet), 8)
  return packet
}

/** With a wrong checksum conntrack would let the packet pass, but not translate it. */
function crc32c(bytes: Uint8Array): number {
  let crc = ~0
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0)
  }
  return ~crc >>> 0
}
