import { prefixLength } from '../../../address/address.ts'
import { macFor } from '../../../address/mac.ts'
import { withoutReserved } from '../../../api/reserved-label.ts'
import type { LocalController } from '../../../model/controller.ts'
import type { KnownLocalEndpoint } from '../../../model/endpoint/endpoint.ts'
import type { LocalEndpointInfo } from '../../../model/endpoint/endpoint-info.ts'
import type { KnownLocalNetwork } from '../../../model/network/network.ts'
import type { NetworkRecord, PoolRecord } from '../../../model/records.ts'
import { factsOf } from './network-facts.ts'

/** A network as Docker shows it; who is on it only where that is asked for. */
export function networkJson(
  { now }: LocalController,
  { info: record }: KnownLocalNetwork,
  withContainers: boolean,
): object {
  const facts = factsOf(record.labels)
  return {
    Name: record.name,
    Id: record.id,
    Created: record.created,
    Scope: 'local',
    Driver: record.driver,
    EnableIPv4: record.ipv4 !== undefined || record.ipv6 === undefined,
    EnableIPv6: record.ipv6 !== undefined,
    IPAM: {
      Driver: ipamName(record),
      Options: facts?.ipamOptions ?? null,
      Config: [record.ipv4, record.ipv6].flatMap((pool) => (pool ? [poolJson(pool)] : [])),
    },
    Internal: record.internal,
    Attachable: facts?.attachable ?? false,
    Ingress: false,
    ConfigFrom: { Network: '' },
    ConfigOnly: false,
    Containers: withContainers ? containersJson(now.endpoints({ network: record.id }), record) : {},
    Options: facts?.options ?? textsOf(record.options),
    Labels: withoutReserved(record.labels),
  }
}

/** Docker's own allocator, which also stands where there are no addresses. */
function ipamName({ ipam, ipv4, ipv6 }: NetworkRecord): string {
  return ipam === 'local' || (!ipv4 && !ipv6) ? 'default' : ipam
}

function poolJson({ subnet, range, gateway, auxAddresses }: PoolRecord): object {
  return {
    Subnet: subnet,
    ...(range ? { IPRange: range } : {}),
    ...(gateway ? { Gateway: gateway } : {}),
    ...(auxAddresses ? { AuxiliaryAddresses: auxAddresses } : {}),
  }
}

/** Of a network that was made without Docker's words: the options of its driver. */
function textsOf(options: NetworkRecord['options']): Record<string, string> {
  return Object.fromEntries(Object.entries(options).map(([key, value]) => [key, String(value)]))
}

function containersJson(endpoints: readonly KnownLocalEndpoint[], record: NetworkRecord): object {
  const entries = endpoints.map(({ info }) => {
    const key = info.joined?.sandbox ?? `ep-${info.id}`
    const value = {
      Name: info.name,
      EndpointID: info.id,
      MacAddress: macOf(info, record),
      IPv4Address: cidrText(info.ipv4, record.ipv4),
      IPv6Address: cidrText(info.ipv6, record.ipv6),
    }
    return [key, value] as const
  })
  return Object.fromEntries(entries)
}

function cidrText(address: string | undefined, pool: PoolRecord | undefined): string {
  return address && pool ? `${address}/${prefixLength(pool.subnet)}` : ''
}

/** Where none was chosen, a link's MAC follows from network and address. */
function macOf(info: LocalEndpointInfo, record: NetworkRecord): string {
  const address = info.ipv4 ?? info.ipv6
  return info.mac ?? (address === undefined ? '' : macFor(record.id, address))
}

/** An endpoint as Docker shows it in its container. */
export function endpointJson(
  { info }: KnownLocalEndpoint,
  { info: record }: KnownLocalNetwork,
): object {
  const { ipv4, ipv6 } = record
  return {
    IPAMConfig: null,
    Links: null,
    Aliases: info.aliases,
    MacAddress: macOf(info, record),
    DriverOpts: null,
    GwPriority: info.gwPriority,
    NetworkID: record.id,
    EndpointID: info.id,
    Gateway: (info.ipv4 && ipv4?.gateway) ?? '',
    IPAddress: info.ipv4 ?? '',
    IPPrefixLen: info.ipv4 && ipv4 ? prefixLength(ipv4.subnet) : 0,
    IPv6Gateway: (info.ipv6 && ipv6?.gateway) ?? '',
    GlobalIPv6Address: info.ipv6 ?? '',
    GlobalIPv6PrefixLen: info.ipv6 && ipv6 ? prefixLength(ipv6.subnet) : 0,
    DNSNames: [...new Set([info.name, ...info.aliases])],
  }
}
