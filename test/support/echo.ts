import { createSocket } from 'node:dgram'
import { createServer } from 'node:net'
import { parseAddress } from '#dist/address/address.js'
import { close, O_RDONLY, open } from '#dist/kernel/linux/ffi/file.js'
import { CLONE_NEWNET, setns, setnsBack } from '#dist/kernel/linux/ffi/namespace.js'
import { openBoundSocket } from '#dist/kernel/linux/ports/sockets.js'
import { run } from './run.ts'

/** Runs synchronous `work` in the network namespace of that path. Its sockets stay there. */
export function inNamespace<T>(path: string, work: () => T): T {
  const home = open('/proc/thread-self/ns/net', O_RDONLY)
  const there = open(path, O_RDONLY)
  try {
    setns(there, CLONE_NEWNET)
    return work()
  } finally {
    setnsBack(home, CLONE_NEWNET)
    close(there)
    close(home)
  }
}

const PORT = 7777

/** Tells its clients, at all addresses, over TCP and UDP, by what address it sees them. */
export async function startEcho(path: string, port = PORT): Promise<AsyncDisposable> {
  const stops: (() => Promise<void>)[] = []
  for (const [family, any] of [
    [4, '0.0.0.0'],
    [6, '::'],
  ] as const) {
    const [tcp, udp] = inNamespace(path, () =>
      (['tcp', 'udp'] as const).map((type) =>
        openBoundSocket({ family, type, address: parseAddress(any), port }),
      ),
    ) as [number, number]
    stops.push(await serveTcp(tcp), await serveUdp(udp, family))
  }
  return {
    async [Symbol.asyncDispose]() {
      for (const stop of stops) await stop()
    },
  }
}

async function serveTcp(fd: number): Promise<() => Promise<void>> {
  const server = createServer((client) => {
    client.on('error', () => {})
    client.end(`${client.remoteAddress}\n`)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ fd }, resolve)
  })
  return () => new Promise((resolve) => server.close(() => resolve()))
}

async function serveUdp(fd: number, family: 4 | 6): Promise<() => Promise<void>> {
  const socket = createSocket(family === 4 ? 'udp4' : 'udp6')
  socket.on('error', () => {})
  socket.on('message', (_, peer) => socket.send(`${peer.address}\n`, peer.port, peer.address))
  socket.bind({ fd })
  return () => new Promise((resolve) => socket.close(() => resolve()))
}

/** A busy machine takes its time until a program that was started has asked, and has heard the answer. */
const patienceS = '5'

/**
 * Asks the echo at `address`, from the namespace of that path: by what address it sees us; undefined
 * if there is no answer within some seconds.
 */
export async function ask(
  path: string,
  protocol: 'tcp' | 'udp',
  address: string,
  port = PORT,
): Promise<string | undefined> {
  const script = 'exec 3<>/dev/$0/$1/$2; [ $0 = tcp ] || echo >&3; head -n 1 <&3'
  const argv = ['timeout', patienceS, 'bash', '-c', script, protocol, address, String(port)]
  return answer(['nsenter', `--net=${path}`, ...argv])
}

/** Whether a ping (from that address of ours) is answered within some seconds. */
export async function pings(path: string, address: string, source?: string): Promise<boolean> {
  const from = source === undefined ? [] : ['-I', source]
  const argv = ['ping', '-c', '1', '-W', patienceS, ...from, address]
  return (await answer(['nsenter', `--net=${path}`, ...argv])) !== undefined
}

async function answer(argv: [string, ...string[]]): Promise<string | undefined> {
  try {
    return (await run(argv)).trim()
  } catch {
    return undefined
  }
}
