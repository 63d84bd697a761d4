/** How the machine differs from resources: what there is in a namespace (contents), and what each kind makes of it. */

import { portsText } from '../../../address/port.ts'
import { isKernelError } from '../../../base/errors.ts'
import { namesElsewhere } from '../../elsewhere.ts'
import type { ResolverResource } from '../../kept-resource.ts'
import type { Difference } from '../../kernel.ts'
import { LINK_GROUP } from '../../link-groups.ts'
import type {
  AddressResource,
  BridgeResource,
  LentLinkResource,
  NamespaceRef,
  ReservationResource,
  Resource,
  RouteResource,
  SysctlResource,
  TableResource,
  VethResource,
} from '../../resource.ts'
import type { Machinery } from '../apply/machinery.ts'
import { readSysctl } from '../host/sysctl.ts'
import { lackedRoute } from '../kinds/address/connected-route.ts'
import { compareConsent } from '../kinds/consent/docker-user.ts'
import { ElementComparison } from '../kinds/element/compare-elements.ts'
import { compareFile, compareHostsEntry } from '../kinds/file/compare-files.ts'
import { compareKept } from '../kinds/names/compare-kept.ts'
import { NeighbourComparison } from '../kinds/neighbour/compare-neighbours.ts'
import { compareRate } from '../kinds/rate/shaping.ts'
import { compareResolver, compareZone } from '../kinds/resolver/compare-resolver.ts'
import { portSettings } from '../kinds/veth/port-settings.ts'
import { MOST_LISTED, Places } from '../namespaces/place.ts'
import { compareTable } from '../nftables/compare.ts'
import { isOurs } from '../ours.ts'
import type { Link } from '../rtnetlink/link.ts'
import { type Contents, linkOfSysctl, namespaceOf, readContents, wantedLinks } from './contents.ts'

/** How the machine differs from these resources. What is asked for many is read once. */
export function compare(machinery: Machinery, resources: readonly Resource[]): Difference[] {
  const places = new Places(machinery.namespaces, machinery.host)
  try {
    const comparison = new Comparison(machinery, places, resources)
    return resources.flatMap((resource) => {
      const found = comparison.of(resource)
      return found === undefined ? [] : [{ resource, ...found }]
    })
  } finally {
    places.close()
  }
}

type Finding = Omit<Difference, 'resource'> | undefined

/** On a kernel that can do otherwise. */
function handsOver({ groupForwarding }: Link): boolean {
  return groupForwarding !== undefined && groupForwarding !== portSettings.groupForwarding
}

class Comparison {
  readonly #machinery: Machinery
  readonly #places: Places
  readonly #contents = new Map<string, Contents | undefined>()
  readonly #wanted: ReadonlyMap<string, ReadonlySet<string>>
  readonly #elements: ElementComparison
  #neighbours: NeighbourComparison | undefined
  /** Paths of files that are ours. */
  readonly #files: ReadonlySet<string>
  readonly #elsewhere: ReadonlySet<string>

  constructor(machinery: Machinery, places: Places, resources: readonly Resource[]) {
    this.#machinery = machinery
    this.#places = places
    this.#elsewhere = namesElsewhere(resources)
    this.#wanted = wantedLinks(resources)
    this.#files = new Set(resources.flatMap((it) => (it.kind === 'file' ? [it.path] : [])))
    const described = resources.flatMap((it) => (it.kind === 'table' ? [it.definition] : []))
    const tables = [...described, ...machinery.ruleset.definitions]
    this.#elements = new ElementComparison(() => machinery.ruleset.socket, tables)
  }

