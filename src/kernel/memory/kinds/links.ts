import { networkOf } from '../../link-groups.ts'
import type { BridgeResource, NamespaceResource, VethResource } from '../../resource.ts'
import type { Link, Machine, Netns } from '../machine.ts'
import { option } from './command-words.ts'
import type { Verbs } from './verbs.ts'

/** The kernel's BR_MAX_PORTS, less the one that it keeps. */
const maxPorts = 1023

export const namespaces: Verbs<NamespaceResource> = {
  put(machine, { namespace }) {
    const netns = machine.find(namespace)
    if (netns?.ours) return
    if (netns !== undefined) throw machine.refusal('mount', 'EEXIST', 'exists', namespace.path)
    machine.addNetns(namespace.path, true)
  },

  drop(machine, { namespace }) {
    const netns = machine.find(namespace)
    if (netns?.ours) removeNetns(machine, netns)
  },

  found: (machine, resource) => (machine.find(resource.namespace)?.ours ? resource : undefined),

  lines: ({ namespace }) => [`ip netns add ${namespace.path}`],
}

export const bridges: Verbs<BridgeResource> = {
  put(machine, resource) {
    const { name, mtu, mac, maxLearned, ipv6 } = resource
    const { host } = machine
    const there = host.links.get(name)
    if (resource.origin === 'adopt') {
      if (there?.type === 'bridge') return
      throw machine.refusal('RTM_GETLINK', 'ENODEV', 'there is no such bridge', name)
    }
    if (there !== undefined && !isOurs(there, 'bridge')) throw machine.linkExists(name, host)
    checkLink(machine, name, mtu)
    const link = { name, type: 'bridge', mtu: mtu ?? 1500, mac, ipv6, maxLearned, resource }
    machine.set(host.links, name, link)
  },

  drop(machine, { name, origin }) {
    const link = machine.host.links.get(name)
    if (origin === 'own' && isOurs(link, 'bridge')) removeLink(machine, machine.host, name)
  },

  found(machine, resource) {
    const link = machine.host.links.get(resource.name)
    if (resource.origin === 'adopt') return link?.type === 'bridge' ? resource : undefined
    if (link === undefined || !isOurs(link, 'bridge')) return undefined
    const { mtu, mac, maxLearned, ipv6 } = link
    const { maxLearned: _, ...asked } = resource
    return {
      ...asked,
      ipv6,
      ...(maxLearned === undefined ? {} : { maxLearned }),
      ...(resource.mtu === undefined ? {} : { mtu }),
      ...(resource.mac === undefined ? {} : { mac }),
    }
  },

  lines: (bridge) => [bridgeLine(bridge)],
}

export const veths: Verbs<VethResource> = {
  put(machine, resource) {
    const { name, mtu, peer } = resource
    const { host } = machine
    const inside = machine.enter(peer.namespace)
    const there = host.links.get(name)
    if (there !== undefined && !isOurs(there, 'veth')) throw machine.linkExists(name, host)
    checkLink(machine, name, mtu)
    checkLink(machine, peer.name, mtu)
    checkBridge(machine, resource)
    if (peer.namespace === undefined) return putElsewhere(machine, resource, there)
    const end = inside.links.get(peer.name)
    if (end !== undefined && (there === undefined || end.resource?.name !== name)) {
      throw machine.linkExists(peer.name, inside)
    }
    // A pair whose inner end is elsewhere, or has another name, is made anew.
    if (end === undefined) removeLink(machine, host, name)
    const { mac, ipv6 } = peer
    const pair = { type: 'veth', mtu, ipv6, resource }
    machine.set(host.links, name, { ...pair, name })
    machine.set(inside.links, peer.name, { ...pair, name: peer.name, mac })
  },

  drop(machine, { name }) {
    const link = machine.host.links.get(name)
    if (isOurs(link, 'veth')) removeLink(machine, machine.host, name)
  },

  found(machine, { name }) {
    const link = machine.host.links.get(name)
    return link?.resource?.kind === 'veth' ? link.resource : undefined
  },

  lines: (veth) => [vethLine(veth)],
}

/** The other end is another engine's; once it has been made, it may be anywhere. */
function putElsewhere(machine: Machine, resource: VethResource, there: Link | undefined): void {
  const { links } = machine.host
  const { name, mtu, peer } = resource
  const pair = { type: 'veth', mtu, ipv6: peer.ipv6 }
  if (there === undefined) {
    if (links.has(peer.name)) throw machine.linkExists(peer.name, machine.host)
    machine.set(links, peer.name, { ...pair, name: peer.name, mac: peer.mac })
  }
  machine.set(links, name, { ...pair, name, resource })
}

/** A link goes with its addresses, routes and sysctls, and a veth with its other end. */
export function removeLink(machine: Machine, netns: Netns, name: string): void {
  const link = netns.links.get(name)
  if (link === undefined) return
  machine.delete(netns.links, name)
  clearLink(machine, netns, name)
  if (netns === machine.host) machine.note({ type: 'link', change: 'gone', name })
  if (link.resource?.kind === 'veth') {
    const { peer } = link.resource
    const inside = machine.find(peer.namespace)
    if (netns !== machine.host) removeLink(machine, machine.host, link.resource.name)
    else if (inside !== undefined) removeLink(machine, inside, peer.name)
  }
  for (const { resource } of netns === machine.host ? netns.links.values() : []) {
    const isPair = resource?.kind === 'veth' && !resource.peer.namespace
    if (isPair && resource.peer.name === name) removeLink(machine, netns, resource.name)
  }
  if (netns === machine.host && link.type === 'bridge') releasePorts(machine, name)
}

