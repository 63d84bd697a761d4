import type { LentLinkResource } from '../../resource.ts'
import { option } from './command-words.ts'
import { clearLink } from './links.ts'
import type { Verbs } from './verbs.ts'

export const lentLinks: Verbs<LentLinkResource> = {
  put(machine, resource) {
    const { name, namespace, inside, mac, ipv6 } = resource
    const { host } = machine
    const netns = machine.enter(namespace)
    const link = host.links.get(name)
    const there = netns.links.get(inside)
    if (there !== undefined) {
      if (link !== undefined) throw machine.linkExists(inside, netns)
      machine.set(netns.links, inside, { ...there, ...(mac ? { mac } : {}), ipv6, resource })
      return
    }
    if (link === undefined) {
      throw machine.refusal('RTM_GETLINK', 'ENODEV', 'there is no such link', name)
    }
    if (link.resource !== undefined) {
      throw machine.refusal('RTM_SETLINK', 'EBUSY', 'it is a network’s own', name)
    }
    for (const { link: holder, address } of host.addresses.values()) {
      if (holder !== name || address.startsWith('fe80:')) continue
      throw machine.refusal('RTM_SETLINK', 'EBUSY', `the host has address ${address} there`, name)
    }
    machine.delete(host.links, name)
    clearLink(machine, host, name)
    machine.note({ type: 'link', change: 'gone', name })
    machine.set(netns.links, inside, {
      ...link,
      name: inside,
      ipv6,
      ...(mac === undefined ? {} : { mac }),
      resource,
    })
  },

  drop(machine, { name, namespace, inside }) {
    const netns = machine.find(namespace)
    const link = netns?.links.get(inside)
    if (netns === undefined || link === undefined) return
    machine.delete(netns.links, inside)
    clearLink(machine, netns, inside)
    const { resource: _, ...rest } = link
    const taken = machine.host.links.has(name)
    machine.set(machine.host.links, taken ? `lent-${inside}` : name, { ...rest, name })
    machine.note({ type: 'link', change: 'set', name })
  },

  found(machine, { namespace, inside }) {
    const link = machine.find(namespace)?.links.get(inside)
    return link?.resource?.kind === 'lent-link' ? link.resource : undefined
  },

  lines: ({ name, namespace, inside, mac }) => [
    `ip link set ${name} netns ${namespace.path} name ${inside}${option('address', mac)} up`,
  ],
}