  /** What a sandbox has done to its namespace keeps no other from being looked at. */
  of(resource: Resource): Finding {
    const namespace = namespaceOf(resource)
    try {
      const finding = this.#of(resource)
      if (finding === undefined || namespace === undefined) return finding
      if (!this.#contents.get(namespace.path)?.isCut) return finding
      const much = `more than ${MOST_LISTED} links, addresses or routes`
      return different(`${namespace.path} has ${much}, so it can't be told: ${finding.detail}`)
    } catch (error) {
      if (namespace === undefined || !isKernelError(error)) throw error
      return different(`${namespace.path} can't be looked into: ${error.message}`)
    }
  }

  #of(resource: Resource): Finding {
    switch (resource.kind) {
      case 'namespace': {
        const { path } = resource.namespace
        return this.#in(resource.namespace) ? undefined : missing(`no namespace at ${path}`)
      }
      case 'bridge':
        return this.#bridge(resource)
      case 'veth':
        return this.#veth(resource)
      case 'lent-link':
        return this.#lentLink(resource)
      case 'address':
        return this.#address(resource)
      case 'route':
        return this.#route(resource)
      case 'neighbour':
        return this.#onHost().neighbour(resource)
      case 'fdb':
        return this.#onHost().fdb(resource)
      case 'sysctl':
        return this.#sysctl(resource)
      case 'table':
        return this.#table(resource)
      case 'element':
        return this.#elements.of(resource)
      case 'reservation':
        return this.#reservation(resource)
      case 'rate': {
        const { place, links } = this.#in(undefined)!
        return compareRate(place, links, resource)
      }
      case 'consent':
        return compareConsent(this.#machinery.ruleset.socket, resource)
      case 'flows':
      case 'announcement':
        // There is nothing of them to be seen.
        return undefined
      case 'relay':
      case 'names':
        return compareKept(this.#machinery, resource)
      case 'zone': {
        const { ruleset } = this.#machinery
        return compareKept(this.#machinery, resource) ?? compareZone(ruleset, resource)
      }
      case 'resolver':
        return compareKept(this.#machinery, resource) ?? this.#resolver(resource)
      case 'file':
        return compareFile(resource)
      case 'hosts-entry':
        return compareHostsEntry(resource, this.#files.has(resource.path))
    }
  }

  #onHost(): NeighbourComparison {
    const { place, links } = this.#in(undefined)!
    this.#neighbours ??= new NeighbourComparison(place.socket, links, this.#elsewhere)
    return this.#neighbours
  }

  /** undefined: there is no such namespace. */
  #in(ref: NamespaceRef | undefined): Contents | undefined {
    const path = ref?.path ?? ''
    if (!this.#contents.has(path)) this.#contents.set(path, this.#read(ref))
    return this.#contents.get(path)
  }

  #read(ref: NamespaceRef | undefined): Contents | undefined {
    const place = this.#places.find(ref)
    return place && readContents(place, this.#wanted.get(ref?.path ?? '') ?? new Set())
  }

  #bridge(bridge: BridgeResource): Finding {
    const { name, origin, mtu, mac, maxLearned = 0, ipv6 } = bridge
    const link = this.#in(undefined)?.links.get(name)
    if (link === undefined) return missing(`no link ${name}`)
    if (link.kind !== 'bridge') return different(`${name} is a ${link.kind}, not a bridge`)
    if (origin === 'adopt') return undefined
    return differences([
      link.group !== LINK_GROUP && `${name} isn't ours`,
      !link.up && `${name} is down`,
      mtu !== undefined && link.mtu !== mtu && `${name} has mtu ${link.mtu}, not ${mtu}`,
      mac !== undefined && link.mac !== mac && `${name} has address ${link.mac}, not ${mac}`,
      link.maxLearned !== undefined &&
        link.maxLearned !== maxLearned &&
        `${name} has fdb_max_learned ${link.maxLearned}, not ${maxLearned}`,
      this.#ipv6Switch(name, ipv6),
    ])
  }

  #veth(veth: VethResource): Finding {
    const { name, mtu, peer } = veth
    const host = this.#in(undefined)
    const link = host?.links.get(name)
    if (peer.namespace === undefined) return link && this.#hostEnd(veth, link)
    if (link === undefined) return missing(`no link ${name}`)
    const other = this.#in(peer.namespace)?.links.get(peer.name)
    if (link.kind !== 'veth' || other?.index !== link.peer || other?.peer !== link.index) {
      return different(`${name} doesn't lead to ${peer.name} in ${peer.namespace.path}`)
    }
    const inside = `${peer.name} in ${peer.namespace.path}`
    return differences([
      ...this.#endDifferences(veth, link),
      !other.up && `${inside} is down`,
      other.mtu !== mtu && `${inside} has mtu ${other.mtu}, not ${mtu}`,
      other.mac !== peer.mac &&
        `${inside} has address ${other.mac}, not ${peer.mac}: what it sends is dropped`,
      peer.ipv6
        ? this.#ipv6Switch(peer.name, true, peer.namespace)
        : other.makesIpv6Addresses && `${inside} makes IPv6 addresses for itself`,
    ])
  }

  #hostEnd(veth: VethResource, link: Link): Finding {
    const { name } = veth
    if (link.kind !== 'veth') return different(`${name} is a ${link.kind}, not a veth`)
    return differences(this.#endDifferences(veth, link))
  }

  #endDifferences(veth: VethResource, link: Link): (string | false)[] {
    const { name, bridge, mtu, group = LINK_GROUP, learning = true } = veth
    const host = this.#in(undefined)
    const inGroup = `${name} is in group ${link.group}, not ${group}`
    return [
      link.group !== group && (isOurs(link) ? inGroup : `${name} isn't ours`),
      !link.up && `${name} is down`,
      link.master !== host?.links.get(bridge)?.index && `${name} isn't on ${bridge}`,
      !link.hairpin && `${name} has hairpin off`,
      handsOver(link) && `${name} hands the host what comes for 01:80:c2:00:00:00 to 0f`,
      link.learning !== undefined &&
        link.learning !== learning &&
        `${name} has learning ${link.learning ? 'on' : 'off'}`,
      link.mtu !== mtu && `${name} has mtu ${link.mtu}, not ${mtu}`,
    ]
  }

  #lentLink({ name, namespace, inside, mac }: LentLinkResource): Finding {
    const link = this.#in(namespace)?.links.get(inside)
    const what = `${inside} in ${namespace.path}`
    if (link === undefined) return missing(`no link ${what}, which was ${name} on the host`)
    return differences([
      !link.up && `${what} is down`,
      mac !== undefined && link.mac !== mac && `${what} has address ${link.mac}, not ${mac}`,
    ])
  }

