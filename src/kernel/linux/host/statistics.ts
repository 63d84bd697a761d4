import type { LinkStatistics, TrafficCounters } from '../../kernel.ts'
import type { NetnsHandle } from '../namespaces/netns-handle.ts'
import { isAlive } from '../ours.ts'
import { listCounters } from '../rtnetlink/link-counters.ts'

/** What links have counted, as it goes from thread to thread quickly: eight numbers for each name. */
export interface PackedStatistics {
  readonly names: readonly string[]
  readonly counts: Float64Array
}

export function packedStatistics({ socket }: NetnsHandle): PackedStatistics {
  const links = listCounters(socket).filter(isAlive)
  const counts = new Float64Array(links.length * NUMBERS)
  for (const [place, { received, sent }] of links.entries()) {
    counts.set([...numbers(received), ...numbers(sent)], place * NUMBERS)
  }
  return { names: links.map(({ name }) => name), counts }
}

export function unpackedStatistics({ names, counts }: PackedStatistics): LinkStatistics[] {
  return names.map((name, place) => ({
    name,
    received: counters(counts, place * NUMBERS),
    sent: counters(counts, place * NUMBERS + NUMBERS / 2),
  }))
}

const NUMBERS = 8

function numbers({ bytes, packets, dropped, errors }: TrafficCounters): readonly number[] {
  return [bytes, packets, dropped, errors]
}

function counters(counts: Float64Array, at: number): TrafficCounters {
  return {
    bytes: counts[at]!,
    packets: counts[at + 1]!,
    dropped: counts[at + 2]!,
    errors: counts[at + 3]!,
  }
}
