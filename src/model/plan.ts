import type { Prefix } from '../address/address.ts'
import type {
  Attachment,
  EndpointSpec,
  NetworkDriver,
  NetworkSpec,
  Subnet,
} from '../driver/driver.ts'
import type { HostView } from '../kernel/kernel.ts'
import type { NamespaceRef, Resource, RouteResource } from '../kernel/resource.ts'
import { chooseGateways, type GatewayChoice } from './gateway.ts'
import type { EndpointRecord, NetworkRecord, PoolRecord, SandboxRecord } from './records.ts'

/** An endpoint of a sandbox together with what its driver says of it. */
export interface PlannedEndpoint {
  readonly record: EndpointRecord
  readonly network: NetworkRecord
  readonly attachment: Attachment
  readonly host: readonly Resource[]
}

export function networkSpec(record: NetworkRecord): NetworkSpec {
  const { id, name, internal, options } = record
  return {
    id,
    name,
    internal,
    options,
    ...(record.ipv4 ? { ipv4: subnetOf(record.ipv4) } : {}),
    ...(record.ipv6 ? { ipv6: subnetOf(record.ipv6) } : {}),
  }
}

function subnetOf(pool: PoolRecord): Subnet {
  const { subnet, gateway, auxAddresses } = pool
  return { subnet, ...(gateway ? { gateway } : {}), ...(auxAddresses ? { auxAddresses } : {}) }
}

function endpointSpec(record: EndpointRecord): EndpointSpec {
  const { id, name, ipv4, ipv6, mac } = record
  return {
    id,
    name,
    ...(ipv4 ? { ipv4 } : {}),
    ...(ipv6 ? { ipv6 } : {}),
    ...(mac ? { mac } : {}),
    linkLocal: [],
    ports: [],
    links: [],
  }
}

/** Asks the driver about a joined endpoint. */
export function planEndpoint(
  record: EndpointRecord,
  network: NetworkRecord,
  driver: NetworkDriver,
  view: HostView,
): PlannedEndpoint {
  const spec = networkSpec(network)
  const endpoint = endpointSpec(record)
  return {
    record,
    network,
    attachment: driver.attachment(spec, endpoint, view),
    host: driver.describeEndpoint(spec, endpoint, view),
  }
}

/** The resources of every endpoint of one sandbox. They depend on one another: gateways are shared out. */
export function planSandbox(
  { namespace, gateways }: Pick<SandboxRecord, 'namespace' | 'gateways'>,
  endpoints: readonly PlannedEndpoint[],
): ReadonlyMap<string, readonly Resource[]> {
  const choice = chooseGateways(
    endpoints.map(({ record, network, attachment }) => ({
      endpoint: record.id,
      network: network.name,
      internal: network.internal,
      priority: record.gwPriority,
      // An adopted namespace keeps a default route of its own.
      ...(attachment.gateway4 && !gateways.includes(4) ? { gateway4: attachment.gateway4 } : {}),
      ...(attachment.gateway6 && !gateways.includes(6) ? { gateway6: attachment.gateway6 } : {}),
    })),
  )
  return new Map(
    endpoints.map((planned) => [
      planned.record.id,
      [...planned.host, ...(namespace ? inside(planned, namespace, choice) : [])],
    ]),
  )
}

function inside(
  { record, attachment }: PlannedEndpoint,
  namespace: NamespaceRef,
  choice: GatewayChoice,
): Resource[] {
  const { link: born } = attachment
  const link = record.joined?.link
  if (born === undefined || link === undefined) return []
  const { hostName: name, bridge, mtu, mac, ipv6 } = born
  const peer = { namespace, name: link, mac, ipv6 }
  return [
    { kind: 'veth', name, bridge, mtu, peer },
    ...attachment.addresses.map(
      (address): Resource => ({ kind: 'address', namespace, link, address }),
    ),
    ...attachment.routes.map((route) => routeResource(namespace, link, route)),
    ...defaultRoutes(record.id, namespace, link, attachment, choice),
  ]
}

function defaultRoutes(
  endpoint: string,
  namespace: NamespaceRef,
  link: string,
  attachment: Attachment,
  choice: GatewayChoice,
): RouteResource[] {
  const routes: RouteResource[] = []
  const { gateway4, gateway6 } = attachment
  if (choice.ipv4 === endpoint && gateway4 !== undefined) {
    const destination = '0.0.0.0/0' as Prefix
    routes.push(routeResource(namespace, link, { destination, gateway: gateway4 }))
  }
  if (choice.ipv6 === endpoint && gateway6 !== undefined) {
    const destination = '::/0' as Prefix
    routes.push(routeResource(namespace, link, { destination, gateway: gateway6 }))
  }
  return routes
}

function routeResource(
  namespace: NamespaceRef,
  link: string,
  route: Attachment['routes'][number],
): RouteResource {
  return { kind: 'route', namespace, link, ...route }
}

/** The link's name inside: the one wanted, or the prefix with the lowest number that is free. */
export function freeLinkName(prefix: string, taken: ReadonlySet<string>): string {
  for (let number = 0; ; number += 1) {
    const name = `${prefix}${number}`
    if (!taken.has(name)) return name
  }
}
