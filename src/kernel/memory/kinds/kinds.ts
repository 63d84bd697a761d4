import type { Resource } from '../../resource.ts'
import type { Machine } from '../machine.ts'
import { addresses, routes, sysctls } from './addressing.ts'
import { consents } from './consents.ts'
import { files, hostsEntries } from './files.ts'
import { lentLinks } from './lent-links.ts'
import { bridges, namespaces, veths } from './links.ts'
import { names, resolvers, zones } from './names.ts'
import { announcements, fdbs, neighbours } from './neighbours.ts'
import { flows, relays, reservations } from './ports.ts'
import { rates } from './rates.ts'
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
  names,
  zone: zones,
  file: files,
  'hosts-entry': hostsEntries,
}

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
] as const satisfies readonly Kind[]

const additionOrder = Object.keys(verbs)

export function verbsOf(resource: Resource): Verbs<Resource> {
  return verbs[resource.kind] as Verbs<Resource>
}

export function additionRank({ kind }: Resource): number {
  return additionOrder.indexOf(kind)
}

export function removalRank({ kind }: Resource): number {
  return removalOrder.indexOf(kind)
}

/** What is there under the resource's key. */
export function findThere(machine: Machine, resource: Resource): Resource | undefined {
  return verbsOf(resource).found(machine, resource)
}

/** A resource as the commands that would make it. */
export function commandLines(resource: Resource): readonly string[] {
  return verbsOf(resource).lines(resource)
}
