import {
  mergePorts,
  type PortRange,
  portCount,
  portsOverlap,
  portsWithout,
} from '../../../address/port.ts'

/** The quiet ports of one address and protocol, as they are kept in the two sets. */
export interface QuietPorts {
  readonly exact: readonly number[]
  readonly ranges: readonly PortRange[]
}

/**
 * What has to go and to come for ports that are published no longer (`ended`) to be quiet, and for
 * those that now are (`begun`) not to be. What is there and stays wanted comes anew: its time begins
 * again. Ranges that are to come never overlap what stays, because the kernel would refuse them.
 * `room`: whether there is any for more exact ones; without, a port comes as a range.
 */
export function quietChange(
  present: QuietPorts,
  ended: readonly PortRange[],
  begun: readonly PortRange[],
  room = true,
): { readonly remove: QuietPorts; readonly add: QuietPorts } {
  const wanted = portsWithout(mergePorts(ended), begun)
  const isExact = (range: PortRange) => room && portCount(range) === 1
  const [ports, ranges] = [wanted.filter(isExact), wanted.filter((range) => !isExact(range))]
  const touched = present.ranges.filter((range) => meetsAny(range, [...ranges, ...begun]))
  const isIn = (list: readonly PortRange[]) => (port: number) =>
    meetsAny({ from: port, to: port }, list)
  return {
    remove: { exact: present.exact.filter(isIn([...ports, ...begun])), ranges: touched },
    add: {
      exact: ports.map(({ from }) => from),
      ranges: mergePorts([...portsWithout(touched, begun), ...ranges]),
    },
  }
}

function meetsAny(range: PortRange, others: readonly PortRange[]): boolean {
  return others.some((other) => portsOverlap(range, other))
}
