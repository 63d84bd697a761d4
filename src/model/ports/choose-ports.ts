import { familyOf, isUnspecified } from '../../address/address.ts'
import { type PortRange, type Protocol, portCount, portsText } from '../../address/port.ts'
import { CnmError } from '../../base/errors.ts'
import type { HostAddress, PortBinding, PublishedPort } from '../../driver/driver.ts'
import { linksOf } from '../endpoint/peer-links.ts'
import { endpointSpec, networkSpec } from '../endpoint/specs.ts'
import type { Parts } from '../parts.ts'
import type { EndpointRecord } from '../records.ts'
import { isExact, portText } from './port-spec.ts'

/** Ports that a process of the host turned out to hold. */
export interface BusyPorts {
  readonly protocol: Protocol
  readonly ports: PortRange
}

/** A binding, and what it was made for. */
export interface TakenPort {
  readonly binding: PortBinding
  readonly wish: PublishedPort
}

/** Wishes that differ only in the host's address: they get the same host ports. */
interface Group {
  readonly members: { readonly wish: PublishedPort; readonly addresses: readonly HostAddress[] }[]
}

/**
 * Chooses host ports, one binding after the other: they are taken before the next is asked
 * for. Certain ports come first, then those of a range, then any: who has a choice makes room.
 */
export function* chooseBindings(
  engine: Parts,
  record: EndpointRecord,
  wanted: readonly PublishedPort[],
  busy: readonly BusyPorts[],
): Generator<TakenPort> {
  const groups = groupsOf(engine, record, wanted)
  for (const group of groups.sort((a, b) => freedom(a) - freedom(b))) {
    const hostPorts = choosePorts(engine, record, group, busy)
    for (const { wish, addresses } of group.members) {
      const { protocol, ports } = wish
      for (const { address: hostAddress, family, direct } of addresses) {
        const host = direct || hostPorts === undefined ? {} : { hostPorts }
        yield { wish, binding: { protocol, ports, family, hostAddress, ...host } }
      }
    }
  }
}

function groupsOf(
  engine: Parts,
  record: EndpointRecord,
  wanted: readonly PublishedPort[],
): Group[] {
  const byPorts = new Map<string, Group[]>()
  for (const wish of wanted) {
    const addresses = hostAddresses(engine, record, wish)
    const key = `${portText(wish)} ${wish.hostPorts ? portsText(wish.hostPorts) : ''}`
    const alike = byPorts.get(key) ?? []
    byPorts.set(key, alike)
    const group = alike.find(
      ({ members }) => !members.some((member) => meet(member.addresses, addresses)),
    )
    if (group === undefined) alike.push({ members: [{ wish, addresses }] })
    else group.members.push({ wish, addresses })
  }
  return [...byPorts.values()].flat()
}

/** Whether a port of some of these addresses is one of some of those, too. */
function meet(some: readonly HostAddress[], others: readonly HostAddress[]): boolean {
  return some.some(({ address: a }) =>
    others.some(
      ({ address: b }) =>
        a === b || (familyOf(a) === familyOf(b) && (isUnspecified(a) || isUnspecified(b))),
    ),
  )
}

function freedom({ members: [first] }: Group): number {
  if (first?.wish.hostPorts === undefined) return 2
  return isExact(first.wish) ? 0 : 1
}

function hostAddresses(
  engine: Parts,
  record: EndpointRecord,
  wish: PublishedPort,
): readonly HostAddress[] {
  const network = engine.state.networks.need(record.network).record
  const driver = engine.driver(network.driver)
  if (driver.hostAddresses === undefined) {
    const why =
      driver.capabilities.sandbox === 'host'
        ? "its programs listen on the host's own ports"
        : 'nothing leads into its sandboxes'
    throw new CnmError('NOT_ALLOWED', `network "${network.name}" publishes nothing: ${why}`, {
      details: { network: network.name, endpoint: record.name },
      hint: 'publish on another network',
    })
  }
  const spec = endpointSpec(record, linksOf(engine, record))
  return driver.hostAddresses(networkSpec(network), spec, wish)
}

/** The host ports for a group; undefined where it needs none. Errors: PORTS_EXHAUSTED. */
function choosePorts(
  engine: Parts,
  record: EndpointRecord,
  { members }: Group,
  busy: readonly BusyPorts[],
): PortRange | undefined {
  const wish = members[0]?.wish
  const addresses = members
    .flatMap((member) => member.addresses)
    .filter(({ direct }) => !direct)
    .map(({ address }) => address)
  if (wish === undefined || addresses.length === 0) return undefined
  if (isExact(wish)) return wish.hostPorts
  const { protocol } = wish
  const { ephemeralPorts, reservedPorts } = engine.lastView
  const isAny = wish.hostPorts === undefined
  const range = wish.hostPorts ?? ephemeralPorts
  const count = portCount(wish.ports)
  const held = busy.filter((each) => each.protocol === protocol).map(({ ports }) => [ports])
  const from = engine.ports.firstFree({
    protocol,
    addresses,
    range,
    count,
    start: isAny ? engine.nextPort : range.from,
    without: isAny ? [reservedPorts, ...held] : held,
  })
  if (from === undefined) throw exhausted(engine, record, protocol, range, count)
  if (isAny) engine.nextPort = from + count
  return { from, to: from + count - 1 }
}

function exhausted(
  engine: Parts,
  { name, network }: EndpointRecord,
  protocol: Protocol,
  range: PortRange,
  count: number,
): CnmError {
  const where = engine.state.networks.need(network).record.name
  const what = count === 1 ? 'no port' : `no ${count} ports in a row`
  return new CnmError(
    'PORTS_EXHAUSTED',
    `endpoint "${name}" of network "${where}": ${what} of ${portsText(range)}/${protocol} can be had`,
    {
      details: { endpoint: name, network: where, range, protocol, count },
      hint: 'give a wider range, or unpublish something',
    },
  )
}
