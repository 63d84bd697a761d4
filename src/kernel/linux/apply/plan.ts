import type {
  NamesResource,
  RelayResource,
  ResolverResource,
  ZoneResource,
} from '../../kept-resource.ts'
import type { Change } from '../../kernel.ts'
import {
  type AddressResource,
  type AnnouncementResource,
  type BridgeResource,
  type ConsentResource,
  type ElementResource,
  type FdbResource,
  type FileResource,
  type FlowsResource,
  type HostsEntryResource,
  type LentLinkResource,
  type NamespaceRef,
  type NamespaceResource,
  type NeighbourResource,
  type RateResource,
  type ReservationResource,
  type Resource,
  type RouteResource,
  resourceKey,
  type SysctlResource,
  type TableResource,
  type VethResource,
} from '../../resource.ts'

/** A change, sorted by what has to be done in which order. */
export interface Plan {
  readonly remove: Sorted
  readonly add: Sorted
  /** For keys in both lists: what was there before. */
  readonly before: ReadonlyMap<string, Resource>
  /** Paths of the namespaces that are removed, with all that is in them. */
  readonly dying: ReadonlySet<string>
  /** Places and names of the links that don't exist yet. */
  readonly unborn: ReadonlySet<string>
}

export interface Sorted {
  readonly namespaces: readonly NamespaceResource[]
  readonly bridges: readonly BridgeResource[]
  readonly veths: readonly VethResource[]
  readonly lentLinks: readonly LentLinkResource[]
  readonly addresses: readonly AddressResource[]
  readonly routes: readonly RouteResource[]
  readonly neighbours: readonly NeighbourResource[]
  readonly fdbs: readonly FdbResource[]
  readonly sysctls: readonly SysctlResource[]
  readonly tables: readonly TableResource[]
  readonly elements: readonly ElementResource[]
  readonly reservations: readonly ReservationResource[]
  readonly flows: readonly FlowsResource[]
  readonly relays: readonly RelayResource[]
  readonly rates: readonly RateResource[]
  readonly announcements: readonly AnnouncementResource[]
  readonly consents: readonly ConsentResource[]
  readonly resolvers: readonly ResolverResource[]
  readonly zones: readonly ZoneResource[]
  readonly names: readonly NamesResource[]
  readonly files: readonly FileResource[]
  readonly hostsEntries: readonly HostsEntryResource[]
}

export function planOf({ remove, add }: Change): Plan {
  const wanted = new Map(add.map((resource) => [resourceKey(resource), resource]))
  const before = new Map<string, Resource>()
  const gone: Resource[] = []
  for (const resource of remove) {
    const key = resourceKey(resource)
    const now = wanted.get(key)
    if (now !== undefined) before.set(key, resource)
    if (now === undefined || isMadeAnew(resource, now)) gone.push(resource)
  }
  const removed = sort(gone)
  const added = sort(add)
  return {
    remove: removed,
    add: added,
    before,
    dying: new Set(removed.namespaces.map(({ namespace }) => namespace.path)),
    unborn: new Set([
      ...added.bridges.map(({ name }) => placedLink(undefined, name)),
      ...added.veths.map(({ name }) => placedLink(undefined, name)),
      ...added.veths.map(({ peer }) => placedLink(peer.namespace, peer.name)),
      ...added.lentLinks.map(({ namespace, inside }) => placedLink(namespace, inside)),
    ]),
  }
}

/** What is in both lists is changed where it is, but for these. */
function isMadeAnew(from: Resource, to: Resource): boolean {
  if (from.kind === 'element') return true
  if (from.kind === 'lent-link' && to.kind === 'lent-link') {
    return from.namespace.path !== to.namespace.path || from.inside !== to.inside
  }
  if (from.kind !== 'veth' || to.kind !== 'veth') return false
  const [was, is] = [from.peer, to.peer]
  return was.namespace?.path !== is.namespace?.path || was.name !== is.name
}

/** What conntrack has to forget when a change is made. */
export interface Forgotten {
  /**
   * `ended`: what was forwarded. `begun`: what came to ports before they were forwarded; it would go on
   * to end at the host.
   */
  readonly what: 'ended' | 'begun'
  /**
   * Whether the change isn't made before. Not where the links go too, to what nothing is forwarded any
   * more, nor for what has begun: a flow that doesn't come to be forwarded at once will when it has
   * paused.
   */
  readonly isAwaited: boolean
  readonly flows: readonly FlowsResource[]
  /** Several ports of the host may lead to one of a sandbox, so it counts as well by which it came. */
  readonly reservations: readonly ReservationResource[]
}

/** In the order in which it is urgent. */
export function forgottenBy(change: Change): readonly Forgotten[] {
  const isAbout = ({ kind }: Resource) => kind === 'flows' || kind === 'reservation'
  if (!change.remove.some(isAbout) && !change.add.some(isAbout)) return []
  const matters = (each: Resource) => isAbout(each) || each.kind === 'veth'
  const plan = planOf({ remove: change.remove.filter(matters), add: change.add.filter(matters) })
  const { remove, add, before } = plan
  // Whoever asks for a connection again, after he was refused, makes it anew.
  const begun = add.reservations.filter(
    (it) => it.protocol === 'udp' && !it.pending && !isForwarded(before.get(resourceKey(it))),
  )
  const all: readonly Forgotten[] = [
    {
      what: 'ended',
      isAwaited: remove.flows.length === 0 || remove.flows.some((flows) => isLinked(plan, flows)),
      flows: remove.flows,
      reservations: remove.reservations,
    },
    { what: 'begun', isAwaited: false, flows: [], reservations: begun },
  ]
  return all.filter(({ flows, reservations }) => flows.length + reservations.length > 0)
}

function isForwarded(before: Resource | undefined): boolean {
  return before?.kind === 'reservation' && !before.pending
}

/** Whether a sandbox whose ports were published can go on sending. */
export function isLinked({ remove, unborn }: Plan, { link }: FlowsResource): boolean {
  return !remove.veths.some(({ name }) => name === link) || unborn.has(placedLink(undefined, link))
}

/** A link's name together with where it is. */
export function placedLink(namespace: NamespaceRef | undefined, link: string): string {
  return `${namespace?.path ?? ''}:${link}`
}

/** What there is for each place, in the order in which the places first come up. */
export function byPlace<R extends { readonly namespace?: NamespaceRef }>(
  resources: readonly R[],
): Map<string, R[]> {
  const places = new Map<string, R[]>()
  for (const resource of resources) {
    const path = resource.namespace?.path ?? ''
    const list = places.get(path)
    if (list === undefined) places.set(path, [resource])
    else list.push(resource)
  }
  return places
}

function sort(resources: readonly Resource[]): Sorted {
  const all = <Kind extends Resource['kind']>(kind: Kind) =>
    resources.filter((each): each is Extract<Resource, { kind: Kind }> => each.kind === kind)
  return {
    namespaces: all('namespace'),
    bridges: all('bridge'),
    veths: all('veth'),
    lentLinks: all('lent-link'),
    addresses: all('address'),
    routes: all('route'),
    neighbours: all('neighbour'),
    fdbs: all('fdb'),
    sysctls: all('sysctl'),
    tables: all('table'),
    elements: all('element'),
    reservations: all('reservation'),
    flows: all('flows'),
    relays: all('relay'),
    rates: all('rate'),
    announcements: all('announcement'),
    consents: all('consent'),
    resolvers: all('resolver'),
    zones: all('zone'),
    names: all('names'),
    files: all('file'),
    hostsEntries: all('hosts-entry'),
  }
}
