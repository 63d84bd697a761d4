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
