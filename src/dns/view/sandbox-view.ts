import { type IpAddress, parseAddress } from '../../address/address.ts'
import type { NamesResource, ResolverResource, Upstream } from '../../kernel/kept-resource.ts'
import { AddressRecords } from '../answer/address-records.ts'
import { type Known, ownNames } from '../answer/known-name.ts'
import type { ReverseName } from '../answer/reverse-name.ts'
import { ExtendedCode, Type } from '../message/constants.ts'
import { afterLabel, isWithin } from '../message/name.ts'
import type { NetworkNames } from './network-names.ts'
import { isSingle, type Upstreams, type Verdict, type View } from './view.ts'

/** What an endpoint lets its sandbox see. */
export interface Sight {
  readonly resource: NamesResource
  readonly network: NetworkNames
  readonly own: ReadonlyMap<string, Known>
}

const LOCALHOST = '\x09localhost'
const loopback: Known = {
  records: new AddressRecords(['127.0.0.1', '::1'].map(parseAddress)),
  members: [],
}

const NONE: Upstreams = { from: 'none' }
const HOST: Upstreams = { from: 'host' }
const FORWARD: Verdict = { say: 'forward' }
const REFUSED: Verdict = {
  say: 'refused',
  why: { code: ExtendedCode.PROHIBITED, text: 'no network of this sandbox leads outside' },
}

/**
 * What a sandbox sees: names of its own, then those of its networks, the one with the default route
 * first, then by their names. Where two networks have a name, the first answers alone, so that programs
 * don't reach now the one, now the other.
 */
export class SandboxView implements View {
  upstreams: Upstreams = NONE
  readonly random: () => number
  /** Of all zones there are. */
  readonly #zones: ReadonlySet<string>
  #sights: readonly Sight[] = []
  #ndots = false

  constructor(zones: ReadonlySet<string>, random: () => number) {
    this.#zones = zones
    this.random = random
  }

  /** Its networks' content follows by itself. */
  update(resolver: ResolverResource | undefined, sights: readonly Sight[]): void {
    this.#sights = sights.toSorted((a, b) => inOrder(a.resource, b.resource))
    this.#ndots = resolver?.ndots === true
    this.upstreams = upstreamsOf(resolver, this.#sights)
  }

  find(key: string): Known | undefined {
    const sights = this.#sights
    for (const { own } of sights) {
      const known = own.get(key)
      if (known !== undefined) return known
    }
    for (const { network } of sights) {
      const known = network.names.get(key)
      if (known !== undefined) return known
    }
    if (isSingle(key)) return key === LOCALHOST ? loopback : undefined
    const known = this.#qualified(key)
    if (known !== undefined) return known
    const zone = this.zoneBehind(key)
    if (zone !== '') return this.#qualified(key.slice(0, key.length - zone.length))
    return isWithin(key, LOCALHOST) ? loopback : undefined
  }

  /** Of all ways to read `a.b.c` as a name with a network, the one with the longest name counts. */
  #qualified(key: string): Known | undefined {
    let found: Known | undefined
    let shortest = Number.POSITIVE_INFINITY
    for (const { own, network } of this.#sights) {
      const { suffix } = network
      if (suffix === undefined || suffix.length >= shortest || !isWithin(key, suffix)) continue
      const name = key.slice(0, key.length - suffix.length)
      const known = own.get(name) ?? network.names.get(name)
      if (known === undefined) continue
      found = known
      shortest = suffix.length
    }
    return found
  }

  zoneBehind(key: string): string {
    for (const zone of this.#zones) if (isWithin(key, zone)) return zone
    return ''
  }

  owners(address: IpAddress): readonly string[] | undefined {
    if (address === '127.0.0.1' || address === '::1') return [LOCALHOST]
    for (const { network } of this.#sights) {
      const members = network.owners.get(address)
      if (members !== undefined) return members.flatMap(({ target }) => target ?? [])
    }
    return undefined
  }

  covers(reverse: ReverseName): boolean {
    return this.#sights.some(({ network }) => network.covers(reverse))
  }

  verdict(key: string, type: number): Verdict {
    const zone = this.zoneBehind(key)
    if (zone !== '') return this.#inZone(key, key.length - zone.length, type)
    const single = isSingle(key)
    // Its user wants names without a dot to be completed, so nothing outside has them.
    if (single && this.#ndots && (type === Type.A || type === Type.AAAA)) {
      return { say: 'no-data', owner: 0 }
    }
    // The name of a network may be a name of the world as well: `dev`, `com`.
    if (this.upstreams.from !== 'none') return FORWARD
    if (key === '') return REFUSED
    if (this.#sights.some((sight) => isAbove(key, sight))) return { say: 'no-data', owner: 0 }
    const ours = this.#sights.some(
      ({ network: { suffix } }) => suffix !== undefined && isWithin(key, suffix),
    )
    return single || ours ? { say: 'no-name', owner: afterLabel(key, 0) } : REFUSED
  }

  /** `owner`: where the zone's own name begins. */
  #inZone(key: string, owner: number, type: number): Verdict {
    if (owner === 0) return type === Type.SOA ? { say: 'authority' } : { say: 'no-data', owner }
    const name = key.slice(0, owner)
    const parent = this.#sights.some((sight) => isAboveQualified(name, sight))
    return { say: parent ? 'no-data' : 'no-name', owner }
  }
}

/** What an endpoint lets its sandbox see. */
export function sightOf(resource: NamesResource, network: NetworkNames): Sight {
  return { resource, network, own: ownNames(resource.own) }
}

/** Whether there are names below it. */
function isAbove(key: string, sight: Sight): boolean {
  return isAboveNames(key, sight) || isAboveQualified(key, sight)
}

function isAboveNames(key: string, { network, own }: Sight): boolean {
  return network.isParent(key) || [...own.keys()].some((name) => isWithin(name, key))
}

/** The same with the network's own name behind them, or for that name itself. */
function isAboveQualified(key: string, sight: Sight): boolean {
  const { suffix } = sight.network
  if (suffix === undefined) return false
  if (isWithin(suffix, key)) return true
  return isWithin(key, suffix) && isAboveNames(key.slice(0, key.length - suffix.length), sight)
}

function inOrder(a: NamesResource, b: NamesResource): number {
  if (a.gateway !== b.gateway) return a.gateway ? -1 : 1
  return (
    compare(a.network.name, b.network.name) ||
    compare(a.network.id, b.network.id) ||
    compare(a.endpoint, b.endpoint)
  )
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function upstreamsOf(resolver: ResolverResource | undefined, sights: readonly Sight[]): Upstreams {
  if (resolver?.servers !== undefined) return { from: 'sandbox', servers: resolver.servers }
  const servers = new Map<string, Upstream>()
  for (const { resource } of sights) {
    for (const server of resource.servers ?? []) {
      const key = `${server.address} ${server.port}`
      if (!servers.has(key)) servers.set(key, server)
    }
  }
  if (servers.size > 0) return { from: 'sandbox', servers: [...servers.values()] }
  return sights.some(({ resource }) => resource.outside) ? HOST : NONE
}
