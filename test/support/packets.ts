import { createSocket } from 'node:dgram'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, isIPv6, Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { parseAddress } from '#dist/address/address.js'
import { close } from '#dist/kernel/linux/ffi/file.js'
import {
  AF_INET,
  AF_INET6,
  bind,
  internetAddress,
  SOCK_DGRAM,
  socket,
} from '#dist/kernel/linux/ffi/socket.js'
import { openBoundSocket } from '#dist/kernel/linux/ports/sockets.js'
import { inNamespace } from './echo.ts'

// Packets without a process for each: sockets that were made inside a namespace stay there, so this one
// process can serve and ask in all of them at the same time.

export type Question = 'ping' | 'tcp' | 'udp'

export interface Probe {
  /** The path of the namespace that asks. */
  readonly from: string
  readonly what: Question
  readonly to: string
  /** Not for pings. */
  readonly port?: number
}

/** What answers, and as what it sees the client. Of a ping only `who` is known: the address. */
export interface Answer {
  readonly who: string
  readonly seen: string
}

export const protocols = ['tcp', 'udp'] as const
export type Protocol = (typeof protocols)[number]
const anywhere = { 4: '0.0.0.0', 6: '::' } as const
const attemptMs = 300

/**
 * Answers clients in that namespace, at all its addresses, over TCP and UDP: `name`, and by what
 * address they are seen.
 */
export function serve(path: string, name: string, ports: readonly number[]): AsyncDisposable {
  const stops = ports.flatMap((port) =>
    ([4, 6] as const).flatMap((family) => [
      serveTcp(openIn(path, 'tcp', family, port), name),
      serveUdp(openIn(path, 'udp', family, port), family, name),
    ]),
  )
  return {
    async [Symbol.asyncDispose]() {
      await Promise.all(stops.map((stop) => stop()))
    },
  }
}

/** A socket of that namespace, bound to all its addresses. */
export function openIn(path: string, type: 'tcp' | 'udp', family: 4 | 6, port = 0): number {
  const address = parseAddress(anywhere[family])
  return inNamespace(path, () => openBoundSocket({ family, type, address, port }))
}

function serveTcp(fd: number, name: string): () => Promise<void> {
  const server = createServer((client) => {
    client.on('error', () => {})
    client.end(`${name} ${client.remoteAddress}\n`)
  })
  server.listen({ fd })
  return () => new Promise((resolve) => server.close(() => resolve()))
}

function serveUdp(fd: number, family: 4 | 6, name: string): () => Promise<void> {
  const server = createSocket(`udp${family}`)
  server.on('error', () => {})
  server.on('message', (_, peer) =>
    server.send(`${name} ${peer.address}\n`, peer.port, peer.address),
  )
  server.bind({ fd })
  return () => new Promise((resolve) => server.close(() => resolve()))
}

/**
 * Asks, several times if need be, each time with more patience: on a busy machine a third of a second,
 * which silence costs at the first, is not enough. An address that refuses is asked again, too.
 */
export async function ask(probe: Probe, attempts = 1): Promise<Answer | undefined> {
  for (let attempt = 1; ; attempt += 1) {
    const began = Date.now()
    const patienceMs = attemptMs * attempt
    const answer = await askOnce(probe, patienceMs)
    if (answer !== undefined || attempt >= attempts) return answer
    await delay(Math.max(0, patienceMs - (Date.now() - began)))
  }
}

function askOnce(probe: Probe, patienceMs: number): Promise<Answer | undefined> {
  if (probe.what === 'tcp') return askTcp(probe, patienceMs)
  return probe.what === 'udp' ? askUdp(probe, patienceMs) : ping(probe, patienceMs)
}

const familyOf = (address: string) => (isIPv6(address) ? 6 : 4)

function askTcp({ from, to, port = 0 }: Probe, patienceMs: number): Promise<Answer | undefined> {
  const client = new Socket({ fd: openIn(from, 'tcp', familyOf(to)) })
  let heard = ''
  client.on('data', (data) => {
    heard += data
  })
  client.on('error', () => {})
  client.setTimeout(patienceMs, () => client.destroy())
  client.connect({ host: to, port })
  return new Promise((resolve) => client.once('close', () => resolve(parse(heard))))
}

function parse(line: string): Answer | undefined {
  const [who, seen] = line.trim().split(' ')
  return who && seen ? { who, seen } : undefined
}

function askUdp({ from, to, port = 0 }: Probe, patienceMs: number): Promise<Answer | undefined> {
  const family = familyOf(to)
  const fd = openIn(from, 'udp', family)
  return exchange(fd, family, (message) => parse(message.toString()), {
    to,
    port,
    message: '?',
    patienceMs,
  })
}

/** ICMP sockets: the kernel fills in and checks what isn't type, sequence and data. */
function ping({ from, to }: Probe, patienceMs: number): Promise<Answer | undefined> {
  const family = familyOf(to)
  const fd = inNamespace(from, () => openIcmp(family))
  const [request, reply] = family === 4 ? [8, 0] : [128, 129]
  const message = Buffer.from([request, 0, 0, 0, 0, 0, 0, 1])
  const read = (answer: Buffer) => (answer[0] === reply ? { who: to, seen: '' } : undefined)
  return exchange(fd, family, read, { to, port: 1, message, patienceMs })
}

const pingGroups = '/proc/sys/net/ipv4/ping_group_range'

function openIcmp(family: 4 | 6): number {
  // By default no user may open one, not even root.
  if (readFileSync(pingGroups, 'utf8').startsWith('1')) writeFileSync(pingGroups, '0 0')
  const [domain, protocol] = family === 4 ? [AF_INET, 1] : [AF_INET6, 58]
  const fd = socket(domain, SOCK_DGRAM, protocol)
  try {
    bind(fd, internetAddress(parseAddress(anywhere[family]), 0))
    return fd
  } catch (error) {
    close(fd)
    throw error
  }
}

function exchange(
  fd: number,
  family: 4 | 6,
  read: (message: Buffer) => Answer | undefined,
  request: { to: string; port: number; message: Buffer | string; patienceMs: number },
): Promise<Answer | undefined> {
  const { to, port, message, patienceMs } = request
  const client = createSocket(`udp${family}`)
  return new Promise((resolve) => {
    let answer: Answer | undefined
    client.once('close', () => resolve(answer))
    const timer = setTimeout(() => client.close(), patienceMs)
    const end = (message?: Buffer) => {
      clearTimeout(timer)
      client.removeAllListeners('message')
      answer = message && read(message)
      client.close()
    }
    // An answer from elsewhere is none.
    client.on('message', (message, peer) => peer.address === to && end(message))
    client.bind({ fd })
    // No route is no answer.
    client.send(message, port, to, (error) => error && end())
  })
}
