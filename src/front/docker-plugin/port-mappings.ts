import { mergePorts, type PortRange, portsText } from '../../address/port.ts'
import type { PublishOptions } from '../../api/endpoint-options.ts'
import { CnmError } from '../../base/errors.ts'
import { Type } from '../../base/schema.ts'
import { parseMessage } from '../../plugin/call.ts'
import {
  ExposedPort,
  endpointOptionKeys,
  PortMapping,
} from '../../plugin/network-driver-messages.ts'

type Options = Readonly<Record<string, unknown>> | undefined

/** By their numbers in IP's header. */
const protocols: Readonly<Record<number, PublishOptions['protocol']>> = {
  6: 'tcp',
  17: 'udp',
  132: 'sctp',
}

/**
 * What is to be published: `-p`, a mapping for each port. They are put in order, so that those that continue
 * each other become one range.
 */
export function publishOptions(options: Options): PublishOptions[] {
  const list = options?.[endpointOptionKeys.portMap] ?? []
  const mappings = parseMessage(Type.Array(PortMapping), list, endpointOptionKeys.portMap)
  return [...mappings].sort(byPort).map(({ Proto, Port, HostIP, HostPort, HostPortEnd }) => ({
    ports: Port,
    protocol: protocolOf(Proto),
    ...(HostIP ? { hostAddress: HostIP } : {}),
    ...(HostPort ? { hostPorts: { from: HostPort, to: HostPortEnd || HostPort } } : {}),
  }))
}

/** Ports that are only named: `80/tcp`, `8000-8099/tcp`. */
export function exposedPorts(options: Options): string[] {
  const list = options?.[endpointOptionKeys.exposedPorts] ?? []
  const ports = parseMessage(Type.Array(ExposedPort), list, endpointOptionKeys.exposedPorts)
  const ranges = new Map<number, PortRange[]>()
  for (const { Proto, Port } of ports) {
    const known = ranges.get(Proto) ?? []
    known.push({ from: Port, to: Port })
    ranges.set(Proto, known)
  }
  return [...ranges].flatMap(([proto, each]) =>
    mergePorts(each).map((range) => `${portsText(range)}/${protocolOf(proto)}`),
  )
}

function byPort(a: PortMapping, b: PortMapping): number {
  const [at, other] = [a.HostIP ?? '', b.HostIP ?? '']
  if (a.Proto !== b.Proto) return a.Proto - b.Proto
  return at === other ? a.Port - b.Port : at < other ? -1 : 1
}

function protocolOf(number: number): 'tcp' | 'udp' | 'sctp' {
  const protocol = protocols[number]
  if (protocol !== undefined) return protocol
  throw new CnmError('INVALID_PORT', `there is no protocol ${number}`, {
    details: { protocol: number },
    hint: 'use tcp, udp or sctp',
  })
}
