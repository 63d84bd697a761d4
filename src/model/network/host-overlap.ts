import {
  bitsOf,
  cidrAddress,
  cidrPrefix,
  contains,
  familyOf,
  type IpAddress,
  overlaps,
  type Prefix,
  parsePrefix,
  prefixLength,
  prefixOf,
} from '../../address/address.ts'
import { CnmError } from '../../base/errors.ts'
import type { SharedWithHost } from '../../driver/driver.ts'
import type { HostView } from '../../kernel/kernel.ts'
import { networkSpec } from '../endpoint/specs.ts'
import type { Parts } from '../parts.ts'
import type { NetworkRecord } from '../records.ts'

/** Something of the host's that a subnet on one of our bridges would take away from it. */
interface HostUse {
  readonly prefix: Prefix
  readonly link?: string
  /** `the address 10.0.0.5 of link "eth0"` */
  readonly what: string
}

const reserved: readonly (readonly [prefix: Prefix, what: string])[] = [
  [parsePrefix('0.0.0.0/8'), 'addresses that mean "this host" (0.0.0.0/8)'],
  [parsePrefix('127.0.0.0/8'), 'loopback addresses (127.0.0.0/8)'],
  [parsePrefix('224.0.0.0/4'), 'addresses of groups (multicast)'],
  [parsePrefix('240.0.0.0/4'), 'addresses that are reserved (240.0.0.0/4)'],
  [parsePrefix('::/8'), 'addresses that are reserved (::/8)'],
  [parsePrefix('fe80::/10'), 'link-local addresses (fe80::/10), which every link has'],
  [parsePrefix('ff00::/8'), 'addresses of groups (multicast)'],
]

/**
 * A subnet in which no endpoint can have an address. `0.0.0.0/26` and `::/72` mean any of that length.
 * Errors: INVALID_POOL.
 */
export function refuseUnusable(holder: string, subnet: Prefix): void {
  const family = familyOf(subnet)
  const isAny = subnet.startsWith('0.0.0.0/') || subnet.startsWith('::/')
  const length = prefixLength(subnet)
  const [, what] =
    reserved.find(([prefix]) => familyOf(prefix) === family && overlaps(prefix, subnet)) ?? []
  const tooFew = length > bitsOf(family) - (family === 4 ? 2 : 1)
  const reason = tooFew
    ? 'has no address for an endpoint beside the gateway'
    : what !== undefined && (!isAny || length < 8)
      ? `has ${what}`
      : undefined
  if (reason === undefined) return
  throw new CnmError('INVALID_POOL', `${holder}: subnet ${subnet} ${reason}`, {
    details: { subnet },
    hint: 'give another subnet, or none to have one chosen',
  })
}

/**
 * A subnet with which the host would be cut off from something: from neighbours, its gateways or its
 * resolvers. Errors: POOL_OVERLAP.
 */
export function refuseHostOverlap(
  holder: string,
  subnet: Prefix,
  view: HostView,
  shared: SharedWithHost | undefined,
): void {
  const use = hostOverlap(subnet, usesOf(view), view, shared)
  if (use === undefined) return
  throw new CnmError('POOL_OVERLAP', `${holder}: ${subnet} overlaps with ${use.what}`, {
    details: {
      subnet,
      other: use.prefix,
      holder: 'host',
      ...(use.link === undefined ? {} : { link: use.link }),
    },
    hint: 'choose another subnet, or none to have one chosen; the driver option hostOverlap=true makes it all the same',
  })
}

/** So many routes are told; a host may have all of the internet's. */
const MOST_WARNINGS = 3

/** Routes by a gateway that the host will follow no more for these addresses. VPNs have wide ones: no obstacle. */
export function hostOverlapWarnings(subnet: Prefix, { routes }: HostView): string[] {
  const found = routes.filter(
    ({ destination, gateway }) =>
      gateway !== undefined && prefixLength(destination) > 1 && overlaps(destination, subnet),
  )
  const told = found.slice(0, MOST_WARNINGS).map(({ destination, gateway, link }) => {
    return `${subnet} overlaps with the host's route ${destination} by ${gateway} on link "${link}": what of it is in the network is reached there no more`
  })
  const more = found.length - told.length
  return more > 0 ? [...told, `${subnet} overlaps with ${more} more routes of the host`] : told
}

