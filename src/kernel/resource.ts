import type { Cidr, IpAddress, MacAddress, Prefix } from '../address/address.ts'
import { type PortRange, type Protocol, portsText } from '../address/port.ts'
import type { KeptResource } from './kept-resource.ts'
import type { NamespaceRef } from './namespace-ref.ts'
import type { Family, RateLimit, TableDefinition } from './ruleset.ts'

export type { NamespaceRef } from './namespace-ref.ts'

/**
 * What can be wanted in the kernel: plain frozen data with a stable key. Drivers describe resources,
 * the model owns and records them, the kernel makes and removes them.
 *
 * A resource without `namespace` is in the host's own network namespace.
 */
export type Resource =
  | NamespaceResource
  | BridgeResource
  | VethResource
  | LentLinkResource
  | AddressResource
  | RouteResource
  | NeighbourResource
  | FdbResource
  | SysctlResource
  | TableResource
  | ElementResource
  | ReservationResource
  | FlowsResource
  | RateResource
  | AnnouncementResource
  | ConsentResource
  | KeptResource
  | FileResource
  | HostsEntryResource

/**
 * A namespace of our own, bind-mounted at its path, `lo` up. Equivalent to: `ip netns add`.
 * Removal unmounts it; its links go at once, the kernel collects the rest in the background.
 */
export interface NamespaceResource {
  readonly kind: 'namespace'
  readonly namespace: NamespaceRef
}

/** Equivalent to: `ip link add NAME type bridge`, up, in our link group. */
export interface BridgeResource {
  readonly kind: 'bridge'
  readonly name: string
  /** 'own': made by us; a foreign device of that name is LINK_EXISTS. 'adopt': it must exist and stays. */
  readonly origin: 'own' | 'adopt'
  /** Not for adopted bridges: they keep what they have. */
  readonly mtu?: number
  readonly mac?: MacAddress
  /** How many MACs the bridge learns at most, where the kernel can say so (since 6.7). Absent: any number. */
  readonly maxLearned?: number
  /** false: the host end has no IPv6 at all. true: IPv6 without router advertisements and DAD. */
  readonly ipv6: boolean
}

/**
 * A veth pair: the host end `name`, up and on `bridge` in hairpin mode, in its group; the peer
 * born inside `peer.namespace`, up. Removal takes the host end down, off its bridge and into the
 * retired group at once (effective immediately) and deletes the pair in the background.
 * Where the namespace stays, the peer is first taken down and renamed, so that its name is free again.
 *
 * Without `peer.namespace` the peer is another engine's to move and to set up: it is born on the host, down,
 * and where it goes is not looked for here. When the pair has gone with it, nothing is missing.
 */
export interface VethResource {
  readonly kind: 'veth'
  readonly name: string
  readonly bridge: string
  /** That of its network's ports (`portGroup`). Absent: as earlier versions recorded it, that of bridges. */
  readonly group?: number
  readonly mtu: number
  /**
   * false: what comes from it doesn't tell the bridge where a MAC is; only an FdbResource does. Else it could
   * fill the bridge's table, and take other ports' MACs. Default: true.
   */
  readonly learning?: boolean
  readonly peer: {
    readonly namespace?: NamespaceRef
    readonly name: string
    readonly mac: MacAddress
    /**
     * false: neither end gives itself IPv6 addresses or says a word of it. true: IPv6 inside, without
     * router advertisements and DAD.
     */
    readonly ipv6: boolean
  }
}

/**
 * A link of the host's that is not ours, moved into a namespace under another name, and up there. Equivalent to:
 * `ip link set NAME netns NAMESPACE name INSIDE`. Removal moves it back under its old name, down. One that
 * is neither here nor there: ENODEV. One that is ours, or that the host uses (it has an address there that
 * is not the link's own, or it is part of a bridge): EBUSY.
 */
export interface LentLinkResource {
  readonly kind: 'lent-link'
  /** What the host calls it. */
  readonly name: string
  readonly namespace: NamespaceRef
  readonly inside: string
  /** Absent: as it comes. */
  readonly mac?: MacAddress
  /** false: it gives itself no IPv6 addresses. */
  readonly ipv6: boolean
}

/** Equivalent to: `ip addr add ADDRESS dev LINK` (IPv6 with `nodad`). */
export interface AddressResource {
  readonly kind: 'address'
  readonly namespace?: NamespaceRef
  readonly link: string
  readonly address: Cidr
}

/** Equivalent to: `ip route replace DESTINATION [via GATEWAY] dev LINK`. Carries our rtm_protocol. */
export interface RouteResource {
  readonly kind: 'route'
  readonly namespace?: NamespaceRef
  /** `0.0.0.0/0` and `::/0` are the default routes. */
  readonly destination: Prefix
  readonly gateway?: IpAddress
  readonly link: string
}

