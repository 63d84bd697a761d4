import { cidrPrefix, prefixLength } from '../../address/address.ts'
import { CnmError } from '../../base/errors.ts'
import { outwardOf } from '../default-route.ts'
import { namesElsewhere } from '../elsewhere.ts'
import { isKept } from '../kept-resource.ts'
import type {
  AdoptedNamespace,
  Difference,
  HostLink,
  HostRoute,
  HostView,
  Kernel,
  LinkStatistics,
  PortHolder,
  Survey,
  SurveyedLink,
  SurveyedNamespace,
  SurveyQuery,
} from '../kernel.ts'
import { networkOf } from '../link-groups.ts'
import type { NamespaceRef, Resource } from '../resource.ts'
import { isSame } from '../same-resource.ts'
import { readSysctl, routeLine } from './kinds/addressing.ts'
import { commandLines, findThere } from './kinds/kinds.ts'
import { tableName } from './kinds/ruleset.ts'
import { type Link, type Machine, type Netns, processPath } from './machine.ts'

export function differences(machine: Machine, resources: readonly Resource[]): Difference[] {
  const elsewhere = namesElsewhere(resources)
  return resources.flatMap((resource): Difference[] => {
    const there = findThere(machine, resource)
    if (there === undefined) {
      // It goes with its other end, which is another engine's.
      if (resource.kind === 'veth' && elsewhere.has(resource.name)) return []
      const isOnLink = resource.kind === 'fdb' && !machine.host.links.has(resource.link)
      if (isOnLink && elsewhere.has(resource.link)) return []
      return [{ resource, state: 'missing', detail: `missing: ${summary(resource)}` }]
    }
    if (isSame(there, resource)) return []
    const detail =
      resource.kind === 'table'
        ? `table ${tableName(resource.definition)} is not as it was defined`
        : `is: ${summary(there)}; should be: ${summary(resource)}`
    return [{ resource, state: 'different', detail }]
  })
}

function summary(resource: Resource): string {
  return commandLines(resource)[0]!
}

export function surveyed(machine: Machine, { namespaceDir, tables }: SurveyQuery): Survey {
  const links = [...machine.host.links.values()].flatMap(({ resource }): SurveyedLink[] => {
    if (resource === undefined || resource.kind === 'lent-link') return []
    const { kind: type, name } = resource
    return type === 'bridge'
      ? [{ name, type }]
      : [{ name, type, ...(resource.bridge === '' ? {} : { bridge: resource.bridge }) }]
  })
  const namespaces = [...machine.namespaces.values()]
    .filter(({ path }) => namespaceDir !== undefined && path.startsWith(`${namespaceDir}/`))
    .map(surveyedNamespace)
  const elements = tables.flatMap(({ family, name }) => {
    return [...(machine.tables.get(`${family} ${name}`)?.elements.values() ?? [])]
  })
  const kept = [...machine.noted.values()].filter(isKept)
  const neighbours = [...machine.noted.values()].filter((it) => it.kind === 'neighbour')
  return { links, namespaces, neighbours, elements, ...(kept.length === 0 ? {} : { kept }) }
}

function surveyedNamespace(netns: Netns): SurveyedNamespace {
  const links = [...netns.links.values()].flatMap(({ name, mac, mtu, resource }) => {
    if (mac === undefined) return []
    const hostEnd = resource?.kind === 'veth' ? { hostEnd: resource.name } : {}
    const addresses = [...netns.addresses.values()]
      .filter(({ link }) => link === name)
      .map(({ address }) => address)
    return [{ name, mac, mtu, ...hostEnd, addresses }]
  })
  return { path: netns.path, links, routes: routesOf(netns) }
}

export function hostView({ host, forceForwarding6, userChains }: Machine): HostView {
  const isOn = (...sysctls: string[]) => sysctls.some((name) => readSysctl(host, name) === '1')
  return {
    links: [...host.links.values()].map((link) => ({
      ...{ name: link.name, mtu: link.mtu, type: link.type, ours: link.resource !== undefined },
      ...portOf(link.resource),
      ...otherEnd(link, host),
      forwarding4: isOn(`net/ipv4/conf/${link.name}/forwarding`),
      forwarding6: isOn(
        'net/ipv6/conf/all/forwarding',
        `net/ipv6/conf/${link.name}/force_forwarding`,
      ),
      routeLocalnet: isOn(`net/ipv4/conf/${link.name}/route_localnet`),
      acceptRa6: Number(readSysctl(host, `net/ipv6/conf/${link.name}/accept_ra`)) as 0 | 1 | 2,
    })),
    forceForwarding6,
    allForwarding4: isOn('net/ipv4/ip_forward'),
    allForwarding6: isOn('net/ipv6/conf/all/forwarding'),
    ephemeralPorts: { from: 32768, to: 60999 },
    reservedPorts: [],
    resolver: { search: [], options: [] },
    dockerUser: (['ip', 'ip6'] as const).filter((family) => userChains.has(family)),
    routes: routesOf(host),
    outward: outwardOf(routesOf(host)),
    addresses: [...host.addresses.values()],
  }
}

