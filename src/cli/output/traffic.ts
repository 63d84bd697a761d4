import type { Statistics } from '../../api/reports.ts'

/** Bits per second, by the ids of endpoints, from the point of view of their sandboxes. */
export type Traffic = Readonly<Record<string, { readonly in: number; readonly out: number }>>

/** What has passed between two looks at the counters, of endpoints that were there both times. */
export function trafficBetween(before: Statistics, after: Statistics, seconds: number): Traffic {
  const first = new Map(before.endpoints.map((each) => [each.id, each]))
  return Object.fromEntries(
    after.endpoints.flatMap(({ id, received, sent }) => {
      const was = first.get(id)
      if (was === undefined) return []
      const rate = (now: number, then: number) => Math.max(0, ((now - then) * 8) / seconds)
      const traffic = {
        in: rate(received.bytes, was.received.bytes),
        out: rate(sent.bytes, was.sent.bytes),
      }
      return [[id, traffic] as const]
    }),
  )
}
