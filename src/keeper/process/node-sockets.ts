import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { closeSync } from 'node:fs'
import { Socket, type SocketConstructorOpts } from 'node:net'
import { familyOf, type IpAddress } from '../../address/address.ts'

/** Node's socket of a descriptor, which is closed if Node refuses it. Neither keeps the process alive. */
export function tcpSocketOn(fd: number, options: SocketConstructorOpts = {}): Socket {
  // Left to itself, Node reads from a given descriptor at once.
  const manual = { ...options, fd, manualStart: true } as SocketConstructorOpts
  return closing(fd, () => new Socket(manual)).unref()
}

/** The same for a UDP socket of that address's family. */
export function udpSocketOn(fd: number, address: IpAddress): UdpSocket {
  const socket = createSocket(familyOf(address) === 4 ? 'udp4' : 'udp6')
  return closing(fd, () => {
    try {
      return socket.bind({ fd })
    } catch (error) {
      socket.close()
      throw error
    }
  }).unref()
}

function closing<T>(fd: number, use: () => T): T {
  try {
    return use()
  } catch (error) {
    closeSync(fd)
    throw error
  }
}