export function removeNetns(machine: Machine, netns: Netns): void {
  for (const name of [...netns.links.keys()]) removeLink(machine, netns, name)
  machine.delete(machine.namespaces, netns.path)
}

export function clearLink(machine: Machine, netns: Netns, name: string): void {
  const onHost = netns === machine.host
  for (const [key, { link, address }] of netns.addresses) {
    if (link !== name) continue
    machine.delete(netns.addresses, key)
    if (onHost) machine.note({ type: 'address', change: 'gone', link, address })
  }
  for (const [key, { ours: _, ...route }] of netns.routes) {
    if (route.link !== name) continue
    machine.delete(netns.routes, key)
    if (onHost) machine.note({ type: 'route', change: 'gone', route })
  }
  for (const [key, noted] of onHost ? machine.noted : []) {
    const isOnLink = noted.kind === 'rate' || noted.kind === 'neighbour' || noted.kind === 'fdb'
    if (isOnLink && noted.link === name) machine.delete(machine.noted, key)
  }
  for (const key of [...netns.sysctls.keys()]) {
    if (linkOfSysctl(key) === name) machine.delete(netns.sysctls, key)
  }
}

function releasePorts(machine: Machine, bridge: string): void {
  for (const [name, link] of machine.host.links) {
    if (link.resource?.kind !== 'veth' || link.resource.bridge !== bridge) continue
    for (const [key, noted] of machine.noted) {
      if (noted.kind === 'fdb' && noted.link === name) machine.delete(machine.noted, key)
    }
    const resource = { ...link.resource, bridge: '' }
    machine.set(machine.host.links, name, { ...link, resource })
  }
}

/** `net/ipv4/conf/eth0.5/forwarding` is about the link `eth0.5`. */
export function linkOfSysctl(name: string): string | undefined {
  const link = /^net\/ipv[46]\/(?:conf|neigh)\/([^/]+)\//.exec(name)?.[1]
  return link === 'all' || link === 'default' ? undefined : link
}

function isOurs(link: Link | undefined, kind: 'bridge' | 'veth'): boolean {
  return link?.resource?.kind === kind
}

function checkLink(machine: Machine, name: string, mtu: number | undefined): void {
  if (name.length > 15) throw machine.refusal('RTM_NEWLINK', 'ERANGE', 'name too long', name)
  if (name === '' || name === '.' || name === '..' || /[\s/:]/.test(name)) {
    throw machine.refusal('RTM_NEWLINK', 'EINVAL', 'not a link name', name)
  }
  if (mtu !== undefined && (mtu < 68 || mtu > 65535)) {
    throw machine.refusal('RTM_NEWLINK', 'EINVAL', `mtu ${mtu} is not in 68-65535`, name)
  }
}

function checkBridge(machine: Machine, { name, bridge }: VethResource): void {
  const link = machine.host.links.get(bridge)
  if (link === undefined) throw machine.refusal('RTM_NEWLINK', 'ENODEV', 'no such bridge', bridge)
  if (link.type !== 'bridge') {
    throw machine.refusal('RTM_NEWLINK', 'EOPNOTSUPP', 'not a bridge', bridge)
  }
  let ports = 0
  for (const { resource } of machine.host.links.values()) {
    if (resource?.kind === 'veth' && resource.bridge === bridge && resource.name !== name) ports++
  }
  if (ports >= maxPorts) throw machine.refusal('RTM_NEWLINK', 'EXFULL', 'bridge is full', bridge)
}

function bridgeLine({ origin, name, mtu, mac, maxLearned, ipv6 }: BridgeResource): string {
  if (origin === 'adopt') return `ip link show ${name} type bridge`
  const options = `${option('mtu', mtu)}${option('address', mac)}`
  const bound = option('fdb_max_learned', maxLearned)
  return `ip link add ${name} up group cnm${options} type bridge${bound}${ipv6Note(ipv6)}`
}

function vethLine({ name, bridge, group, mtu, learning = true, peer }: VethResource): string {
  const master = option('master', bridge === '' ? undefined : bridge)
  const { namespace } = peer
  const where = namespace === undefined ? '' : ` netns ${namespace.path}`
  const state = namespace === undefined ? '' : ' up'
  const inner = `${peer.name}${state} mtu ${mtu} address ${peer.mac}${where}`
  const groupName = group === undefined ? 'cnm' : `cnm-${networkOf(group)}`
  const outer = `ip link add ${name} up group ${groupName}${master} mtu ${mtu}`
  const note = learning ? '' : ' # learning off'
  return `${outer} type veth peer name ${inner}${ipv6Note(peer.ipv6)}${note}`
}

function ipv6Note(ipv6: boolean): string {
  return ipv6 ? ' # IPv6' : ''
}
