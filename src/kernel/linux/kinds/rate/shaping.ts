import type { NetnsHandle } from '../../namespaces/netns-handle.ts'
import { TC_MARK } from '../../ours.ts'
import { listFilters } from '../../rtnetlink/filter.ts'
import type { RootQdisc, Tbf } from '../../rtnetlink/qdisc.ts'

// Timers of a busy machine are late by some milliseconds: what they miss, the burst makes up for. From
// 53 Mbit/s on it holds a whole 64 KiB packet of a veth as well; smaller ones make the kernel cut those
// up, which is worth it: at 1 Mbit/s one alone would be half a second of everything.
const BURST_S = 0.01
const LEAST_BURST_FRAMES = 2

// With less, TCP in both directions at once doesn't reach the rate; with more, all that is new waits
// longer behind what is there. At low rates a few packets, or TCP has to wait for its timeouts.
const QUEUE_S = 0.075
const LEAST_QUEUE_FRAMES = 8
const MOST_QUEUE = 16 << 20

/** Ethernet's header, and a VLAN's. */
const FRAME_HEADER = 18

/** The token bucket for a rate in bits per second, on a link of that MTU. */
export function tbfFor(bitsPerSecond: number, mtu: number): Tbf {
  const bytesPerSecond = Math.floor(bitsPerSecond / 8)
  const frame = mtu + FRAME_HEADER
  const burst = Math.max(Math.round(bytesPerSecond * BURST_S), LEAST_BURST_FRAMES * frame)
  const queue = Math.max(Math.round(bytesPerSecond * QUEUE_S), LEAST_QUEUE_FRAMES * frame)
  return { rate: bytesPerSecond * 8, burst, limit: burst + Math.min(queue, MOST_QUEUE) }
}

/** The same but for the burst, which the kernel only tells in its own rounded words. */
export function isSameTbf(a: Tbf, b: Tbf): boolean {
  return a.rate === b.rate && a.limit === b.limit
}

export function isOurs({ major }: RootQdisc): boolean {
  return major === TC_MARK
}

/** The index of the link that our filter on that one redirects to; undefined: there is no such filter. */
export function redirectOf({ socket }: NetnsHandle, link: number): number | undefined {
  return listFilters(socket, link, 'ingress').find(
    ({ priority, redirect }) => priority === TC_MARK && redirect !== undefined,
  )?.redirect
}
