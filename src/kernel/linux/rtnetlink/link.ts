import type { MacAddress } from '../../../address/address.ts'
import { load32 } from '../netlink/codec.ts'
import { type Message, NLM_F_CREATE, NLM_F_EXCL } from '../netlink/message.ts'
import type { NetlinkSocket } from '../netlink/netlink-socket.ts'
import { type LinkAttributes, type LinkBody, type LinkHeader, linkBody } from './link-schema.ts'

export const RTM_NEWLINK = 16
export const RTM_DELLINK = 17
export const RTM_GETLINK = 18
export const RTNLGRP_LINK = 1

const IFF_UP = 1
const RTEXT_FILTER_SKIP_STATS = 8
const IN6_ADDR_GEN_MODE_NONE = 1
// linux/ip.h, counted from 0; linux/ipv6.h
const IPV4_DEVCONF_FORWARDING = 0
const IPV4_DEVCONF_ROUTE_LOCALNET = 25
const DEVCONF_ACCEPT_RA = 3
const DEVCONF_FORCE_FORWARDING = 60

/** A link by its name or its index. */
export type LinkRef = string | number

export interface NewBridge extends NewLink {
  /** See LinkChange. */
  readonly maxLearned?: number
}

export interface NewLink {
  readonly name: string
  readonly mtu?: number
  readonly mac?: MacAddress
  /** The index of the bridge it becomes a port of. */
  readonly master?: number
  /** Any 32-bit number, to do something with many links at once. */
  readonly group?: number
  readonly up?: boolean
}

/** How many queues a link can have; absent: as many as there may be processors, of which it uses one. */
export interface Queues {
  readonly sendQueues?: number
  readonly receiveQueues?: number
}

export interface NewVeth extends NewLink, Queues {
  /** The other end is always born down. */
  readonly peer: Queues & {
    readonly name: string
    readonly mtu?: number
    readonly mac?: MacAddress
    /** A descriptor of the network namespace it is born in; absent: the socket's. */
    readonly namespaceFd?: number
  }
}

/**
 * Equivalent to: `ip link add NAME [address MAC] [mtu MTU] [group GROUP] type bridge [fdb_max_learned N]`, and up.
 * The MTU given here is a beginning: from the first port on it is the least of its ports' MTUs, and
 * 1500 without ports. Only a change by `setLink` (to another value than it has) makes it stay.
 */
export function newBridge({ maxLearned, ...link }: NewBridge): Message {
  const data = maxLearned === undefined ? {} : { data: { maxLearned } }
  return newLink(link, { own: { kind: 'bridge', ...data } })
}

/**
 * Equivalent to: `ip link add NAME [mtu MTU] [master BRIDGE] [group GROUP] type veth peer PEER
 * [address MAC] [mtu MTU] [netns NETNS]`, and up. The host end is up in the same message; the other
 * one can't be, since a veth without its peer has no carrier to speak of. Where both ends are told how
 * many queues they have (`numtxqueues 1 numrxqueues 1`), the kernel doesn't have to wait, twice, until no reader
 * uses those any more that they don't need.
 */
export function newVeth({ peer, ...link }: NewVeth): Message {
  const data = { peer: { header: { ...emptyHeader }, attributes: peer } }
  return newLink(link, { own: { kind: 'veth', data } })
}

/**
 * A link whose only use is that others' packets are redirected to it, queued, and sent back.
 * Equivalent to: `ip link add NAME [group GROUP] type ifb`.
 */
export function newIfb(link: NewLink): Message {
  return newLink(link, { own: { kind: 'ifb' } })
}

function newLink({ up, ...attributes }: NewLink, info: LinkAttributes['info']): Message {
  return message('RTM_NEWLINK', NLM_F_CREATE | NLM_F_EXCL, attributes.name, upHeader(up), {
    ...attributes,
    info,
  })
}

export interface LinkChange {
  readonly up?: boolean
  readonly mtu?: number
  readonly mac?: MacAddress
  /** 0: of none. */
  readonly master?: number
  readonly group?: number
  /** 'none': the link gives itself no link-local address. Before it goes up. */
  readonly ipv6AddressGeneration?: 'none'
  /** Only for ports of a bridge: whether frames may leave by the port they came in through. */
  readonly hairpin?: boolean
  /**
   * Only for ports of a bridge: bit n says that what comes for 01:80:c2:00:00:0n is forwarded like
   * everything else, and not handed to the host as from the port itself. Not bit 1: EINVAL.
   */
  readonly groupForwarding?: number
  /** Only for ports of a bridge: whether it learns from them where MACs are. */
  readonly learning?: boolean
  /** Only for bridges: how many MACs it learns at most; 0: any number. Kernels before 6.7 take no notice of it. */
  readonly maxLearned?: number
}

