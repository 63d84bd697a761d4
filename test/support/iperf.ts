import type { ThrowAwayHost } from './host.ts'

/** Bits per second of payload that arrived; `there` from the one to the other, `back` the other way. */
export interface Throughput {
  readonly there?: number
  readonly back?: number
}

export interface IperfOptions {
  /** Namespaces, by their paths, and the other's address. */
  readonly from: string
  readonly to: string
  readonly address: string
  readonly direction: 'there' | 'back' | 'both'
  /** Absent: over TCP, as much as gets through. */
  readonly udp?: { readonly bitsPerSecond: number; readonly bytes: number }
  readonly seconds: number
  /** So much at the beginning isn't counted. */
  readonly omitSeconds?: number
}

interface IperfReport {
  readonly end: {
    readonly sum_received: { readonly bits_per_second: number }
    readonly sum_received_bidir_reverse?: { readonly bits_per_second: number }
  }
}

const directions = { there: [], back: ['--reverse'], both: ['--bidir'] } as const

/** Waits until a one-off server listens at iperf's own port. */
const awaitServer = `
for try in $(seq 500)
do grep -q ':1451 .* 0A ' /proc/net/tcp6 && exit 0; sleep 0.01; done
exit 1`

/** One run of iperf3. */
export async function iperf(host: ThrowAwayHost, options: IperfOptions): Promise<Throughput> {
  const { from, to, address, direction, udp, seconds, omitSeconds = 0 } = options
  const args = [
    ...['--client', address, '--time', `${seconds}`, '--omit', `${omitSeconds}`, '--json'],
    ...(udp === undefined
      ? []
      : ['--udp', '--bitrate', `${udp.bitsPerSecond}`, '--length', `${udp.bytes}`]),
    ...directions[direction],
  ]
  const timeoutMs = (seconds + omitSeconds) * 1000 + 10_000
  const server = host.inside(to, ['iperf3', '--server', '--one-off'], { timeoutMs })
  const client = host
    .inside(to, ['bash', '-c', awaitServer])
    .then(() => host.inside(from, ['iperf3', ...args], { timeoutMs }))
  const [, text] = await Promise.all([server, client])
  const { sum_received, sum_received_bidir_reverse } = (JSON.parse(text) as IperfReport).end
  const first = sum_received.bits_per_second
  if (direction === 'there') return { there: first }
  if (direction === 'back') return { back: first }
  return { there: first, back: sum_received_bidir_reverse?.bits_per_second ?? 0 }
}
