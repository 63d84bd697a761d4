import { CnmError } from '../base/errors.ts'

export type Protocol = 'tcp' | 'udp' | 'sctp'

/** Both ends belong to it: 1 ≤ from ≤ to ≤ 65535. */
export interface PortRange {
  readonly from: number
  readonly to: number
}

/** Parses `80` and `8000-8010`. Errors: INVALID_PORT. */
export function parsePorts(text: string): PortRange {
  const [, from, to = from] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? []
  const range = { from: Number(from), to: Number(to) }
  if (range.from >= 1 && range.from <= range.to && range.to <= 65535) return range
  throw new CnmError('INVALID_PORT', `${JSON.stringify(text)} is no port and no range of ports`, {
    details: { ports: text },
    hint: 'give a number from 1 to 65535, or two with "-" between: 8000-8010',
  })
}

/** `80`, `8000-8010` */
export function portsText({ from, to }: PortRange): string {
  return from === to ? String(from) : `${from}-${to}`
}

export function portCount({ from, to }: PortRange): number {
  return to - from + 1
}

export function portsOverlap(a: PortRange, b: PortRange): boolean {
  return a.from <= b.to && b.from <= a.to
}

/** The same ports in as few ranges as possible, in order. */
export function mergePorts(ranges: readonly PortRange[]): PortRange[] {
  const merged: PortRange[] = []
  for (const range of ranges.toSorted((a, b) => a.from - b.from)) {
    const last = merged.at(-1)
    if (last === undefined || range.from > last.to + 1) merged.push(range)
    else merged[merged.length - 1] = { from: last.from, to: Math.max(last.to, range.to) }
  }
  return merged
}

/** What is left of these ports without those. */
export function portsWithout(
  ranges: readonly PortRange[],
  holes: readonly PortRange[],
): PortRange[] {
  return holes.reduce<PortRange[]>(
    (left, hole) =>
      left.flatMap((range) => {
        if (!portsOverlap(range, hole)) return [range]
        const before = { from: range.from, to: hole.from - 1 }
        const behind = { from: hole.to + 1, to: range.to }
        return [before, behind].filter(({ from, to }) => from <= to)
      }),
    [...ranges],
  )
}
