import { type IpAddress, isUnspecified } from '../address/address.ts'
import {
  type PortRange,
  type Protocol,
  portCount,
  portsOverlap,
  portsText,
} from '../address/port.ts'
import type { EndpointId } from '../base/id.ts'
import type { ElementResource, FlowsResource } from '../kernel/resource.ts'
import { hostElement } from './elements.ts'
import { hostTable } from './tables.ts'

/** Ports of the host that lead to as many ports of an endpoint, one to one. */
export interface PublishedPorts {
  readonly family: 4 | 6
  readonly protocol: Protocol
  /** `0.0.0.0` and `::` are all addresses of the host. */
  readonly hostAddress: IpAddress
  readonly hostPorts: PortRange
  readonly address: IpAddress
  readonly ports: PortRange
}

/**
 * One element, however many ports: an equal range is an interval. Ports that change their number on the
 * way are a run of exact ones, as the kernel can't count.
 */
export function publishedElement(published: PublishedPorts, owner: EndpointId): ElementResource {
  const { family, protocol, hostAddress, hostPorts, address, ports } = published
  const everywhere = isUnspecified(hostAddress)
  const count = portCount(ports)
  if (count > 1 && hostPorts.from === ports.from) {
    const from = everywhere ? `${hostAddress}/0` : hostAddress
    const key = [from, protocol, portsText(hostPorts)]
    return hostElement(`published${family}_ranges`, key, owner, [address])
  }
  const key = [protocol, String(hostPorts.from)]
  const value = [address, String(ports.from)]
  const element = everywhere
    ? hostElement(`published${family}`, key, owner, value)
    : hostElement(`published${family}_at`, [hostAddress, ...key], owner, value)
  return count === 1 ? element : { ...element, run: count }
}

/** Ports of an endpoint that can be reached at its own address. */
export interface OpenPorts {
  readonly family: 4 | 6
  readonly protocol: Protocol
  readonly address: IpAddress
  readonly ports: PortRange
}

/** Ports can be opened twice, as the same are published twice; ranges that overlap become one. */
export function openElements(opened: readonly OpenPorts[], owner: EndpointId): ElementResource[] {
  return withoutOverlaps(opened).map(({ family, protocol, address, ports }) => {
    const set = portCount(ports) === 1 ? `open${family}` : `open${family}_ranges`
    return hostElement(set, [address, protocol, portsText(ports)], owner)
  })
}

function withoutOverlaps(opened: readonly OpenPorts[]): OpenPorts[] {
  const merged: OpenPorts[] = []
  for (const next of opened.toSorted((a, b) => a.ports.from - b.ports.from)) {
    const index = merged.findLastIndex(
      ({ protocol, address }) => protocol === next.protocol && address === next.address,
    )
    const last = merged[index]
    if (last === undefined || !portsOverlap(last.ports, next.ports)) merged.push(next)
    else {
      const to = Math.max(last.ports.to, next.ports.to)
      merged[index] = { ...last, ports: { from: last.ports.from, to } }
    }
  }
  return merged
}

/** Where senders are kept whose flows were ended. */
export function quietSets(family: 4 | 6): FlowsResource['quiet'] {
  const { family: tableFamily, name: table } = hostTable
  return { family: tableFamily, table, set: `quiet${family}`, ranges: `quiet_ranges${family}` }
}