/**
 * Equivalent to: `ip link set LINK [up|down] [mtu MTU] [address MAC] [master BRIDGE|nomaster]
 * [group GROUP] [addrgenmode none] [type bridge_slave hairpin on learning off group_fwd_mask MASK]
 * [type bridge fdb_max_learned N]`. The kernel brings a link up before it looks at `ipv6AddressGeneration`, and looks at a port's settings before
 * `master`: what depends on the other order takes two messages.
 */
export function setLink(link: LinkRef, change: LinkChange): Message {
  const { up, ipv6AddressGeneration, hairpin, learning, groupForwarding, ...rest } = change
  const { maxLearned, ...attributes } = rest
  const isOfPort = [hairpin, learning, groupForwarding].some((each) => each !== undefined)
  const slave = { kind: 'bridge', data: { hairpin, learning, groupForwarding } } as const
  const own = { kind: 'bridge', data: { maxLearned } } as const
  const families = { ipv6: { addressGeneration: IN6_ADDR_GEN_MODE_NONE } }
  return changeLink(link, upHeader(up), {
    ...attributes,
    ...(ipv6AddressGeneration === undefined ? {} : { families }),
    ...(isOfPort ? { info: { slave } } : {}),
    ...(maxLearned === undefined ? {} : { info: { own } }),
  })
}

/** Equivalent to: `ip link set LINK name NAME`. The kernel finds a link to rename by its index only. */
export function renameLink(index: number, name: string): Message {
  return changeLink(index, {}, { name })
}

/**
 * Equivalent to: `ip link set LINK netns NAMESPACE name NAME`. It is down there, and has no addresses; its
 * index may be another one.
 */
export function moveLink(index: number, namespaceFd: number, name: string): Message {
  return changeLink(index, {}, { namespaceFd, name })
}

/**
 * Equivalent to: `ip link delete LINK`. Takes 10 to 50 ms during which the calling thread waits and
 * no other process's request is executed: take the link down first, and delete many together.
 */
export function deleteLink(link: LinkRef): Message {
  return message('RTM_DELLINK', 0, link, refHeader(link), refAttributes(link))
}

/** Equivalent to: `ip link delete group GROUP`. Refused with ENODEV where the group is empty. */
export function deleteLinkGroup(group: number): Message {
  return message('RTM_DELLINK', 0, `group ${group}`, {}, { group })
}

export interface Link {
  readonly index: number
  readonly name: string
  /** `veth`, `bridge`, `vxlan` …; undefined for a real device and `lo`. */
  readonly kind: string | undefined
  readonly up: boolean
  readonly mtu: number
  /** Undefined for devices without a hardware address. */
  readonly mac: MacAddress | undefined
  readonly group: number
  /** The index of the bridge, bond … it is a port of. */
  readonly master: number | undefined
  /** The index of the other end of a veth or the device below it. */
  readonly peer: number | undefined
  /** Where `peer` is, if not in this namespace: the kernel's number of that namespace here. */
  readonly peerNamespaceId: number | undefined
  /** How often it has got a carrier. A veth has one while both ends are up. Undefined before 4.16. */
  readonly carrierUps: number | undefined
  readonly alias: string | undefined
  /** Undefined where the link is no port of a bridge. */
  readonly hairpin: boolean | undefined
  /** See LinkChange. Undefined where the link is no port of a bridge, or the kernel can't. */
  readonly groupForwarding: number | undefined
  /** Undefined where the link is no port of a bridge. */
  readonly learning: boolean | undefined
  /** See LinkChange. Undefined where the link is no bridge, or the kernel can't. */
  readonly maxLearned: number | undefined
  /** Whether it gives itself a link-local address (`addrgenmode` other than `none`). */
  readonly makesIpv6Addresses: boolean
  /** `net/ipv4/conf/LINK/forwarding` */
  readonly forwarding4: boolean
  /** `net/ipv6/conf/LINK/force_forwarding`; false where the kernel has none. */
  readonly forceForwarding6: boolean
  /** `net/ipv4/conf/LINK/route_localnet` */
  readonly routeLocalnet: boolean
  /** `net/ipv6/conf/LINK/accept_ra`; 0 where the link has no IPv6. */
  readonly acceptRa6: number
}

/** Equivalent to: `ip -details link show LINK`. Refused with ENODEV if there is none. */
export function getLink(socket: NetlinkSocket, link: LinkRef): Link {
  const attributes = { ...refAttributes(link), extMask: RTEXT_FILTER_SKIP_STATS }
  return toLink(socket.get(message('RTM_GETLINK', 0, link, refHeader(link), attributes), linkBody))
}

/**
 * What a link's carrier changes, such as that it may send now, the kernel does by and by; for a link
 * that is asked for (since 6.8) at once. Equivalent to: `ip link show LINK`.
 */
