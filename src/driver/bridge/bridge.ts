import {
  cidrOf,
  type MacAddress,
  type Prefix,
  parsePrefix,
  prefixLength,
} from '../../address/address.ts'
import { macFor } from '../../address/mac.ts'
import {
  endpointElements,
  type FamilyFirewall,
  networkElements,
  tables,
} from '../../firewall/firewall.ts'
import { flowLimitElements, flowLimitOfRest } from '../../firewall/flow-limits.ts'
import { senderElements } from '../../firewall/senders.ts'
import type { HostView } from '../../kernel/kernel.ts'
import type { AddressResource, Resource } from '../../kernel/resource.ts'
import type { EndpointSpec, NetworkDriver, NetworkSpec, SharedWithHost, Subnet } from '../driver.ts'
import { attachment, hasIpv6, noAddress } from './attachment.ts'
import { consents } from './consents.ts'
import { bridgeForwarding, outward, uplinkForwarding } from './forwarding.ts'
import { hostAddresses } from './host-addresses.ts'
import { bridgeName, portName } from './names.ts'
import { exactMac, neighbourResources } from './neighbours.ts'
import {
  type BridgeOptions,
  gatewayMode,
  optionsOf,
  parseBridgeOptions,
  translates,
} from './options.ts'
import { portResources } from './ports.ts'
import { givenSources, hasForeignRouters, sendersOf } from './senders.ts'

/**
 * A network is a bridge of the host; an endpoint is a veth pair from it into the sandbox. The host has
 * the gateway address; the firewall keeps networks apart, hides them behind the host's address, and
 * leads what comes to published ports to their endpoints.
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
    hiddenOptions: ['own', 'ownAddress4', 'ownAddress6'] satisfies (keyof BridgeOptions)[],
    parseOptions: parseBridgeOptions,
    sharedWithHost,
    describeHost,
    describeNetwork,
    describeEndpoint,
    hostAddresses,
    attachment,
  }
}

function sharedWithHost(network: NetworkSpec): SharedWithHost {
  const { own, bridge, hostOverlap, inhibit4, gatewayMode4, gatewayMode6 } = optionsOf(network)
  return {
    everything: hostOverlap,
    apart: [
      ...(inhibit4 || gatewayMode4 === 'isolated' ? [4 as const] : []),
      ...(gatewayMode6 === 'isolated' ? [6 as const] : []),
    ],
    ...(own || bridge === undefined ? {} : { link: bridge }),
  }
}

/** Ports from which a bridge learns could fill its table else: 64 times the MACs that an endpoint can be given. */
const MAX_LEARNED = 4096

const everything: Readonly<Record<4 | 6, Prefix>> = {
  4: parsePrefix('0.0.0.0/0'),
  6: parsePrefix('::/0'),
}

function describeHost(networks: readonly NetworkSpec[], view: HostView): Resource[] {
  return [
    ...tables,
    ...uplinkForwarding(networks, view),
    ...outward(networks, view),
    ...consents(networks, view),
  ]
}

function describeNetwork(network: NetworkSpec, view: HostView): Resource[] {
  const options = optionsOf(network)
  const { id, internal, ipv4, ipv6 } = network
  const name = bridgeName(network)
  return [
    ...networkElements({
      id,
      bridge: name,
      internal,
      icc: options.icc,
      trusted: options.trustedInterfaces?.split(':') ?? [],
      ...(ipv4 ? { ipv4: familyFirewall(network, options, 4, ipv4) } : {}),
      ...(ipv6 ? { ipv6: familyFirewall(network, options, 6, ipv6) } : {}),
    }),
    ...(options.own ? flowLimitOfRest(name, options.newFlowsPerSecond, id) : []),
    {
      kind: 'bridge',
      name,
      ipv6: ipv6 !== undefined && options.gatewayMode6 !== 'isolated',
      ...(options.own
        ? { origin: 'own', mtu: options.mtu, mac: bridgeMac(network), maxLearned: MAX_LEARNED }
        : { origin: 'adopt' }),
    },
    ...gatewayAddress(name, ipv4, options.ownAddress4 && !options.inhibit4),
    ...gatewayAddress(name, ipv6, options.ownAddress6),
    ...(internal ? [] : bridgeForwarding(network, options, view)),
    ...(internal || !ipv4 ? [] : localRouting(name, options, view)),
  ]
}

function familyFirewall(
  network: NetworkSpec,
  options: BridgeOptions,
  family: 4 | 6,
  { subnet, gateway }: Subnet,
): FamilyFirewall {
  const mode = gatewayMode(options, family)
  const isOpen = hasForeignRouters(network, family)
  const hidden = network.internal ? undefined : hiddenBehind(options, family)
  return {
    mode,
    subnet,
    sources: isOpen ? everything[family] : subnet,
    // The host has its way there by the bridge.
    isOurs: !isOpen && gateway !== undefined,
    ...(hidden === undefined ? {} : { hiddenBehind: hidden }),
  }
}

function hiddenBehind(options: BridgeOptions, family: 4 | 6): FamilyFirewall['hiddenBehind'] {
  if (!translates(options, family)) return undefined
  const { masquerade, snat4, snat6 } = options
  return (family === 4 ? snat4 : snat6) ?? (masquerade ? 'host' : undefined)
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

/** Or what the host sends from 127.0.0.1 to a published port could not leave by the bridge. */
function localRouting(link: string, options: BridgeOptions, view: HostView): Resource[] {
  if (!translates(options, 4)) return []
  const name = `net/ipv4/conf/${link}/route_localnet`
  if (options.own) return [{ kind: 'sysctl', name, value: '1' }]
  const isOn = view.links.some((each) => each.name === link && each.routeLocalnet)
  return isOn ? [] : [{ kind: 'sysctl', name, value: '1', restore: '0' }]
}

function describeEndpoint(network: NetworkSpec, endpoint: EndpointSpec): Resource[] {
  const { icc } = optionsOf(network)
  const { rate, links, ports } = endpoint
  const port = portName(endpoint)
  const member = (one: Pick<EndpointSpec, 'id' | 'ipv4' | 'ipv6'>) => ({
    id: one.id,
    port: portName(one),
    ...(one.ipv4 ? { ipv4: one.ipv4 } : {}),
    ...(one.ipv6 ? { ipv6: one.ipv6 } : {}),
  })
  const published = ports.filter(({ hostPorts }) => hostPorts !== undefined)
  return [
    ...endpointElements({
      ...member(endpoint),
      network: network.id,
      icc,
      hasIpv6: hasIpv6(network, endpoint),
      links: links.map(member),
      hairpin: [...new Set(published.map(({ family }) => family))],
    }),
    ...neighbourResources(network, endpoint),
    ...senderElements(endpoint.id, port, sendersOf(network, endpoint)),
    ...givenSources(network, endpoint),
    ...flowLimits(network, endpoint),
    ...portResources(network, endpoint),
    ...(rate ? [{ kind: 'rate', link: port, ...rate } as const] : []),
  ]
}

/** Of one that may have other MACs as well: what they begin counts for the network. */
function flowLimits(network: NetworkSpec, endpoint: EndpointSpec): Resource[] {
  const mac = exactMac(network, endpoint)
  if (mac === undefined || endpoint.macs === 'any') return []
  const { newFlowsPerSecond: rate } = optionsOf(network)
  return flowLimitElements(bridgeName(network), mac, rate, endpoint.id)
}
