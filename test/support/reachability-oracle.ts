import type { NetworkId } from '#dist/linux/library.js'
import { hostAddress, remoteAddress } from './packet-world.ts'
import type { Answer, Protocol, Question } from './packets.ts'

// Who reaches whom, computed from what was asked of the engine by the rules of
// docs/ports-and-isolation.md and docs/guide.md. Nothing here comes from the code under test but the
// addresses that it gave.

export const families = ['ipv4', 'ipv6'] as const
export type Family = (typeof families)[number]
export type GatewayMode = 'nat' | 'nat-unprotected' | 'routed' | 'isolated'

export interface ModelNetwork {
  readonly id: NetworkId
  readonly name: string
  readonly internal: boolean
  readonly icc: boolean
  /** Absent: not that family. */
  readonly modes: Partial<Record<Family, GatewayMode>>
  readonly gateways: Partial<Record<Family, string>>
}

export interface ModelEndpoint {
  readonly network: ModelNetwork
  readonly box: string
  readonly priority: number
  readonly addresses: Partial<Record<Family, string>>
  /** Endpoints of the same network with which it may talk though others may not. */
  readonly links: readonly ModelEndpoint[]
  published: readonly ModelPort[]
}

/** One published port. */
export interface ModelPort {
  readonly protocol: Protocol
  /** Absent: all addresses of the host, of each family that the endpoint has. */
  readonly hostAddress?: string
  readonly hostPort: number
  readonly port: number
}

export type Client = 'lan' | 'host' | { readonly box: string }

export interface Asked {
  readonly client: Client
  readonly family: Family
  readonly what: Question
  readonly to: string
  readonly port: number
}

/** 'unknown': the answer would take another way than the question, and nothing is promised. */
export type Expected = Answer | 'no' | 'unknown'

/** The endpoint that supplies a sandbox's default route: the first by priority, families, name. */
export function gatewayOf(all: readonly ModelEndpoint[], box: string, family: Family) {
  const count = ({ modes }: ModelNetwork) => Object.keys(modes).length
  return all
    .filter(({ network }) => !network.internal && network.modes[family] !== undefined)
    .filter((endpoint) => endpoint.box === box)
    .sort(
      (a, b) =>
        b.priority - a.priority ||
        count(b.network) - count(a.network) ||
        (a.network.name < b.network.name ? -1 : 1),
    )[0]
}

export function expectedAnswer(all: readonly ModelEndpoint[], asked: Asked): Expected {
  const { family, to } = asked
  const target = all.find(({ addresses }) => addresses[family] === to)
  return target === undefined ? throughHost(all, asked) : direct(all, asked, target)
}

function direct(all: readonly ModelEndpoint[], asked: Asked, target: ModelEndpoint): Expected {
  const { client, family, what, to, port } = asked
  const { network, box } = target
  const mode = network.modes[family]
  const seenAs = (seen = ''): Answer =>
    what === 'ping' ? { who: to, seen: '' } : { who: box, seen }
  if (client === 'host') return mode === 'isolated' ? 'no' : seenAs(network.gateways[family])
  if (client !== 'lan') {
    if (client.box === box) return seenAs(to)
    const peer = endpointOn(all, client.box, network)
    if (peer !== undefined) return mayTalk(peer, target) ? seenAs(peer.addresses[family]) : 'no'
  }
  const way = wayIn(all, client, target, family)
  if (typeof way === 'string') return way
  const open = target.published.some(
    (one) => what === one.protocol && port === one.port && leadsTo(one, family),
  )
  if (mode === 'nat-unprotected') return seenAs(way.source)
  if (mode === 'routed' && (what === 'ping' || open)) return seenAs(way.source)
  return 'no'
}

/** A port of the host: what has published it, for a client at this address. */
function throughHost(all: readonly ModelEndpoint[], asked: Asked): Expected {
  const { client, family, what, to, port } = asked
  const loopback = to === '127.0.0.1' || to === '::1'
  if (loopback && client !== 'host') return 'no'
  const target = all.find((endpoint) =>
    endpoint.published.some(
      (one) =>
        one.protocol === what &&
        one.hostPort === port &&
        leadsTo(one, family) &&
        (one.hostAddress === undefined || one.hostAddress === to) &&
        translates(endpoint.network.modes[family]),
    ),
  )
  // Only through the sandbox's way out do answers find back.
  if (target === undefined || gatewayOf(all, target.box, family) !== target) return 'no'
  const { network, box } = target
  const { gateways } = network
  if (client === 'host') {
    return { who: box, seen: (loopback ? gateways[family] : to) ?? '' }
  }
  const out = client === 'lan' ? undefined : gatewayOf(all, client.box, family)
  if (out?.network === network) {
    const allowed = out === target || mayTalk(out, target)
    return allowed ? { who: box, seen: gateways[family] ?? '' } : 'no'
  }
  const way = wayIn(all, client, target, family)
  return typeof way === 'string' ? way : { who: box, seen: way.source }
}

/** From elsewhere into a network, and back: with which address the client comes. */
function wayIn(
  all: readonly ModelEndpoint[],
  client: Exclude<Client, 'host'>,
  target: ModelEndpoint,
  family: Family,
): 'no' | 'unknown' | { readonly source: string } {
  const back = gatewayOf(all, target.box, family)
  if (client === 'lan') return back === target ? { source: remoteAddress[family] } : 'no'
  const out = gatewayOf(all, client.box, family)
  if (out === undefined || target.network.internal) return 'no'
  // The target answers at once where it shares the network that the client comes from.
  if (endpointOn(all, target.box, out.network)) return 'unknown'
  return back === target ? { source: out.addresses[family] ?? '' } : 'no'
}

/** Of two endpoints of one network. */
function mayTalk(a: ModelEndpoint, b: ModelEndpoint): boolean {
  return a.network.icc || a.links.includes(b) || b.links.includes(a)
}

const endpointOn = (all: readonly ModelEndpoint[], box: string, network: ModelNetwork) =>
  all.find((endpoint) => endpoint.box === box && endpoint.network === network)

export const translates = (mode: GatewayMode | undefined) =>
  mode === 'nat' || mode === 'nat-unprotected'

export function leadsTo({ hostAddress: address }: ModelPort, family: Family): boolean {
  return address === undefined || address.includes(':') === (family === 'ipv6')
}

/** Whether that port of the host is taken, in a family in which the network uses one. */
export function conflicts(
  all: readonly ModelEndpoint[],
  network: ModelNetwork,
  wanted: ModelPort,
): boolean {
  const uses = (one: ModelPort, on: ModelNetwork, family: Family) =>
    leadsTo(one, family) && translates(on.modes[family])
  return families.some((family) =>
    all.some((endpoint) =>
      endpoint.published.some(
        (one) =>
          uses(one, endpoint.network, family) &&
          uses(wanted, network, family) &&
          one.protocol === wanted.protocol &&
          one.hostPort === wanted.hostPort &&
          (one.hostAddress === undefined ||
            wanted.hostAddress === undefined ||
            one.hostAddress === wanted.hostAddress),
      ),
    ),
  )
}

export const hostAddresses = {
  ipv4: [hostAddress.ipv4, '127.0.0.1'],
  ipv6: [hostAddress.ipv6, '::1'],
} as const
