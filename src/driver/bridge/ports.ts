import { type IpAddress, parseAddress } from '../../address/address.ts'
import { portCount } from '../../address/port.ts'
import {
  type OpenPorts,
  openElements,
  type PublishedPorts,
  publishedElement,
  quietSets,
} from '../../firewall/ports.ts'
import type { RelayResource } from '../../kernel/kept-resource.ts'
import {
  type FlowsResource,
  type ReservationResource,
  type Resource,
  resourceKey,
} from '../../kernel/resource.ts'
import type { EndpointSpec, NetworkSpec, PortBinding } from '../driver.ts'
import { portName } from './names.ts'
import { gatewayMode, optionsOf } from './options.ts'

/**
 * A relay is a socket of ours, so an endpoint has no more of them: what goes beyond is reached at every
 * other address of the host.
 */
export const MAX_RELAYS = 256

const loopback6 = parseAddress('::1')

export function isLoopback(address: IpAddress): boolean {
  return address === loopback6 || address.startsWith('127.')
}

export function addressOf(
  network: NetworkSpec,
  endpoint: EndpointSpec,
  family: 4 | 6,
): IpAddress | undefined {
  return family === 4 ? network.ipv4 && endpoint.ipv4 : network.ipv6 && endpoint.ipv6
}

/** What an endpoint's ports need of the host. */
export function portResources(network: NetworkSpec, endpoint: EndpointSpec): Resource[] {
  if (endpoint.ports.length === 0) return []
  const translated: PublishedPorts[] = []
  const opened: OpenPorts[] = []
  for (const binding of endpoint.ports) {
    const { family, protocol, ports, hostAddress, hostPorts } = binding
    const address = addressOf(network, endpoint, family)
    if (address === undefined) continue
    if (isOpen(network, binding)) opened.push({ family, protocol, address, ports })
    if (hostPorts !== undefined) {
      translated.push({ family, protocol, hostAddress, hostPorts, address, ports })
    }
  }
  const forwarded = translated.filter(({ hostAddress }) => hostAddress !== loopback6)
  return [
    ...forwarded.map((each) => publishedElement(each, endpoint.id)),
    ...openElements(opened, endpoint.id),
    ...translated.map(reservation),
    ...flows(forwarded, opened, portName(endpoint)),
    ...relays(translated),
  ]
}

/** Whether ports are reached at the sandbox's own address by those who may. */
function isOpen(network: NetworkSpec, { family, hostAddress, hostPorts }: PortBinding): boolean {
  if (hostPorts === undefined) return true
  const options = optionsOf(network)
  const isNat = gatewayMode(options, family) === 'nat'
  return isNat && options.trustedInterfaces !== undefined && !isLoopback(hostAddress)
}

function reservation({ protocol, hostAddress, hostPorts }: PublishedPorts): ReservationResource {
  return { kind: 'reservation', protocol, address: hostAddress, ports: hostPorts }
}

/** The same ports can be published several times, and be reached directly, too. */
function flows(
  forwarded: readonly PublishedPorts[],
  opened: readonly OpenPorts[],
  link: string,
): FlowsResource[] {
  const flowsOf = ({ family, protocol, address, ports }: OpenPorts): FlowsResource => {
    return { kind: 'flows', address, protocol, ports, link, quiet: quietSets(family) }
  }
  const each = [
    ...forwarded.map(flowsOf),
    ...opened.map((open): FlowsResource => ({ ...flowsOf(open), direct: true })),
  ]
  return [...new Map(each.map((one) => [resourceKey(one), one])).values()]
}

/** The kernel can't forward what is from ::1. Who asked for that very address comes first. */
function relays(published: readonly PublishedPorts[]): RelayResource[] {
  const wanted = published
    .filter(({ hostAddress }) => hostAddress === loopback6 || hostAddress === '::')
    .sort((a, b) => Number(b.hostAddress === loopback6) - Number(a.hostAddress === loopback6))
  const found: RelayResource[] = []
  for (const { protocol, hostPorts, address, ports } of wanted) {
    if (protocol === 'sctp') continue
    for (let n = 0; n < portCount(ports) && found.length < MAX_RELAYS; n += 1) {
      const listen = { address: loopback6, port: hostPorts.from + n }
      found.push({ kind: 'relay', protocol, listen, to: { address, port: ports.from + n } })
    }
  }
  return found
}
