import type { Cidr, IpAddress, MacAddress, Prefix } from '../address/address.ts'
import type { Family, TableDefinition } from './ruleset.ts'

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
  | AddressResource
  | RouteResource
  | SysctlResource
  | TableResource
  | ElementResource

/** A network namespace, as plain data. It is opened when it is needed and closed at once. */
export interface NamespaceRef {
  /** An absolute path that can be opened: `RUN/netns/<id>`, `/proc/<pid>/ns/net`, any bind mount. */
  readonly path: string
  /**
   * The kernel's own name of this namespace (SO_NETNS_COOKIE, decimal), checked at every opening.
   * Given for adopted namespaces, whose path may come to mean another one. Absent for our own, whose
   * path is never used twice.
   */
  readonly cookie?: string
}

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
  /** false: the host end has no IPv6 at all. true: IPv6 without router advertisements and DAD. */
  readonly ipv6: boolean
}

/**
 * A veth pair: the host end `name`, up and on `bridge` in hairpin mode, in our link group; the peer
 * born inside `peer.namespace`, up. Removal takes the host end down, off its bridge and into the
 * condemned group at once (effective immediately) and deletes the pair in the background.
 * Where the namespace stays, the peer is first taken down and renamed, so that its name is free again.
 */
export interface VethResource {
  readonly kind: 'veth'
  readonly name: string
  readonly bridge: string
  readonly mtu: number
  readonly peer: {
    readonly namespace: NamespaceRef
    readonly name: string
    readonly mac: MacAddress
    /**
     * false: neither end gives itself IPv6 addresses or says a word of it. true: IPv6 inside, without
     * router advertisements and DAD.
     */
    readonly ipv6: boolean
  }
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

/** Equivalent to: `sysctl -w`. On removal `restore` is put back, if the value is still ours. */
export interface SysctlResource {
  readonly kind: 'sysctl'
  readonly namespace?: NamespaceRef
  /** Path below /proc/sys: `net/ipv4/conf/eth0.5/forwarding` (slashes: link names may have dots). */
  readonly name: string
  readonly value: string
  /** The value before ours, as whoever described this saw it; absent: nothing is put back. */
  readonly restore?: string
}

/** A whole nftables table with its chains, rules and sets; elements are resources of their own. */
export interface TableResource {
  readonly kind: 'table'
  readonly definition: TableDefinition
}

/** One element of a set or map of a table of ours. Equivalent to: `nft add element …`. */
export interface ElementResource {
  readonly kind: 'element'
  readonly family: Family
  readonly table: string
  readonly set: string
  /** One text for each part of a concatenation: `['br-0a1b2c3d4e', '10.7.0.0/24']`. */
  readonly key: readonly string[]
  /** For maps: a verdict (`jump nat4`) or one text for each part of the value. */
  readonly value?: readonly string[]
  /** Id of the network or endpoint that owns it; kept in the element's user data. */
  readonly owner: string
}

/** Two resources with one key are the same thing; at most one of them can exist. */
export function resourceKey(resource: Resource): string {
  switch (resource.kind) {
    case 'namespace':
      return `namespace:${resource.namespace.path}`
    case 'bridge':
    case 'veth':
      return `link::${resource.name}`
    case 'address':
      return `address:${place(resource)}:${resource.link}:${resource.address}`
    case 'route':
      return `route:${place(resource)}:${resource.destination}`
    case 'sysctl':
      return `sysctl:${place(resource)}:${resource.name}`
    case 'table':
      return `table:${resource.definition.family} ${resource.definition.name}`
    case 'element': {
      const { family, table, set, key } = resource
      return `element:${family} ${table}:${set}:${key.join(' . ')}`
    }
  }
}

function place(resource: { readonly namespace?: NamespaceRef }): string {
  return resource.namespace?.path ?? ''
}
