import type { IpAddress, Prefix } from '../address/address.ts'
import type { PortRange, Protocol } from '../address/port.ts'
import type { NamespaceRef } from './namespace-ref.ts'

/** Where programs of a sandbox ask, at port 53. */
export const RESOLVER_ADDRESS = '127.0.0.11' as IpAddress

/** What the keeper holds (see keeper/keeper.ts): it goes on when the engine's process has ended. */
export type KeptResource = RelayResource | ResolverResource | NamesResource | ZoneResource

export function isKept(resource: { readonly kind: string }): resource is KeptResource {
  return ['relay', 'resolver', 'names', 'zone'].includes(resource.kind)
}

/**
 * A listener of the host that passes on what it gets, for what the kernel can't forward (`::1`). A kept
 * resource. Equivalent to: `socat TCP6-LISTEN:8080,bind=[::1],fork TCP6:…`.
 */
export interface RelayResource {
  readonly kind: 'relay'
  readonly protocol: 'tcp' | 'udp'
  readonly listen: { readonly address: IpAddress; readonly port: number }
  readonly to: { readonly address: IpAddress; readonly port: number }
}

/** Where queries are forwarded to. */
export interface Upstream {
  readonly address: IpAddress
  /** Usually 53. */
  readonly port: number
  /** Of the host, where a link-local address is: `eth0` of `fe80::1%eth0`. */
  readonly link?: string
}

/**
 * The resolver of a sandbox: UDP and TCP at 127.0.0.11, port 53, without taking that port from programs
 * inside. Its sockets are never closed while it is there, whatever changes. A kept resource.
 */
export interface ResolverResource {
  readonly kind: 'resolver'
  readonly namespace: NamespaceRef
  /** Id of the sandbox: it answers what the NamesResources of that sandbox let it see. */
  readonly sandbox: string
  /** Asked from inside the sandbox, in place of those of its endpoints and of the host. At least one. */
  readonly servers?: readonly Upstream[]
  /**
   * Whether its user has set `ndots`: then a name without a dot that no endpoint here has is answered with
   * no data instead of being forwarded.
   */
  readonly ndots?: true
}

/**
 * The names of an endpoint that has joined a sandbox, for all sandboxes with an endpoint on the same
 * network; and what this endpoint's sandbox may ask because of it. A kept resource.
 */
export interface NamesResource {
  readonly kind: 'names'
  /** Its id. */
  readonly endpoint: string
  /** Id of the sandbox it has joined. */
  readonly sandbox: string
  readonly network: { readonly id: string; readonly name: string }
  /** At least one, as users wrote them; the first is what its addresses are called. Others may share them. */
  readonly names: readonly string[]
  readonly addresses: readonly IpAddress[]
  /** Of the network: who has an address in them is known here, and nowhere else. */
  readonly subnets: readonly Prefix[]
  /** Ports its programs listen on: `_http._tcp.NAME`, `_80._tcp.NAME`. */
  readonly services: readonly { readonly protocol: Protocol; readonly ports: PortRange }[]
  /** Names that only its own sandbox sees, before all others: `host.internal`, aliases of links. */
  readonly own: Readonly<Record<string, readonly IpAddress[]>>
  /** Whether its network leads outside: then the host's upstreams are asked, from the host. */
  readonly outside: boolean
  /** Whether it supplies the sandbox's default route: its servers and its network's names come first. */
  readonly gateway: boolean
  /** Asked from inside the sandbox, in place of the host's. At least one. */
  readonly servers?: readonly Upstream[]
}

/**
 * Answers the host's own programs, over UDP and TCP at `listen`, port 53: `NAME.NETWORK.<name>` for all
 * endpoints of this host. As in the sandboxes, that port is not taken from others; what listens just
 * there hears nothing. Where the host has no such address, it is missing. A kept resource.
 */
export interface ZoneResource {
  readonly kind: 'zone'
  /** `cnm.internal` */
  readonly name: string
  /** A loopback address. */
  readonly listen: IpAddress
}

/** The table that leads to the zone `x.test` is `inet cnm-zone-x.test`. */
export const ZONE_TABLES = { family: 'inet', prefix: 'cnm-zone-' } as const
