import { bracketed, parseAddress } from '../../address/address.ts'
import {
  type PortRange,
  type Protocol,
  parsePorts,
  portCount,
  portsText,
} from '../../address/port.ts'
import type { PublishOptions } from '../../api/endpoint-options.ts'
import { CnmError, isCnmError } from '../../base/errors.ts'
import type { PublishedPort } from '../../driver/driver.ts'

/** A port that a program listens on, published or not. */
export type ExposedPort = Pick<PublishedPort, 'protocol' | 'ports'>

const protocols: ReadonlySet<string> = new Set<Protocol>(['tcp', 'udp', 'sctp'])

/** Errors: INVALID_PORT, quoting what was given. */
export function parsePublished(given: string | PublishOptions): PublishedPort {
  return quoting(given, () => (typeof given === 'string' ? readText(given) : readFields(given)))
}

/** `80`, `53/udp`, `8000-8010`. Errors: INVALID_PORT. */
export function parseExposed(text: string): ExposedPort {
  return quoting(text, () => {
    const { protocol, ports, hostAddress, hostPorts } = readText(text)
    if (hostAddress === undefined && hostPorts === undefined) return { protocol, ports }
    throw wrong('an exposed port has no host port', 'write it as 80 or 53/udp')
  })
}

/** What `parsePublished` reads: `127.0.0.1:8080:80/udp`. */
export function publishedText(port: PublishedPort): string {
  const { protocol, ports, hostAddress, hostPorts } = port
  const address = hostAddress && bracketed(hostAddress)
  const front = [
    ...(address === undefined ? [] : [address]),
    ...(hostPorts === undefined ? (address === undefined ? [] : ['']) : [portsText(hostPorts)]),
    portsText(ports),
  ]
  return `${front.join(':')}/${protocol}`
}

/** What `parseExposed` reads: `80/tcp`. */
export function portText({ protocol, ports }: ExposedPort): string {
  return `${portsText(ports)}/${protocol}`
}

function readText(text: string): PublishedPort {
  const slash = text.lastIndexOf('/')
  const parts = splitParts(slash < 0 ? text : text.slice(0, slash))
  const ports = parts.pop() ?? ''
  const hostPorts = parts.pop()
  const hostAddress = parts.pop()
  // As Docker has it: `:80` and `0:80` are any port of the host, too.
  const isAny = hostPorts === undefined || hostPorts === '' || hostPorts === '0'
  return readFields({
    ports,
    ...(slash < 0 ? {} : { protocol: text.slice(slash + 1).toLowerCase() as Protocol }),
    ...(hostAddress === undefined ? {} : { hostAddress }),
    ...(isAny ? {} : { hostPorts }),
  })
}

/** The host's address, its ports, and those inside; what isn't there is left out from the left. */
function splitParts(front: string): string[] {
  const [, address, hostPorts, ports] = /^\[([^\]]*)\]:([^:]*):([^:]*)$/.exec(front) ?? []
  if (address !== undefined && hostPorts !== undefined && ports !== undefined) {
    return [address, hostPorts, ports]
  }
  const parts = front.split(':')
  if (!front.startsWith('[') && parts.length <= 3) return parts
  throw wrong(
    'it has too many parts',
    'an IPv6 address is in brackets, with a host port or none: [::1]:8080:80, [::1]::80',
  )
}

function readFields({
  ports,
  protocol = 'tcp',
  hostAddress,
  hostPorts,
}: PublishOptions): PublishedPort {
  if (!protocols.has(protocol)) {
    throw wrong(`there is no protocol ${JSON.stringify(protocol)}`, 'use tcp, udp or sctp')
  }
  const published = {
    protocol,
    ports: rangeOf(ports),
    ...(hostAddress === undefined ? {} : { hostAddress: parseAddress(hostAddress) }),
    ...(hostPorts === undefined ? {} : { hostPorts: rangeOf(hostPorts) }),
  }
  const inside = portCount(published.ports)
  const outside = portCount(published.hostPorts ?? published.ports)
  if (inside === outside || inside === 1) return published
  throw wrong(
    `${outside} host ports can't lead to ${inside} ports`,
    'give as many host ports as ports, or none',
  )
}

function rangeOf(value: number | string | PortRange): PortRange {
  return parsePorts(typeof value === 'object' ? portsText(value) : String(value))
}

function wrong(reason: string, hint: string): CnmError {
  return new CnmError('INVALID_PORT', reason, { hint })
}

/** Whatever is wrong, the user is told what with. */
function quoting<T>(given: string | PublishOptions, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!isCnmError(error)) throw error
    const { message, hint } = error
    const quoted = JSON.stringify(given)
    throw new CnmError('INVALID_PORT', `${quoted} can't be published: ${message}`, {
      details: { given },
      ...(hint === undefined ? {} : { hint }),
    })
  }
}

/**
 * Wishes that continue each other (8000:80, 8001:81 …) become one range, and what is there twice is
 * there once: a run of ports is one resource, however many they are.
 */
export function mergePublished(ports: readonly PublishedPort[]): PublishedPort[] {
  const merged: PublishedPort[] = []
  const seen = new Set<string>()
  for (let at = 0; at < ports.length; ) {
    const end = endOfRun(ports, at)
    const run = asOne(ports[at]!, ports[end - 1]!)
    const text = publishedText(run)
    if (!seen.has(text)) merged.push(run)
    seen.add(text)
    at = end
  }
  return merged
}

/** Behind the last one that continues those before it. */
function endOfRun(ports: readonly PublishedPort[], start: number): number {
  let at = start + 1
  while (at < ports.length && continues(ports[at - 1]!, ports[at]!)) at += 1
  return at
}

function continues(a: PublishedPort, b: PublishedPort): boolean {
  return (
    isExact(a) &&
    isExact(b) &&
    a.protocol === b.protocol &&
    a.hostAddress === b.hostAddress &&
    a.ports.to + 1 === b.ports.from &&
    a.hostPorts.to + 1 === b.hostPorts.from
  )
}

/** From the first of a run to its last. */
function asOne(first: PublishedPort, last: PublishedPort): PublishedPort {
  if (first === last || !isExact(first) || !isExact(last)) return first
  return {
    ...first,
    ports: { from: first.ports.from, to: last.ports.to },
    hostPorts: { from: first.hostPorts.from, to: last.hostPorts.to },
  }
}

/** Whether the host ports are given, one for each port. */
export function isExact<P extends Pick<PublishedPort, 'ports' | 'hostPorts'>>(
  port: P,
): port is P & { readonly hostPorts: PortRange } {
  return port.hostPorts !== undefined && portCount(port.hostPorts) === portCount(port.ports)
}