/**
 * Who has an address on a link of the host, once and for all: no host is asked, no answer changes it, and it
 * counts for no limit. Equivalent to: `ip neighbour replace ADDRESS lladdr MAC dev LINK nud permanent`. Carries
 * our protocol number. It goes with the link, when the link goes down, and when the link gets another MAC (a
 * bridge that was given none changes its own with its ports).
 */
export interface NeighbourResource {
  readonly kind: 'neighbour'
  readonly link: string
  readonly address: IpAddress
  readonly mac: MacAddress
}

/**
 * Behind which port of a bridge a MAC is, once and for all: a frame with that sender from another port changes
 * nothing. Equivalent to: `bridge fdb replace MAC dev LINK master static sticky`. It goes with the port.
 */
export interface FdbResource {
  readonly kind: 'fdb'
  /** The port: a link of the host. */
  readonly link: string
  /** A bridge has one entry for a MAC. */
  readonly bridge: string
  readonly mac: MacAddress
}

/**
 * Equivalent to: `sysctl -w`. On removal `restore` is put back, if the value is still ours: forwarding of
 * a link is not where another process has made a router of the whole host since (`net.ipv4.ip_forward`).
 * `net/ipv6/conf/all/forwarding` is the last to be added and the first to be removed.
 */
export interface SysctlResource {
  readonly kind: 'sysctl'
  readonly namespace?: NamespaceRef
  /** Path below /proc/sys: `net/ipv4/conf/eth0.5/forwarding` (slashes: link names may have dots). */
  readonly name: string
  readonly value: string
  /** The value before ours, as the caller saw it; absent: nothing is put back. */
  readonly restore?: string
}

/** A whole nftables table with its chains, rules and sets; elements are resources of their own. */
export interface TableResource {
  readonly kind: 'table'
  readonly definition: TableDefinition
}

/** One element of a set or map of a table of ours, or a run. Equivalent to: `nft add element …`. */
export interface ElementResource {
  readonly kind: 'element'
  readonly family: Family
  readonly table: string
  readonly set: string
  /** One text for each part of a concatenation: `['br-0a1b2c3d4e', '10.7.0.0/24']`. */
  readonly key: readonly string[]
  /** For maps: a verdict (`jump nat4`) or one text for each part of the value. */
  readonly value?: readonly string[]
  /**
   * This many elements instead of one: the last part of the key is a port that goes up by one from each
   * to the next, and so is the last part of the value. Not for sets of intervals.
   */
  readonly run?: number
  /** Only in sets with limits: that of this element. Default: the set's. */
  readonly limit?: RateLimit
  /** Id of the network or endpoint that owns it; kept in the element's user data. */
  readonly owner: string
}

/**
 * Ports of the host that are forwarded: from now on no process of the host can bind them (EADDRINUSE).
 * One that has done so already: PORT_IN_USE, naming process and port, before anything of the change is
 * done. A kernel without a way to reserve ports, and any kernel for SCTP, only looks for such a process.
 * Datagrams that kept coming to such a port before are from now on forwarded, too, and what was
 * forwarded from it isn't any longer when it is removed.
 */
export interface ReservationResource {
  readonly kind: 'reservation'
  readonly protocol: Protocol
  /** `0.0.0.0` and `::` are all addresses of their family. */
  readonly address: IpAddress
  readonly ports: PortRange
  /** true: they are only held, nothing is forwarded from them yet. Default: false. */
  readonly pending?: boolean
}

/**
 * What has been forwarded to these ports of a sandbox. Nothing is made for it; but when it is removed,
 * what others sent there is forgotten by conntrack, and what the sandbox sends from there unasked is
 * dropped until it has been quiet for 30 s: a flow that was forwarded ends, and stays ended, though its
 * server goes on sending. Adding it lifts that.
 */
export interface FlowsResource {
  readonly kind: 'flows'
  /** The sandbox's address. */
  readonly address: IpAddress
  readonly protocol: Protocol
  readonly ports: PortRange
  /** true: what has been sent to the sandbox's own address ends as well. Default: false. */
  readonly direct?: boolean
  /** The host end of the sandbox's link: if it goes in the same change, nothing can be sent any more. */
  readonly link: string
  /** Where quiet senders are kept: `address . protocol . port`, and the same with ranges of ports. */
  readonly quiet: {
    readonly family: Family
    readonly table: string
    readonly set: string
    readonly ranges: string
  }
}

/**
 * How much may pass through a port of a bridge, in bits per second. At least one direction.
 * Equivalent to: `tc qdisc add dev LINK root tbf rate …`, and the same on an ifb for what comes in.
 * Frames count with their Ethernet headers. What waits when it changes may be dropped if it gets less.
 */
export interface RateResource {
  readonly kind: 'rate'
  /** The host end of the sandbox's link. */
  readonly link: string
  readonly toSandbox?: number
  readonly fromSandbox?: number
}