/** One sentence for each network that overlaps with something of the host's by now. */
export async function hostOverlaps(engine: Parts): Promise<string[]> {
  const view = await engine.lookAgain()
  const uses = usesOf(view)
  return engine.state.networks.all().flatMap(({ record, state }) => {
    if (state !== 'ready' || !isOnHost(engine, record)) return []
    const shared = sharedWithHost(engine, record)
    // The host may ask a resolver that is in the network.
    const inside = new Set<Prefix>(
      [
        ...engine.state.endpointsOf(record.id),
        { ipv4: record.ipv4?.gateway, ipv6: record.ipv6?.gateway },
      ]
        .flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6])
        .flatMap((address) => (address === undefined ? [] : [hostPrefix(address)])),
    )
    const foreign = uses.filter(({ link, prefix }) => link !== undefined || !inside.has(prefix))
    return [record.ipv4, record.ipv6].flatMap((pool) => {
      const use = pool && hostOverlap(pool.subnet, foreign, view, shared)
      if (pool === undefined || use === undefined) return []
      return [`network "${record.name}" has ${pool.subnet}, which overlaps with ${use.what}`]
    })
  })
}

/** Others keep their subnets where they like. */
export function isOnHost(engine: Parts, { driver, ipam }: NetworkRecord): boolean {
  return engine.driver(driver).hooks === undefined && engine.ipam(ipam).addresses !== false
}

export function sharedWithHost(engine: Parts, record: NetworkRecord): SharedWithHost | undefined {
  return engine.driver(record.driver).sharedWithHost?.(networkSpec(record))
}

/** What a subnet that is chosen keeps clear of: routes by gateways, too. */
export function avoided(view: HostView): Prefix[] {
  return [
    ...view.routes.map(({ destination }) => destination),
    ...usesOf(view).map(({ prefix }) => prefix),
  ]
}

/** Docker asks for the subnet of a bridge before it says that it adopts that. */
export function isBridgesOwn(subnet: Prefix, { links, addresses }: HostView): boolean {
  const bridges = new Set(links.filter(({ type }) => type === 'bridge').map(({ name }) => name))
  return addresses.some(({ link, address }) => bridges.has(link) && cidrPrefix(address) === subnet)
}

function hostOverlap(
  subnet: Prefix,
  uses: readonly HostUse[],
  view: HostView,
  shared: SharedWithHost | undefined,
): HostUse | undefined {
  if (shared?.everything || shared?.apart?.includes(familyOf(subnet))) return undefined
  const adopted = view.addresses.filter(({ link }) => link === shared?.link)
  const isAdopted = ({ prefix, link }: HostUse) =>
    (link !== undefined && link === shared?.link) ||
    (link === undefined && adopted.some(({ address }) => contains(cidrPrefix(address), prefix)))
  return uses.find((use) => overlaps(use.prefix, subnet) && !isAdopted(use))
}

function usesOf({ links, addresses, routes, resolver }: HostView): HostUse[] {
  const ours = new Set(links.filter((link) => link.ours).map(({ name }) => name))
  const uses: HostUse[] = [
    ...addresses.map(({ link, address }) => ({
      prefix: hostPrefix(cidrAddress(address)),
      link,
      what: `the host's address ${address} on link "${link}"`,
    })),
    ...gatewaysOf(routes),
    ...routes
      .filter(({ gateway, destination }) => gateway === undefined && prefixLength(destination) > 1)
      .map(({ destination, link }) => ({
        prefix: destination,
        link,
        what: `the host's on-link route ${destination} of link "${link}"`,
      })),
    ...(resolver.servers ?? []).map((server) => ({
      prefix: hostPrefix(server),
      what: `the host's resolver ${server} (resolv.conf)`,
    })),
  ]
  // Every link has those.
  const isEverywhere = ({ prefix }: HostUse) => linkLocal.some((each) => overlaps(each, prefix))
  return uses.filter((use) => !(use.link && ours.has(use.link)) && !isEverywhere(use))
}

/** Each once: a host may have many routes by the same. */
function gatewaysOf(routes: HostView['routes']): HostUse[] {
  const found = new Map<string, HostUse>()
  for (const { gateway, link } of routes) {
    const key = `${gateway} ${link}`
    if (gateway === undefined || found.has(key)) continue
    const what = `the host's gateway ${gateway} on link "${link}"`
    found.set(key, { prefix: hostPrefix(gateway), link, what })
  }
  return [...found.values()]
}

const linkLocal = [parsePrefix('fe80::/10'), parsePrefix('127.0.0.0/8')]

function hostPrefix(address: IpAddress): Prefix {
  return prefixOf(address, bitsOf(familyOf(address)))
}
