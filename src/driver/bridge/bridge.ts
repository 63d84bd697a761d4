import {
  cidrOf,
  type MacAddress,
  parseAddress,
  parsePrefix,
  prefixLength,
} from '../../address/address.ts'
import { macFor } from '../../address/mac.ts'
import { shortId } from '../../base/id.ts'
import {
  endpointElements,
  networkElements,
  tables,
  uplinkElement,
} from '../../firewall/firewall.ts'
import type { HostView } from '../../kernel/kernel.ts'
import type { AddressResource, Resource, SysctlResource } from '../../kernel/resource.ts'
import type { Attachment, EndpointSpec, NetworkDriver, NetworkSpec, Subnet } from '../driver.ts'
import { type BridgeOptions, parseBridgeOptions } from './options.ts'

/**
 * A network is a bridge of the host; an endpoint is a veth pair from it into the sandbox. The host has
 * the gateway address; the firewall keeps networks apart and hides them behind the host's address.
 */
export function bridge(): NetworkDriver {
  return {
    name: 'bridge',
    capabilities: {
      scope: 'local',
      connectivity: 'local',
      addresses: true,
      sandbox: 'own',
      exclusive: false,
      single: false,
    },
    parseOptions: parseBridgeOptions,
    describeNetwork,
    describeEndpoint,
    attachment,
  }
}

const everything4 = parsePrefix('0.0.0.0/0')
const everything6 = parsePrefix('::/0')

/** Stands for the address in MACs of what has none. */
const noAddress = parseAddress('::')

function optionsOf(network: NetworkSpec): BridgeOptions {
  return network.options as unknown as BridgeOptions
}

function portName(endpoint: EndpointSpec): string {
  return `veth${shortId(endpoint.id, 10)}`
}

function hasIpv6(network: NetworkSpec, endpoint: EndpointSpec): boolean {
  return network.ipv6 !== undefined && endpoint.ipv6 !== undefined
}

function bridgeName(network: NetworkSpec): string {
  return optionsOf(network).bridge ?? `br-${shortId(network.id, 10)}`
}

function describeNetwork(network: NetworkSpec, view: HostView): Resource[] {
  const options = optionsOf(network)
  const name = bridgeName(network)
  const masquerade = options.masquerade && !network.internal
  return [
    ...tables,
    ...networkElements({
      id: network.id,
      bridge: name,
      internal: network.internal,
      icc: options.icc,
      ...sources(network, options),
      ...(masquerade && network.ipv4 ? { masquerade4: network.ipv4.subnet } : {}),
      ...(masquerade && network.ipv6 ? { masquerade6: network.ipv6.subnet } : {}),
    }),
    {
      kind: 'bridge',
      name,
      ipv6: network.ipv6 !== undefined,
      ...(options.own
        ? { origin: 'own', mtu: options.mtu, mac: bridgeMac(network) }
        : { origin: 'adopt' }),
    },
    ...gatewayAddress(name, network.ipv4, options.ownAddress4),
    ...gatewayAddress(name, network.ipv6, options.ownAddress6),
    ...(network.internal ? [] : forwarding(name, network, view)),
  ]
}

/** On a bridge that was there before us there may be anybody, routers included. */
function sources({ ipv4, ipv6 }: NetworkSpec, { own }: BridgeOptions) {
  if (!own) return { sources4: everything4, sources6: everything6 }
  return {
    ...(ipv4 ? { sources4: ipv4.subnet } : {}),
    ...(ipv6 ? { sources6: ipv6.subnet } : {}),
  }
}

/** Its own MAC, or the bridge would take that of a port and change it whenever a port comes or goes. */
function bridgeMac(network: NetworkSpec): MacAddress {
  return macFor(network.id, network.ipv4?.gateway ?? network.ipv6?.gateway ?? noAddress)
}

function gatewayAddress(link: string, subnet: Subnet | undefined, ours: boolean): Resource[] {
  if (subnet?.gateway === undefined || !ours) return []
  const address = cidrOf(subnet.gateway, prefixLength(subnet.subnet))
  return [{ kind: 'address', link, address } satisfies AddressResource]
}

/**
 * Forwarding is switched on per link, never for the whole host: on the bridge, and on the links that
 * lead outwards. Where it was off before us, the firewall keeps the host from routing for strangers.
 */
function forwarding(name: string, network: NetworkSpec, view: HostView): Resource[] {
  const resources: Resource[] = []
  const { own } = optionsOf(network)
  const families = [
    ...(network.ipv4 ? [4 as const] : []),
    ...(network.ipv6 && view.forceForwarding6 ? [6 as const] : []),
  ]
  for (const family of families) {
    // What is ours has no earlier value to be put back.
    if (own) resources.push(forward(family, name))
    else if (!isForwarding(view, name, family)) resources.push(forward(family, name, '0'))
    for (const uplink of uplinks(view, family)) {
      if (isForwarding(view, uplink, family)) continue
      resources.push(forward(family, uplink, '0'), uplinkElement(uplink, family))
    }
  }
  return resources
}

function forward(family: 4 | 6, link: string, restore?: string): SysctlResource {
  const key = family === 4 ? 'forwarding' : 'force_forwarding'
  const name = `net/ipv${family}/conf/${link}/${key}`
  return { kind: 'sysctl', name, value: '1', ...(restore === undefined ? {} : { restore }) }
}

function isForwarding(view: HostView, name: string, family: 4 | 6): boolean {
  const link = view.links.find((each) => each.name === name)
  return (family === 4 ? link?.forwarding4 : link?.forwarding6) ?? false
}

function uplinks(view: HostView, family: 4 | 6): string[] {
  const everywhere = family === 4 ? '0.0.0.0/0' : '::/0'
  const routes = view.routes.filter(({ destination }) => destination === everywhere)
  return [...new Set(routes.map(({ link }) => link))]
}

function describeEndpoint(network: NetworkSpec, endpoint: EndpointSpec): Resource[] {
  const { icc } = optionsOf(network)
  const ipv6 = hasIpv6(network, endpoint)
  return endpointElements({ id: endpoint.id, port: portName(endpoint), icc, ipv6 })
}

function attachment(network: NetworkSpec, endpoint: EndpointSpec): Attachment {
  const options = optionsOf(network)
  const address = endpoint.ipv4 ?? endpoint.ipv6 ?? noAddress
  return {
    link: {
      type: 'veth',
      hostName: portName(endpoint),
      bridge: bridgeName(network),
      prefix: options.prefix,
      mtu: options.mtu,
      mac: endpoint.mac ?? macFor(network.id, address),
      ipv6: hasIpv6(network, endpoint),
    },
    addresses: [
      ...(network.ipv4 && endpoint.ipv4
        ? [cidrOf(endpoint.ipv4, prefixLength(network.ipv4.subnet))]
        : []),
      ...(network.ipv6 && endpoint.ipv6
        ? [cidrOf(endpoint.ipv6, prefixLength(network.ipv6.subnet))]
        : []),
    ],
    ...(network.internal ? {} : gateways(network)),
    routes: [],
  }
}

function gateways(network: NetworkSpec): Pick<Attachment, 'gateway4' | 'gateway6'> {
  return {
    ...(network.ipv4?.gateway ? { gateway4: network.ipv4.gateway } : {}),
    ...(network.ipv6?.gateway ? { gateway6: network.ipv6.gateway } : {}),
  }
}
