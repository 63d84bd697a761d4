import { cidrAddress, type MacAddress, type Prefix } from '../../address/address.ts'
import { shortId } from '../../base/id.ts'
import type { Attachment, PortBinding } from '../../driver/driver.ts'
import { linkResource, linkToMove } from '../../driver/link-types.ts'
import type { NamespaceRef, Resource, RouteResource } from '../../kernel/resource.ts'
import type { EndpointRecord, SandboxRecord } from '../records.ts'
import { endpointNames } from './endpoint-names.ts'
import { sysctlPath } from './endpoint-sysctls.ts'
import { chooseGateways, type GatewayChoice } from './gateway.ts'
import type { PlannedEndpoint } from './planned-endpoint.ts'
import { inGroup } from './port-group.ts'

/**
 * The resources of every endpoint of one sandbox. They depend on one another: the default routes are
 * shared out, and ports are published only where the answers leave by them. `folder` is where the files of
 * sandboxes are.
 */
export function planSandbox(
  sandbox: SandboxRecord,
  endpoints: readonly PlannedEndpoint[],
  folder: string,
): ReadonlyMap<string, readonly Resource[]> {
  const { namespace, gateways } = sandbox
  if (sandbox.origin === 'elsewhere') {
    return new Map(
      endpoints.map((planned) => [
        planned.record.id,
        inGroup(planElsewhere(planned), planned.network),
      ]),
    )
  }
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
      inGroup(
        [
          ...onHost(planned, choice),
          ...(namespace ? insideSandbox(planned, namespace, choice) : []),
          ...endpointNames(planned, sandbox, choice, folder),
        ],
        planned.network,
      ),
    ]),
  )
}

const noPorts: readonly PortBinding[] = []

/**
 * What is on the host of a container of another engine: that engine does the rest, answers names itself, and
 * publishes ports only where the answers leave by them.
 */
function planElsewhere({ record, attachment, describe }: PlannedEndpoint): readonly Resource[] {
  const own = describe(record.ports ?? noPorts)
  const { link } = attachment
  return link ? [...own, ...linkToMove(link, nameToMove(record)).resources] : own
}

/** What a link is called on the host until another engine moves it. */
export function nameToMove({ id }: Pick<EndpointRecord, 'id'>): string {
  return `peer${shortId(id, 10)}`
}

export function isToMove(link: string): boolean {
  return /^peer[0-9a-f]{10}$/.test(link)
}

function onHost({ record, describe }: PlannedEndpoint, choice: GatewayChoice): readonly Resource[] {
  const { id, ports } = record
  if (ports === undefined) return describe(noPorts)
  const isActive = ({ hostPorts, family }: PortBinding) =>
    hostPorts === undefined || (family === 4 ? choice.ipv4 : choice.ipv6) === id
  // Reserved all the same, or they could be another's when their turn comes.
  const pending = ports.flatMap((binding): Resource[] => {
    const { protocol, hostAddress: address, hostPorts } = binding
    if (hostPorts === undefined || isActive(binding)) return []
    return [{ kind: 'reservation', protocol, address, ports: hostPorts, pending: true }]
  })
  return [...describe(ports.filter(isActive)), ...pending]
}

function insideSandbox(
  { record, attachment }: PlannedEndpoint,
  namespace: NamespaceRef,
  choice: GatewayChoice,
): Resource[] {
  const { link: attached } = attachment
  const link = record.joined?.link
  if (attached === undefined || link === undefined) return []
  return [
    linkResource(attached, namespace, link),
    ...attachment.addresses.map(
      (address): Resource => ({ kind: 'address', namespace, link, address }),
    ),
    ...attachment.routes.map((route) => routeResource(namespace, link, route)),
    ...defaultRoutes(record.id, namespace, link, attachment, choice),
    ...Object.entries(record.sysctls ?? {}).map(
      ([sysctl, value]): Resource => ({
        kind: 'sysctl',
        namespace,
        name: sysctlPath(sysctl, link),
        value,
      }),
    ),
    ...(attached.mac ? announcements(namespace, link, attached.mac, attachment) : []),
  ]
}

function announcements(
  namespace: NamespaceRef,
  link: string,
  mac: MacAddress,
  { announce, addresses }: Attachment,
): Resource[] {
  if (announce === undefined) return []
  return addresses.map((address) => ({
    kind: 'announcement',
    namespace,
    link,
    address: cidrAddress(address),
    mac,
    ...announce,
  }))
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

/** Families in which an endpoint supplies its sandbox's default route. */
export function gatewayFamilies({ resources }: EndpointRecord): readonly (4 | 6)[] {
  return resources.flatMap((each): (4 | 6)[] => {
    if (each.kind !== 'route') return []
    return each.destination === '0.0.0.0/0' ? [4] : each.destination === '::/0' ? [6] : []
  })
}
