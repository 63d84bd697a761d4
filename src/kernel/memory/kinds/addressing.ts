import type { IpAddress } from '../../../address/address.ts'
import { cidrPrefix, contains, familyOf, parsePrefix } from '../../../address/address.ts'
import type { AddressResource, RouteResource, SysctlResource } from '../../resource.ts'
import type { Link, Machine, Netns } from '../machine.ts'
import { inNetns } from './command-words.ts'
import { linkOfSysctl } from './links.ts'
import type { Verbs } from './verbs.ts'

const linkLocal = parsePrefix('fe80::/10')

export const addresses: Verbs<AddressResource> = {
  put(machine, { namespace, link, address }) {
    const netns = machine.enter(namespace)
    const { ipv6, resource } = linkOf(machine, netns, link, 'RTM_NEWADDR')
    if (familyOf(address) === 6 && !ipv6) {
      throw machine.refusal('RTM_NEWADDR', 'EACCES', 'IPv6 is disabled on this device', link)
    }
    machine.set(netns.addresses, addressKey(link, address), { link, address })
    if (netns === machine.host && resource === undefined) {
      machine.note({ type: 'address', change: 'set', link, address })
    }
  },

  drop(machine, { namespace, link, address }) {
    const netns = machine.find(namespace)
    if (!netns?.addresses.has(addressKey(link, address))) return
    machine.delete(netns.addresses, addressKey(link, address))
    if (netns === machine.host) machine.note({ type: 'address', change: 'gone', link, address })
  },

  found(machine, resource) {
    const { namespace, link, address } = resource
    const there = machine.find(namespace)?.addresses.has(addressKey(link, address))
    return there ? resource : undefined
  },

  lines: (address) => [addressLine(address)],
}

export const routes: Verbs<RouteResource> = {
  put(machine, { namespace, destination, gateway, link }) {
    const netns = machine.enter(namespace)
    linkOf(machine, netns, link, 'RTM_NEWROUTE')
    if (gateway !== undefined) {
      if (familyOf(gateway) !== familyOf(destination)) {
        throw machine.refusal('RTM_NEWROUTE', 'EINVAL', `gateway ${gateway}`, destination)
      }
      if (!reaches(netns, link, gateway)) {
        const errno = familyOf(gateway) === 4 ? 'ENETUNREACH' : 'EHOSTUNREACH'
        throw machine.refusal('RTM_NEWROUTE', errno, `gateway ${gateway} is not on ${link}`)
      }
    }
    const route = { destination, link, ...(gateway === undefined ? {} : { gateway }), ours: true }
    machine.set(netns.routes, destination, route)
  },

  drop(machine, { namespace, destination, gateway, link }) {
    const netns = machine.find(namespace)
    const there = netns?.routes.get(destination)
    if (!netns || !there?.ours || there.gateway !== gateway || there.link !== link) return
    machine.delete(netns.routes, destination)
    if (netns !== machine.host) return
    const { ours: _, ...route } = there
    machine.note({ type: 'route', change: 'gone', route })
  },

  found(machine, { kind, namespace, destination }) {
    const there = machine.find(namespace)?.routes.get(destination)
    if (!there?.ours) return undefined
    const { ours: _, ...route } = there
    return { kind, ...(namespace === undefined ? {} : { namespace }), ...route }
  },

  lines: (route) => [`${routeLine(route)} proto cnm`],
}

export const sysctls: Verbs<SysctlResource> = {
  put(machine, { namespace, name, value }) {
    const netns = machine.enter(namespace)
    const isMissing = !machine.forceForwarding6 && name.endsWith('/force_forwarding')
    if (isMissing || readSysctl(netns, name) === undefined) {
      throw machine.refusal('write', 'ENOENT', 'there is no such sysctl', name)
    }
    machine.set(netns.sysctls, name, value)
  },

  drop(machine, { namespace, name, value, restore }) {
    const netns = machine.find(namespace)
    if (netns === undefined || restore === undefined) return
    if (readSysctl(netns, name) !== value || isWantedByOthers(netns, name)) return
    machine.set(netns.sysctls, name, restore)
  },

  found(machine, resource) {
    const netns = machine.find(resource.namespace)
    const value = netns && readSysctl(netns, resource.name)
    return value === undefined ? undefined : { ...resource, value }
  },

  lines({ namespace, name, value }) {
    const inside = namespace === undefined ? '' : `ip netns exec ${namespace.path} `
    return [`${inside}sysctl -w ${name}=${quoteIfNeeded(value)}`]
  },
}

/** Undefined where there is no such sysctl: that of a link that isn't there. */
export function readSysctl(netns: Netns, name: string): string | undefined {
  const link = linkOfSysctl(name)
  if (link !== undefined && !netns.links.has(link)) return undefined
  return netns.sysctls.get(name) ?? '0'
}

/** Another process has made a router of the whole host since. */
function isWantedByOthers(netns: Netns, name: string): boolean {
  const isForwarding = /^net\/ipv4\/conf\/[^/]+\/forwarding$/.test(name)
  return isForwarding && readSysctl(netns, 'net/ipv4/ip_forward') === '1'
}

export function addressKey(link: string, address: string): string {
  return `${link} ${address}`
}

/** A gateway must be on the link itself: in the prefix of an address there, or of a route without one. */
function reaches(netns: Netns, link: string, gateway: IpAddress): boolean {
  if (contains(linkLocal, gateway)) return true
  for (const entry of netns.addresses.values()) {
    if (entry.link === link && contains(cidrPrefix(entry.address), gateway)) return true
  }
  for (const route of netns.routes.values()) {
    if (route.link !== link || route.gateway !== undefined) continue
    if (contains(route.destination, gateway)) return true
  }
  return false
}

function linkOf(machine: Machine, netns: Netns, name: string, operation: string): Link {
  const link = netns.links.get(name)
  if (link === undefined) throw machine.refusal(operation, 'ENODEV', 'there is no such link', name)
  return link
}

/** The command without our mark, as it would be for another owner's route. */
export function routeLine(route: Omit<RouteResource, 'kind'>): string {
  const { destination, gateway, link } = route
  const family = familyOf(destination) === 6 ? ' -6' : ''
  const isDefault = destination === '0.0.0.0/0' || destination === '::/0'
  const via = gateway === undefined ? '' : ` via ${gateway}`
  const to = isDefault ? 'default' : destination
  return `ip${family}${inNetns(route.namespace)} route replace ${to}${via} dev ${link}`
}

function addressLine({ namespace, link, address }: AddressResource): string {
  const nodad = familyOf(address) === 6 ? ' nodad' : ''
  return `ip${inNetns(namespace)} address add ${address} dev ${link}${nodad}`
}

function quoteIfNeeded(value: string): string {
  return /^[\w.:-]+$/.test(value) ? value : JSON.stringify(value)
}
