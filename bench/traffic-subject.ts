import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** A host with a sandbox that serves, and somebody outside who asks. */
export interface TrafficSubject {
  readonly name: string
  /** Name of the network namespace of the one outside. */
  readonly outside: string
  /** Where the servers are reached from there. */
  readonly connections: Target
  readonly iperf: Target
  /** A second sandbox on the same network, and the first one's address there. */
  readonly neighbour?: { readonly namespace: string; readonly address: string }
  /** Publishes 999 further ports, or takes them back. */
  readonly crowd?: (on: boolean) => Promise<void>
  /** The same, for who takes so long that it is done once. */
  readonly fill?: () => void
  close(): Promise<void>
}

export interface Target {
  readonly address: string
  readonly port: number
}

/** What a serving sandbox listens on. */
export const SERVED = 80
export const IPERF = 5201

export const connectionsProgram = fileURLToPath(new URL('connections', import.meta.url))

export const serving = {
  connections: [connectionsProgram, 'serve', '0.0.0.0', String(SERVED), '1'],
  iperf: ['iperf3', '--server', '--port', String(IPERF), '--forceflush'],
} as const

export function ip(...args: readonly string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'inherit'] })
}

export function pathOf(namespace: string): string {
  return namespace.startsWith('/') ? namespace : `/run/netns/${namespace}`
}

export function inside(namespace: string, argv: readonly string[]): string {
  return execFileSync('nsenter', [`--net=${pathOf(namespace)}`, ...argv], {
    encoding: 'utf8',
    timeout: 60_000,
  })
}

/** A host with an uplink to one outside it, who has 192.0.2.2 and sends everything there. */
export function makeHost(name: string): { host: string; outside: string } {
  const host = `${name}-host`
  const outside = `${name}-outside`
  for (const namespace of [host, outside]) {
    ip('netns', 'add', namespace)
    ip('-n', namespace, 'link', 'set', 'lo', 'up')
  }
  connect(host, 'uplink', outside)
  address(host, 'uplink', '192.0.2.1/24')
  address(outside, 'eth0', '192.0.2.2/24')
  ip('-n', outside, 'route', 'add', 'default', 'via', '192.0.2.1')
  ip('-n', host, 'route', 'add', 'default', 'via', '192.0.2.2')
  return { host, outside }
}

/** A link `name` of a host whose other end is eth0 of another namespace. */
export function connect(host: string, name: string, other: string): void {
  ip('-n', host, 'link', 'add', name, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', other)
}

export function address(namespace: string, link: string, cidr: string): void {
  ip('-n', namespace, 'addr', 'add', cidr, 'dev', link)
  ip('-n', namespace, 'link', 'set', link, 'up')
}

/** A program in a namespace; it is there when its first line has come. */
export async function serve(namespace: string, argv: readonly string[]): Promise<ChildProcess> {
  const child = spawn('nsenter', [`--net=${pathOf(namespace)}`, ...argv], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  child.stdout.resume()
  return child
}

export async function stop(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL')
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
}
