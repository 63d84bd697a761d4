import type { AnnouncementResource, FdbResource, NeighbourResource } from '../../resource.ts'
import { noted, putNoted } from './noted.ts'
import type { Verbs } from './verbs.ts'

export const neighbours: Verbs<NeighbourResource> = {
  ...noted<NeighbourResource>(
    ({ link, address, mac }) =>
      `ip neighbour replace ${address} lladdr ${mac} dev ${link} nud permanent protocol cnm`,
  ),

  put(machine, resource) {
    const { link } = resource
    if (!machine.host.links.has(link)) {
      throw machine.refusal('RTM_NEWNEIGH', 'ENODEV', 'there is no such link', link)
    }
    putNoted(machine, resource)
  },
}

export const fdbs: Verbs<FdbResource> = {
  ...noted<FdbResource>(
    ({ link, mac }) => `bridge fdb replace ${mac} dev ${link} master static sticky`,
  ),

  put(machine, resource) {
    const { link, bridge } = resource
    const port = machine.host.links.get(link)?.resource
    if (port?.kind !== 'veth' || port.bridge !== bridge) {
      throw machine.refusal('RTM_NEWNEIGH', 'ENODEV', `no port of ${bridge}`, link)
    }
    putNoted(machine, resource)
  },
}

export const announcements: Verbs<AnnouncementResource> = {
  ...noted<AnnouncementResource>(
    ({ namespace, link, address, mac }) =>
      `# announced in ${namespace.path}: ${address} is at ${mac} on ${link}`,
  ),

  put(machine, resource) {
    machine.enter(resource.namespace)
    putNoted(machine, resource)
  },
}
