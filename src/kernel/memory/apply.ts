import type { NamesResource, ZoneResource } from '../kept-resource.ts'
import type { Change } from '../kernel.ts'
import type { Resource } from '../resource.ts'
import { resourceKey } from '../resource.ts'
import { isSame } from '../same-resource.ts'
import { addresses, routes, sysctls } from './addressing.ts'
import { lentLinks } from './lent-links.ts'
import { bridges, namespaces, veths } from './links.ts'
import type { Machine } from './machine.ts'
import {
  announcements,
  consents,
  fdbs,
  files,
  flows,
  hostsEntries,
  neighbours,
  noted,
  rates,
  relays,
  reservations,
  resolvers,
} from './noted.ts'
import { elements, tables } from './ruleset.ts'
import type { Verbs } from './verbs.ts'

type Kind = Resource['kind']

/** In the order in which they are added: everything finds what it stands on. */
const verbs: { readonly [K in Kind]: Verbs<Extract<Resource, { kind: K }>> } = {
  reservation: reservations,
  table: tables,
  element: elements,
  namespace: namespaces,
  bridge: bridges,
  veth: veths,
  'lent-link': lentLinks,
  neighbour: neighbours,
  fdb: fdbs,
  address: addresses,
  route: routes,
  sysctl: sysctls,
  flows,
  relay: relays,
  rate: rates,
  announcement: announcements,
  consent: consents,
  resolver: resolvers,
  names: noted<NamesResource>(),
  zone: noted<ZoneResource>(),
  file: files,
  'hosts-entry': hostsEntries,
}

const additionOrder = Object.keys(verbs)
const removalOrder = [
  'zone',
  'names',
  'resolver',
  'hosts-entry',
  'file',
  'announcement',
  'rate',
  'relay',
  'flows',
  'neighbour',
  'fdb',
  'veth',
  'bridge',
  'element',
  'route',
  'address',
  'lent-link',
  'table',
  'sysctl',
  'namespace',
  'consent',
  'reservation',
]

/** Does it; the caller rolls back if this throws. */
export function applyChange(machine: Machine, change: Change): void {
  const added = new Set(change.add.map(resourceKey))
  for (const resource of inOrder(change.remove, removalOrder)) {
    if (added.has(resourceKey(resource))) continue
    machine.working = resource
    verbsOf(resource).drop(machine, resource)
  }
  for (const resource of inOrder(change.add, additionOrder)) {
    machine.working = resource
    if (isSame(findThere(machine, resource), resource)) continue
    verbsOf(resource).put(machine, resource)
  }
}

/** What is there under the resource's key. */
export function findThere(machine: Machine, resource: Resource): Resource | undefined {
  return verbsOf(resource).found(machine, resource)
}

function verbsOf(resource: Resource): Verbs<Resource> {
  return verbs[resource.kind] as Verbs<Resource>
}

function inOrder(resources: readonly Resource[], order: readonly string[]): readonly Resource[] {
  return [...resources].sort((a, b) => rank(a, order) - rank(b, order))
}

/** Routes to what is on the link come first: gateways are reached by them. */
function rank(resource: Resource, order: readonly string[]): number {
  const isVia = resource.kind === 'route' && resource.gateway !== undefined
  return order.indexOf(resource.kind) + (isVia ? 0.5 : 0)
}