export function settleCarrier(socket: NetlinkSocket, link: number): void {
  const attributes = { extMask: RTEXT_FILTER_SKIP_STATS }
  socket.get(message('RTM_GETLINK', 0, link, refHeader(link), attributes), { read: () => true })
}

export interface LinkFilter {
  readonly kind?: string
  readonly master?: number
  readonly group?: number
}

/** The question for all links there are. */
export function everyLink(): Message {
  return message('RTM_GETLINK', 0, undefined, {}, { extMask: RTEXT_FILTER_SKIP_STATS })
}

/** Equivalent to: `ip -details link show [type KIND] [master BRIDGE] [group GROUP]`. */
export function listLinks(socket: NetlinkSocket, filter: LinkFilter = {}): Link[] {
  const { kind, master, group } = filter
  const request = message(
    'RTM_GETLINK',
    0,
    undefined,
    {},
    {
      extMask: RTEXT_FILTER_SKIP_STATS,
      ...(master === undefined ? {} : { master }),
      ...(kind === undefined ? {} : { info: { own: { kind: 'other', name: kind } } }),
    },
  )
  const links = socket.dump(request, linkBody).map(toLink)
  // The kernel filters by kind and master, but not by group.
  return group === undefined ? links : links.filter((link) => link.group === group)
}

/** A link from the body of RTM_NEWLINK or RTM_DELLINK. */
export function toLink({ header, attributes }: LinkBody): Link {
  const { own, slave } = attributes.info ?? {}
  const { ipv4, ipv6 } = attributes.families ?? {}
  return {
    index: header.index,
    name: attributes.name ?? '',
    kind: own?.kind === 'other' ? own.name : own?.kind,
    up: (header.flags & IFF_UP) !== 0,
    mtu: attributes.mtu ?? 0,
    mac: attributes.mac || undefined,
    group: attributes.group ?? 0,
    master: attributes.master,
    peer: attributes.link,
    peerNamespaceId: attributes.linkNamespaceId,
    carrierUps: attributes.carrierUps,
    alias: attributes.alias,
    hairpin: slave?.kind === 'bridge' ? slave.data?.hairpin : undefined,
    groupForwarding: slave?.kind === 'bridge' ? slave.data?.groupForwarding : undefined,
    learning: slave?.kind === 'bridge' ? slave.data?.learning : undefined,
    maxLearned: own?.kind === 'bridge' ? own.data?.maxLearned : undefined,
    makesIpv6Addresses:
      (ipv6?.addressGeneration ?? IN6_ADDR_GEN_MODE_NONE) !== IN6_ADDR_GEN_MODE_NONE,
    forwarding4: setting(ipv4?.settings, IPV4_DEVCONF_FORWARDING) === 1,
    forceForwarding6: setting(ipv6?.settings, DEVCONF_FORCE_FORWARDING) === 1,
    routeLocalnet: setting(ipv4?.settings, IPV4_DEVCONF_ROUTE_LOCALNET) === 1,
    acceptRa6: setting(ipv6?.settings, DEVCONF_ACCEPT_RA),
  }
}

/** One of a link's sysctls; 0 where the link has none. */
function setting(settings: Uint8Array | undefined, index: number): number {
  if (settings === undefined || settings.length < 4 * (index + 1)) return 0
  return load32(Buffer.from(settings.buffer, settings.byteOffset, settings.length), 4 * index) | 0
}

const emptyHeader = { family: 0, pad: undefined, type: 0, index: 0, flags: 0, change: 0 }

function upHeader(up: boolean | undefined): Partial<LinkHeader> {
  return up === undefined ? {} : { flags: up ? IFF_UP : 0, change: IFF_UP }
}

function refHeader(link: LinkRef): Partial<LinkHeader> {
  return typeof link === 'number' ? { index: link } : {}
}

function refAttributes(link: LinkRef): LinkAttributes {
  return typeof link === 'string' ? { name: link } : {}
}

function changeLink(
  link: LinkRef,
  header: Partial<LinkHeader>,
  attributes: LinkAttributes,
): Message {
  return message(
    'RTM_NEWLINK',
    0,
    link,
    { ...refHeader(link), ...header },
    { ...refAttributes(link), ...attributes },
  )
}

const types = { RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK }

function message(
  operation: keyof typeof types,
  flags: number,
  link: LinkRef | undefined,
  header: Partial<LinkHeader>,
  attributes: LinkAttributes,
): Message {
  const name = typeof link === 'number' ? `link #${link}` : `link ${link}`
  return {
    operation,
    type: types[operation],
    flags,
    body: linkBody.encode(header, attributes),
    ...(link === undefined ? {} : { target: name }),
  }
}
