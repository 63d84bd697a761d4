import { createSocket } from 'node:dgram'
import { isIPv6, Socket } from 'node:net'
import { parseAddress } from '#dist/address/address.js'
import { close } from '#dist/kernel/linux/ffi/file.js'
import { openListener } from '#dist/kernel/linux/ports/sockets.js'
import { isKernelError } from '#dist/linux/library.js'
import { inNamespace } from './echo.ts'
import { type ThrowAwayHost, uplink } from './host.ts'
import { openIn, type Protocol, protocols } from './packets.ts'
import { openUdp, serveTcp } from './sockets.ts'

const anywhere = ['0.0.0.0', '::'] as const

// What the world sees of ports of a throw-away host with an uplink: who answers, and who may bind them.

/** Answers in that namespace at these ports, over both protocols, with the name and number of the port. */
export async function servePorts(
  path: string,
  ports: Iterable<number>,
  name = '',
): Promise<AsyncDisposable> {
  const servers: AsyncDisposable[] = []
  for (const port of ports) {
    for (const address of anywhere) {
      // Clients whose link is gone would never end by themselves: these are cut off at the end.
      servers.push(await serveTcp(path, address, port, (client) => client.end(`${name}${port} `)))
      const udp = await openUdp(path, address, port)
      udp.socket.on('message', (_, peer) =>
        udp.socket.send(`${name}${port} `, peer.port, peer.address),
      )
      servers.push(udp)
    }
  }
  return {
    async [Symbol.asyncDispose]() {
      for (const server of servers) await server[Symbol.asyncDispose]()
    },
  }
}

/** Refusals are not held back, which would look like silence. */
export async function refuseAtOnce(host: ThrowAwayHost): Promise<void> {
  await host.sh('sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0')
}

/** A sentence for each question, and the port inside that answers, `refused`, `silence`; or `free`. */
export type Seen = Readonly<Record<string, string>>

/**
 * Who answers at these ports of the host, over both protocols, and whether a process of the host could
 * have them; and who at these addresses, asked from the internet.
 * Where something else is expected, silence may be a neighbour's who missed the first question, and a
 * datagram may be refused because an earlier one had the same sender: it is asked again.
 */
export async function portsSeen(
  host: ThrowAwayHost,
  ports: readonly number[],
  direct: readonly Omit<Question, 'from'>[] = [],
  expected: Seen = {},
): Promise<Seen> {
  const questions = [
    ...direct.map((each) => ({ ...each, from: host.internet })),
    ...ports.flatMap((port) =>
      protocols.flatMap((protocol) =>
        waysTo(host).map((way): Question => ({ ...way, protocol, port })),
      ),
    ),
  ]
  const bound = ports.flatMap((port) =>
    protocols.flatMap((protocol) =>
      anywhere.map((address) => [
        `listen at ${protocol} ${address} ${port}`,
        bindable(host, protocol, address, port),
      ]),
    ),
  )
  const asked = questions.map(async (question) => {
    const { protocol, to, port } = question
    const what = `ask ${protocol} ${to} ${port}`
    return [what, await answering(question, expected[what])]
  })
  return Object.fromEntries([...bound, ...(await Promise.all(asked))])
}

/** From the internet at the host's addresses of both families, from the host at its own. */
function waysTo(host: ThrowAwayHost) {
  return [
    { from: host.internet, to: uplink.address4 },
    { from: host.internet, to: uplink.address6 },
    { from: host.netns, to: '127.0.0.1' },
    { from: host.netns, to: '::1' },
  ] as const
}

export interface Question {
  /** The path of the namespace that asks. */
  readonly from: string
  readonly protocol: Protocol
  readonly to: string
  readonly port: number
}

/** The port inside that answers there, `refused`, or `silence`. */
export async function answering(question: Question, expected?: string): Promise<string> {
  const { protocol } = question
  for (let attempt = 1; ; attempt += 1) {
    // More each time: a busy machine may need it.
    const patienceMs = silenceMs * attempt
    const answer = await (protocol === 'tcp' ? askTcp : askUdp)(question, patienceMs)
    // A connection is refused for good, and what answers is open.
    const isRefused = answer === 'refused' && (protocol === 'tcp' || expected === undefined)
    const isFinal = answer !== 'silence' && (answer !== 'refused' || isRefused)
    if (isFinal || answer === expected || attempt === 6) return answer
  }
}

/** Whether a process of the host could listen there: `free`, or why not. */
export function bindable(
  host: ThrowAwayHost,
  type: Protocol,
  address: string,
  port: number,
): string {
  const family = isIPv6(address) ? 6 : 4
  const request = { type, family, address: parseAddress(address), port } as const
  try {
    inNamespace(host.netns, () => close(openListener(request)))
    return 'free'
  } catch (error) {
    if (isKernelError(error, 'EADDRINUSE')) return 'EADDRINUSE'
    throw error
  }
}

const silenceMs = 300

function askTcp({ from, to, port }: Question, patienceMs: number): Promise<string> {
  const client = new Socket({ fd: openIn(from, 'tcp', isIPv6(to) ? 6 : 4) })
  return new Promise((resolve) => {
    const end = (answer: string) => {
      client.destroy()
      resolve(answer)
    }
    client.setTimeout(patienceMs, () => end('silence'))
    client.on('error', () => end('refused'))
    client.on('data', (data) => end(firstWord(data)))
    client.on('end', () => end('refused'))
    client.connect({ host: to, port })
  })
}

/** Connected, so that a refusal is heard. */
function askUdp({ from, to, port }: Question, patienceMs: number): Promise<string> {
  const family = isIPv6(to) ? 6 : 4
  const client = createSocket(`udp${family}`)
  return new Promise((resolve) => {
    const end = (answer: string) => {
      clearTimeout(timer)
      client.removeAllListeners('message').close()
      resolve(answer)
    }
    const timer = setTimeout(() => end('silence'), patienceMs)
    client.once('error', () => end('refused'))
    client.once('message', (message) => end(firstWord(message)))
    client.once('connect', () => client.send('?'))
    client.bind({ fd: openIn(from, 'udp', family) }, () => client.connect(port, to))
  })
}

function firstWord(text: Buffer): string {
  return text.toString().split(' ')[0] ?? ''
}
