import { cidrOf, type IpAddress, prefixLength } from '../../address/address.ts'
import { type Protocol, portCount } from '../../address/port.ts'
import {
  type ExposedPort,
  endpointOptionKeys,
  type InterfaceData,
  type PoolData,
  type PortMapping,
} from '../../plugin/network-driver-messages.ts'
import type { EndpointSpec, NetworkSpec, PortBinding, Subnet } from '../driver.ts'

/** What a plugin is told of a network, an endpoint and its ports. */

export function poolsOf({ ipv4, ipv6 }: NetworkSpec): {
  readonly IPv4Data: PoolData[]
  readonly IPv6Data: PoolData[]
} {
  return { IPv4Data: ipv4 ? [poolOf(ipv4)] : [], IPv6Data: ipv6 ? [poolOf(ipv6)] : [] }
}

function poolOf({ subnet, gateway, auxAddresses }: Subnet): PoolData {
  const cidr = (address: IpAddress) => cidrOf(address, prefixLength(subnet))
  const aux = Object.entries(auxAddresses ?? {}).map(([name, address]) => [name, cidr(address)])
  return {
    AddressSpace: 'LocalDefault',
    Pool: subnet,
    ...(gateway ? { Gateway: cidr(gateway) } : {}),
    ...(aux.length === 0 ? {} : { AuxAddresses: Object.fromEntries(aux) }),
  }
}

/** Empty where the plugin may choose. */
export function interfaceOf(network: NetworkSpec, endpoint: EndpointSpec): InterfaceData {
  const { ipv4, ipv6, mac } = endpoint
  const { chosen } = endpoint.told ?? {}
  return {
    Address: ipv4 ? (chosen?.ipv4 ?? cidrIn(network.ipv4, ipv4)) : '',
    AddressIPv6: ipv6 ? (chosen?.ipv6 ?? cidrIn(network.ipv6, ipv6)) : '',
    MacAddress: mac ?? '',
  }
}

export function cidrIn(pool: Subnet | undefined, address: IpAddress) {
  const whole = address.includes(':') ? 128 : 32
  return cidrOf(address, pool === undefined ? whole : prefixLength(pool.subnet))
}

const numbers: Readonly<Record<Protocol, number>> = { tcp: 6, udp: 17, sctp: 132 }

/** A mapping for each port: that is what plugins know. */
export function endpointOptions(endpoint: EndpointSpec): Record<string, unknown> {
  const { ports, exposed = [], mac } = endpoint
  const exposedPorts = exposed.flatMap(({ protocol, ports: { from, to } }): ExposedPort[] =>
    Array.from({ length: to - from + 1 }, (_, at) => ({
      Proto: numbers[protocol],
      Port: from + at,
    })),
  )
  const portMap = ports.flatMap((binding) => mappings(endpoint, binding))
  return {
    [endpointOptionKeys.exposedPorts]: exposedPorts,
    [endpointOptionKeys.portMap]: portMap,
    ...(mac ? { [endpointOptionKeys.macAddress]: mac } : {}),
  }
}

function mappings({ ipv4, ipv6 }: EndpointSpec, binding: PortBinding): PortMapping[] {
  const { protocol, ports, hostAddress, hostPorts, family } = binding
  return Array.from({ length: portCount(ports) }, (_, at) => {
    const host = hostPorts === undefined ? 0 : hostPorts.from + at
    return {
      Proto: numbers[protocol],
      IP: (family === 4 ? ipv4 : ipv6) ?? '',
      Port: ports.from + at,
      HostIP: hostAddress,
      HostPort: host,
      HostPortEnd: host,
    }
  })
}