function portOf(resource: Link['resource']): Pick<HostLink, 'portOf'> {
  if (resource?.kind !== 'veth' || resource.group === undefined) return {}
  return { portOf: networkOf(resource.group) }
}

function otherEnd({ resource, used }: Link, host: Netns): Pick<HostLink, 'otherEnd'> {
  const isWhole =
    resource?.kind === 'veth' && !resource.peer.namespace && host.links.has(resource.peer.name)
  return isWhole ? { otherEnd: used ? 'used' : 'new' } : {}
}

export function linkStatistics({ host }: Machine): readonly LinkStatistics[] {
  const nothing = { bytes: 0, packets: 0, dropped: 0, errors: 0 }
  return [...host.links.values()].map(({ name, traffic }) => ({
    name,
    received: traffic?.received ?? nothing,
    sent: traffic?.sent ?? nothing,
  }))
}

export function holdersOf(
  machine: Machine,
  ports: Parameters<Kernel['holders']>[0],
): readonly PortHolder[] {
  return [...new Set(ports.flatMap((wanted) => machine.holdersOf(wanted)))]
}

/** With those that come with an address. */
function routesOf(netns: Netns): readonly HostRoute[] {
  const connected = [...netns.addresses.values()]
    .filter(({ link }) => link !== 'lo')
    .map(({ link, address }) => ({ destination: cidrPrefix(address), link }))
    .filter(({ destination }) => prefixLength(destination) < (destination.includes(':') ? 128 : 32))
  return [...connected, ...[...netns.routes.values()].map(({ ours: _, ...route }) => route)]
}

export function adoptedNamespace(
  machine: Machine,
  target: Parameters<Kernel['adopt']>[0],
): AdoptedNamespace {
  const path = 'path' in target ? target.path : processPath(target.pid)
  const netns = machine.enter({ path })
  if (netns === machine.host) {
    throw new CnmError('HOST_NAMESPACE', `${path} is the host's own network namespace`, {
      details: { path },
      hint: 'Name the namespace of a container or sandbox.',
    })
  }
  const { cookie, links, routes } = netns
  const gateways = ([4, 6] as const).filter((family) =>
    routes.has(family === 4 ? '0.0.0.0/0' : '::/0'),
  )
  return { namespace: { path, cookie }, links: [...links.keys()], gateways }
}

/** Resources are printed as what makes them, what others have as the same commands without our mark. */
export function stateLines(machine: Machine): readonly string[] {
  const blocks: (readonly string[])[] = []
  for (const resource of machine.noted.values()) {
    // What has been said is no state.
    if (resource.kind !== 'announcement') blocks.push(commandLines(resource))
  }
  for (const { definition, elements } of machine.tables.values()) {
    blocks.push(commandLines({ kind: 'table', definition }))
    for (const element of elements.values()) blocks.push(commandLines(element))
  }
  blocks.push(...netnsBlocks(machine.host))
  for (const netns of machine.namespaces.values()) {
    const namespace = { path: netns.path }
    if (netns.ours) blocks.push(commandLines({ kind: 'namespace', namespace }))
    blocks.push(...netnsBlocks(netns, namespace))
  }
  const keyed = blocks.map((block) => ({ block, key: block.join('\n') }))
  return keyed.sort((a, b) => (a.key < b.key ? -1 : 1)).flatMap(({ block }) => block)
}

function netnsBlocks(netns: Netns, namespace?: NamespaceRef): (readonly string[])[] {
  const at = namespace === undefined ? {} : { namespace }
  return [
    ...[...netns.links.values()].map((link) => linkLines(link, namespace)),
    ...[...netns.addresses.values()].map((it) => commandLines({ kind: 'address', ...at, ...it })),
    ...[...netns.routes.values()].map(({ ours, ...route }) =>
      ours ? commandLines({ kind: 'route', ...at, ...route }) : [routeLine({ ...at, ...route })],
    ),
    ...[...netns.sysctls].flatMap(([name, value]) =>
      value === '0' ? [] : [commandLines({ kind: 'sysctl', ...at, name, value })],
    ),
  ]
}

function linkLines(
  { name, type, mtu, resource }: Link,
  namespace?: NamespaceRef,
): readonly string[] {
  if (name === 'lo') return []
  const isListedHere = namespace === undefined || resource?.kind === 'lent-link'
  if (resource !== undefined) return isListedHere ? commandLines(resource) : []
  const netns = namespace === undefined ? '' : ` -n ${namespace.path}`
  return [`ip${netns} link add ${name} up mtu ${mtu} type ${type}`]
}