/**
 * Tells all hosts on the link where an address is now: gratuitous ARP, or unsolicited neighbour
 * advertisement. Adding it says so once, before the change is done, and then at intervals; removing it
 * ends that. There is nothing to compare.
 */
export interface AnnouncementResource {
  readonly kind: 'announcement'
  readonly namespace: NamespaceRef
  readonly link: string
  readonly address: IpAddress
  readonly mac: MacAddress
  /** 1 to 3. */
  readonly times: number
  readonly intervalMs: number
}

/**
 * The one rule of ours in a table of another program's: an accept with our comment in chain
 * DOCKER-USER of table `filter`, for packets with this mark, behind the rules of others: the last one,
 * or the last before an unconditional RETURN. Equivalent to:
 * `iptables -A DOCKER-USER -m mark --mark MARK/MARK -m comment --comment cnm -j ACCEPT`. Whatever has
 * that comment there is ours, and elsewhere in the chain or in another form it is different. Where
 * there is no such chain, no other program has to be asked: nothing is done, and nothing is missing.
 */
export interface ConsentResource {
  readonly kind: 'consent'
  readonly family: 'ip' | 'ip6'
  /** One bit. */
  readonly mark: number
}

/**
 * A text file of ours, for programs of a sandbox. One that is there already is left as it is; one that
 * others have changed since isn't changed any more, nor is it different. It is changed in place, as it
 * may be mounted somewhere. Folders above it are made, and an empty one goes with its last file.
 */
export interface FileResource {
  readonly kind: 'file'
  /** Absolute. */
  readonly path: string
  readonly content: string
}

/**
 * A line of a hosts file, whatever else is in it: `ADDRESS<tab>NAME NAME`. Comes after the FileResource
 * of the same path; without that file, it is not there and nothing is missing.
 */
export interface HostsEntryResource {
  readonly kind: 'hosts-entry'
  readonly path: string
  readonly address: IpAddress
  readonly names: readonly string[]
}

/** Two resources with one key are the same thing; at most one of them can exist. */
export function resourceKey(resource: Resource): string {
  switch (resource.kind) {
    case 'namespace':
      return `namespace:${resource.namespace.path}`
    case 'bridge':
    case 'veth':
    case 'lent-link':
      return `link::${resource.name}`
    case 'address':
      return `address:${place(resource)}:${resource.link}:${resource.address}`
    case 'route':
      return `route:${place(resource)}:${resource.destination}`
    case 'neighbour':
      return `neighbour:${resource.link}:${resource.address}`
    case 'fdb':
      return `fdb:${resource.bridge}:${resource.mac}`
    case 'sysctl':
      return `sysctl:${place(resource)}:${resource.name}`
    case 'table':
      return `table:${resource.definition.family} ${resource.definition.name}`
    case 'element': {
      const { family, table, set, key } = resource
      const run = resource.run === undefined ? '' : `+${resource.run}`
      return `element:${family} ${table}:${set}:${key.join(' . ')}${run}`
    }
    case 'reservation':
      return `reservation:${portKey(resource)}`
    case 'flows':
      return `flows:${portKey(resource)}`
    case 'relay':
      return `relay:${resource.protocol} ${resource.listen.address} ${resource.listen.port}`
    case 'rate':
      return `rate:${resource.link}`
    case 'announcement':
      return `announcement:${place(resource)}:${resource.link}:${resource.address}`
    case 'consent':
      return `consent:${resource.family}`
    case 'resolver':
      return `resolver:${resource.namespace.path}`
    case 'names':
      return `names:${resource.endpoint}`
    case 'zone':
      return `zone:${resource.name}`
    case 'file':
      return `file:${resource.path}`
    case 'hosts-entry':
      return `hosts-entry:${resource.path}:${resource.address} ${resource.names.join(' ')}`
  }
}

/** The elements of a run, one by one; a single one is itself. */
export function eachElement<E extends Pick<ElementResource, 'key' | 'value' | 'run'>>(
  element: E,
): readonly E[] {
  const { run, ...first } = element
  if (run === undefined) return [element]
  return Array.from({ length: run }, (_, index) => elementAt(first as E, index))
}

/** The one so many behind the first of a run. */
export function elementAt<E extends Pick<ElementResource, 'key' | 'value' | 'run'>>(
  element: E,
  index: number,
): E {
  const { run: _, ...first } = element
  const { key, value } = element
  const moved = { ...first, key: portsUp(key, index) }
  return (value === undefined ? moved : { ...moved, value: portsUp(value, index) }) as E
}

function portsUp(parts: readonly string[], by: number): readonly string[] {
  return parts.with(-1, String(Number(parts.at(-1)) + by))
}

function portKey({ protocol, address, ports }: ReservationResource | FlowsResource): string {
  return `${protocol} ${address} ${portsText(ports)}`
}

function place(resource: { readonly namespace?: NamespaceRef }): string {
  return resource.namespace?.path ?? ''
}
