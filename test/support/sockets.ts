import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Server, Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { familyOf, parseAddress } from '#dist/address/address.js'
import { openBoundSocket, openUnboundSocket } from '#dist/kernel/linux/ports/sockets.js'
import { inNamespace } from './echo.ts'

/** TCP and UDP of a namespace, by its path, for the test's own process. */

const unconnected = { allowHalfOpen: true, manualStart: true }

/** A connection from the namespace at that path; its errors are its end. */
export async function connectIn(path: string, address: string, port: number): Promise<Socket> {
  const family = familyOf(parseAddress(address))
  const fd = inNamespace(path, () => openUnboundSocket('tcp', family))
  let error: Error | undefined
  const socket = new Socket({ fd, ...unconnected }).connect({ host: address, port })
  socket.once('error', (why) => {
    error = why
  })
  socket.on('error', () => {})
  await new Promise((resolve) => socket.once('connect', resolve).once('close', resolve))
  // One that is cut off as soon as it is there may never have been told that it was.
  if (error !== undefined && !('code' in error && error.code === 'ECONNRESET')) throw error
  return socket
}

/** Listens; a client that connects is passed on, and cut off at the end. */
export async function serveTcp(
  path: string,
  address: string,
  port: number,
  onClient: (client: Socket) => void,
): Promise<AsyncDisposable & { readonly clients: ReadonlySet<Socket> }> {
  const clients = new Set<Socket>()
  const server: Server = createServer({ allowHalfOpen: true }, (client) => {
    clients.add(client)
    client.on('error', () => {}).once('close', () => clients.delete(client))
    onClient(client)
  })
  server.listen({ fd: boundIn(path, 'tcp', address, port) })
  await once(server, 'listening')
  return {
    clients,
    async [Symbol.asyncDispose]() {
      for (const client of clients) client.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

export interface UdpEnd extends AsyncDisposable {
  readonly socket: UdpSocket
  /** All that came, oldest first, each with where it came from. */
  readonly heard: readonly { readonly text: string; readonly address: string; port: number }[]
}

/** A UDP socket of the namespace at that path; port 0 is any. */
export async function openUdp(path: string, address: string, port: number): Promise<UdpEnd> {
  const socket = createSocket(familyOf(parseAddress(address)) === 4 ? 'udp4' : 'udp6')
  const heard: { text: string; address: string; port: number }[] = []
  socket.on('error', () => {})
  socket.on('message', (message, { address, port }) => {
    heard.push({ text: message.toString(), address, port })
  })
  socket.bind({ fd: boundIn(path, 'udp', address, port) })
  return {
    socket,
    heard,
    async [Symbol.asyncDispose]() {
      await new Promise<void>((resolve) => socket.close(resolve))
    },
  }
}

function boundIn(path: string, type: 'tcp' | 'udp', text: string, port: number): number {
  const address = parseAddress(text)
  const request = { type, family: familyOf(address), address, port }
  return inNamespace(path, () => openBoundSocket(request))
}

/** Resolves when it is so; gives up after 10 s. */
export async function eventually(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`it never came about: ${condition}`)
    await delay(5)
  }
}
