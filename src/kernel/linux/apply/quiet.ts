import { type PortRange, portCount, portsOverlap } from '../../../address/port.ts'

/** The quiet ports of one address and protocol, as they are kept in the two sets. */
export interface QuietPorts {
  readonly exact: readonly number[]
  readonly ranges: readonly PortRange[]
}

/**
 * What has to go and to come for ports that are published no longer (`ended`) to be quiet, and for
 * those that now are (`begun`) not to be. What is there and stays wanted comes anew: its time begins
 * again. Ranges that are to come never overlap what stays, because the kernel would refuse them.
 */
export function quietChange(
  present: QuietPorts,
  ended: readonly PortRange[],
  begun: readonly PortRange[],
): { readonly remove: QuietPorts; readonly add: QuietPorts } {
  const wanted = without(merged(ended), begun)
  const [ports, ranges] = [wanted.filter(isOne), wanted.filter((range) => !isOne(range))]
  const touched = present.ranges.filter((range) => meetsAny(range, [...ranges, ...begun]))
  const isIn = (list: readonly PortRange[]) => (port: number) =>
    meetsAny({ from: port, to: port }, list)
  return {
    remove: { exact: present.exact.filter(isIn([...ports, ...begun])), ranges: touched },
    add: {
      exact: ports.map(({ from }) => from),
      ranges: merged([...without(touched, begun), ...ranges]),
    },
  }
}

function isOne(range: PortRange): boolean {
  return portCount(range) === 1
}

function meetsAny(range: PortRange, others: readonly PortRange[]): boolean {
  return others.some((other) => portsOverlap(range, other))
}

/** The same ports in as few ranges as possible, in order. */
function merged(ranges: readonly PortRange[]): PortRange[] {
  const result: PortRange[] = []
  for (const range of [...ranges].sort((a, b) => a.from - b.from)) {
    const last = result.at(-1)
    if (last === undefined || range.from > last.to + 1) result.push(range)
    else result[result.length - 1] = { from: last.from, to: Math.max(last.to, range.to) }
  }
  return result
}

function without(ranges: readonly PortRange[], holes: readonly PortRange[]): PortRange[] {
  let left = [...ranges]
  for (const hole of holes) {
    left = left.flatMap((range) => {
      if (!portsOverlap(range, hole)) return [range]
      const before = { from: range.from, to: hole.from - 1 }
      const behind = { from: hole.to + 1, to: range.to }
      return [before, behind].filter(({ from, to }) => from <= to)
    })
  }
  return left
}
