import { type IpAddress, prefixLength } from '../../address/address.ts'
import { mergePorts, type Protocol } from '../../address/port.ts'
import { shortId } from '../../base/id.ts'
import type { NamesResource } from '../../kernel/kept-resource.ts'
import type { HostsEntryResource, Resource } from '../../kernel/resource.ts'
import type { EndpointRecord, SandboxRecord } from '../records.ts'
import { filesOf, fullNames, hostnameOf } from '../sandbox/sandbox-names.ts'
import type { GatewayChoice } from './gateway.ts'
import type { PlannedEndpoint } from './planned-endpoint.ts'

/** What sandboxes call the host. */
const hostName = 'host.internal'

/** By which names a joined endpoint is found, and what its sandbox may ask because of it. */
export function endpointNames(
  planned: PlannedEndpoint,
  sandbox: SandboxRecord,
  choice: GatewayChoice,
  folder: string,
): readonly Resource[] {
  const { record, attachment } = planned
  const addresses = [record.ipv4, record.ipv6].filter((address) => address !== undefined)
  if (attachment.link === undefined || addresses.length === 0) return []
  const host = hostAddresses(planned, choice)
  const path = filesOf(folder, sandbox)?.hosts
  const names = hostNames(sandbox)
  return [
    namesResource(planned, sandbox, choice, addresses, host),
    ...(path === undefined
      ? []
      : [
          ...entries(path, addresses, fullNames(sandbox)),
          ...(names.length === 0 ? [] : entries(path, host, names)),
        ]),
  ]
}

function namesResource(
  { record, network, attachment, linkNames }: PlannedEndpoint,
  sandbox: SandboxRecord,
  choice: GatewayChoice,
  addresses: readonly IpAddress[],
  host: readonly IpAddress[],
): NamesResource {
  const { id, name, aliases } = record
  const servers = record.dnsServers ?? network.dnsServers
  const ofHost = host.length === 0 ? [] : hostNames(sandbox).map((each) => [each, host] as const)
  return {
    kind: 'names',
    endpoint: id,
    sandbox: sandbox.id,
    network: { id: network.id, name: network.name },
    names: distinct([name, ...aliases, hostnameOf(sandbox), shortId(sandbox.id)]),
    addresses,
    // A family without a pool of its own is not to answer for all addresses there are.
    subnets: [network.ipv4, network.ipv6].flatMap((pool) =>
      pool && prefixLength(pool.subnet) > 0 ? [pool.subnet] : [],
    ),
    services: services(record),
    own: { ...Object.fromEntries(ofHost), ...linkNames },
    outside: !network.internal && Boolean(attachment.gateway4 ?? attachment.gateway6),
    gateway: choice.ipv4 === id || choice.ipv6 === id,
    ...(servers ? { servers } : {}),
  }
}

/** The host on the network that leads outside. Its gateway may be a foreign router. */
function hostAddresses({ record, network }: PlannedEndpoint, choice: GatewayChoice): IpAddress[] {
  return [
    choice.ipv4 === record.id ? network.ipv4?.gateway : undefined,
    choice.ipv6 === record.id ? network.ipv6?.gateway : undefined,
  ].filter((address) => address !== undefined)
}

/** Unless a user means something else by that name. */
function hostNames({ extraHosts = [] }: SandboxRecord): readonly string[] {
  const named = extraHosts.filter(({ address }) => address === 'host-gateway')
  const isTaken = extraHosts.some(({ name }) => name.toLowerCase() === hostName)
  return distinct([...(isTaken ? [] : [hostName]), ...named.map(({ name }) => name)])
}

function entries(
  path: string,
  addresses: readonly IpAddress[],
  names: readonly string[],
): HostsEntryResource[] {
  return addresses.map((address) => ({ kind: 'hosts-entry', path, address, names }))
}

function services({ exposed = [], publish = [] }: EndpointRecord): NamesResource['services'] {
  const all = [...exposed, ...publish]
  const protocols: readonly Protocol[] = ['tcp', 'udp', 'sctp']
  return protocols.flatMap((protocol) => {
    const ranges = all.filter((each) => each.protocol === protocol).map(({ ports }) => ports)
    return mergePorts(ranges).map((ports) => ({ protocol, ports }))
  })
}

/** Without those that differ in their capitals only. */
function distinct(names: readonly string[]): readonly string[] {
  const seen = new Set<string>()
  return names.filter((name) => {
    const key = name.toLowerCase()
    return !seen.has(key) && seen.add(key)
  })
}