  #ipv6Switch(link: string, wanted: boolean, namespace?: NamespaceRef): string | false {
    const off = this.#readSysctl(`net/ipv6/conf/${link}/disable_ipv6`, namespace)
    if (off === undefined || (off === '0') === wanted) return false
    return `${link} has IPv6 ${wanted ? 'off' : 'on'}`
  }

  #address({ namespace, link, address }: AddressResource): Finding {
    const contents = this.#in(namespace)
    const on = contents?.links.get(link)
    const found = contents?.addresses.find((it) => it.link === on?.index && it.address === address)
    if (on === undefined || found === undefined) return missing(`no address ${address} on ${link}`)
    const lacked = lackedRoute(found, on, (to) => contents?.routes.get(to) ?? [])
    return lacked && different(`no route ${lacked.destination} dev ${link}, by ${address}`)
  }

  #route({ namespace, destination, gateway, link }: RouteResource): Finding {
    const contents = this.#in(namespace)
    const index = contents?.links.get(link)?.index
    const routes = contents?.routes.get(destination) ?? []
    const [first] = routes
    if (first === undefined) return missing(`no route ${destination}`)
    if (routes.some((route) => route.gateway === gateway && route.link === index)) return undefined
    const way = (via: string | undefined, dev: string | undefined) =>
      `${via === undefined ? '' : ` via ${via}`} dev ${dev ?? '?'}`
    const dev = [...(contents?.links.values() ?? [])].find((it) => it.index === first.link)?.name
    return different(
      `route ${destination} goes${way(first.gateway, dev)}, not${way(gateway, link)}`,
    )
  }

  #sysctl({ namespace, name, value }: SysctlResource): Finding {
    const found = this.#readSysctl(name, namespace)
    if (found === undefined) return missing(`no sysctl ${name}`)
    return found === value ? undefined : different(`${name} is ${found}, not ${value}`)
  }

  /** A sysctl of a link that only waits to be deleted counts as gone. */
  #readSysctl(name: string, namespace: NamespaceRef | undefined): string | undefined {
    const contents = this.#in(namespace)
    if (contents === undefined) return undefined
    const link = linkOfSysctl(name)
    if (link !== undefined && !contents.links.has(link)) return undefined
    if (namespace === undefined) return readSysctl(name)
    return this.#machinery.namespaces.enter(contents.place.fd, () => readSysctl(name))
  }

  #reservation(reservation: ReservationResource): Finding {
    const { reservations } = this.#machinery
    if (reservations.has(reservation) || !reservations.isPossible()) return undefined
    const { protocol, address, ports } = reservation
    return missing(`port ${portsText(ports)}/${protocol} of ${address} can be bound by anybody`)
  }

  #resolver(resolver: ResolverResource): Finding {
    const { path } = resolver.namespace
    const place = this.#in(resolver.namespace)?.place
    if (place === undefined) return missing(`no namespace at ${path}`)
    return compareResolver(this.#machinery.namespaces, place, resolver)
  }

  #table({ definition }: TableResource): Finding {
    const { ruleset } = this.#machinery
    if (!ruleset.isThere(definition)) {
      return missing(`no table ${definition.family} ${definition.name}`)
    }
    // What others put into a table that is theirs, too, is no difference.
    if (!definition.owned) return undefined
    return differences(compareTable(ruleset.socket, ruleset.asPossible(definition)))
  }
}

function missing(detail: string): Finding {
  return { state: 'missing', detail }
}

function different(detail: string): Finding {
  return { state: 'different', detail }
}

function differences(found: readonly (string | false)[]): Finding {
  const list = found.filter((difference) => difference !== false)
  return list.length === 0 ? undefined : different(list.join('; '))
}
