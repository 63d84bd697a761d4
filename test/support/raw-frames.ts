import { close } from '#dist/kernel/linux/ffi/file.js'
import { interfaceIndex } from '#dist/kernel/linux/ffi/interface.js'
import { bind, SOCK_RAW, send, socket } from '#dist/kernel/linux/ffi/socket.js'
import { inNamespace } from './echo.ts'

const AF_PACKET = 17

/** Sends frames as they are by a link of the namespace of that path. */
export function sendFrames(path: string, link: string, frames: Iterable<Buffer>): void {
  inNamespace(path, () => {
    const fd = socket(AF_PACKET, SOCK_RAW, 0)
    try {
      const address = Buffer.alloc(20)
      address.writeUInt16LE(AF_PACKET, 0)
      address.writeInt32LE(interfaceIndex(fd, link) ?? 0, 4)
      bind(fd, address)
      for (const frame of frames) send(fd, frame, frame.length)
    } finally {
      close(fd)
    }
  })
}

/** What says nothing but who sends it: to all, a question for an address without a holder. */
export function arpFrom(mac: Buffer, ipv4: readonly number[]): Buffer {
  const frame = Buffer.alloc(42)
  frame.fill(0xff, 0, 6)
  mac.copy(frame, 6)
  frame.set([0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1], 12)
  mac.copy(frame, 22)
  frame.set(ipv4, 28)
  frame.set([...ipv4.slice(0, 3), 254], 38)
  return frame
}
