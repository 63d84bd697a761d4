// Listens as any program does: `listen-child.mjs tcp|udp ADDRESS PORT`. Says `ready`, or why it can't, and
// ends with its input.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'

const [protocol, address, port] = process.argv.slice(2)
const socket =
  protocol === 'tcp' ? createServer() : createSocket(address.includes(':') ? 'udp6' : 'udp4')
try {
  if (protocol === 'tcp') socket.listen({ host: address, port: Number(port) })
  else socket.bind({ address, port: Number(port) })
  await once(socket, 'listening')
  console.log('ready')
  process.stdin.on('end', () => socket.close()).resume()
} catch (error) {
  console.log(error.code)
}
