import type { RelayResource, ResolverResource } from '../kept-resource.ts'
import { portInUse } from '../port-conflict.ts'
import type {
  AnnouncementResource,
  ConsentResource,
  FdbResource,
  FileResource,
  FlowsResource,
  HostsEntryResource,
  NeighbourResource,
  RateResource,
  ReservationResource,
} from '../resource.ts'
import { resourceKey } from '../resource.ts'
import type { Noted } from './machine.ts'
import type { Verbs } from './verbs.ts'

/** It is remembered, and that is all. */
export function noted<Kind extends Noted>(): Verbs<Kind> {
  return {
    put(machine, resource) {
      machine.set(machine.noted, resourceKey(resource), resource)
    },

    drop(machine, resource) {
      machine.delete(machine.noted, resourceKey(resource))
    },

    found: (machine, resource) => machine.noted.get(resourceKey(resource)) as Kind | undefined,
  }
}

/** Where there is no chain, there is nothing to do and nothing missing. */
export const consents: Verbs<ConsentResource> = {
  ...noted<ConsentResource>(),

  put(machine, consent) {
    if (machine.userChains.has(consent.family)) noted<ConsentResource>().put(machine, consent)
  },

  found(machine, consent) {
    if (!machine.userChains.has(consent.family)) return consent
    return noted<ConsentResource>().found(machine, consent)
  },
}

export const reservations: Verbs<ReservationResource> = {
  ...noted<ReservationResource>(),

  put(machine, resource) {
    const [holder] = machine.holdersOf(resource)
    if (holder !== undefined) throw portInUse(resource, holder, resourceKey(resource))
    noted<ReservationResource>().put(machine, resource)
  },
}

export const flows: Verbs<FlowsResource> = {
  ...noted<FlowsResource>(),

  put(machine, resource) {
    const { family, table, set, ranges } = resource.quiet
    const sets = machine.tables.get(`${family} ${table}`)?.definition.sets ?? []
    for (const name of [set, ranges]) {
      if (sets.some((one) => one.name === name)) continue
      const target = `${family} ${table} ${name}`
      throw machine.refusal('NFT_MSG_GETSETELEM', 'ENOENT', 'there is no such set', target)
    }
    noted<FlowsResource>().put(machine, resource)
  },
}

export const relays: Verbs<RelayResource> = {
  ...noted<RelayResource>(),

  put(machine, resource) {
    const { protocol, listen } = resource
    const ports = { from: listen.port, to: listen.port }
    const wanted = { protocol, address: listen.address, ports }
    const [holder] = machine.holdersOf(wanted)
    if (holder !== undefined) throw portInUse(wanted, holder, resourceKey(resource))
    noted<RelayResource>().put(machine, resource)
  },
}

export const files: Verbs<FileResource> = {
  ...noted<FileResource>(),

  /** With all that is in it. */
  drop(machine, file) {
    for (const [key, each] of machine.noted) {
      if (each.kind === 'hosts-entry' && each.path === file.path) machine.delete(machine.noted, key)
    }
    noted<FileResource>().drop(machine, file)
  },
}

/** Where there is no file, there is nothing to do and nothing missing. */
export const hostsEntries: Verbs<HostsEntryResource> = {
  ...noted<HostsEntryResource>(),

  put(machine, entry) {
    if (machine.noted.has(`file:${entry.path}`)) noted<HostsEntryResource>().put(machine, entry)
  },

  found(machine, entry) {
    if (!machine.noted.has(`file:${entry.path}`)) return entry
    return noted<HostsEntryResource>().found(machine, entry)
  },
}

export const announcements: Verbs<AnnouncementResource> = {
  ...noted<AnnouncementResource>(),

  put(machine, resource) {
    machine.enter(resource.namespace)
    noted<AnnouncementResource>().put(machine, resource)
  },
}

export const resolvers: Verbs<ResolverResource> = {
  ...noted<ResolverResource>(),

  put(machine, resource) {
    machine.enter(resource.namespace)
    noted<ResolverResource>().put(machine, resource)
  },
}

export const neighbours: Verbs<NeighbourResource> = {
  ...noted<NeighbourResource>(),

  put(machine, resource) {
    const { link } = resource
    if (!machine.host.links.has(link)) {
      throw machine.refusal('RTM_NEWNEIGH', 'ENODEV', 'there is no such link', link)
    }
    noted<NeighbourResource>().put(machine, resource)
  },
}

export const fdbs: Verbs<FdbResource> = {
  ...noted<FdbResource>(),

  put(machine, resource) {
    const { link, bridge } = resource
    const port = machine.host.links.get(link)?.resource
    if (port?.kind !== 'veth' || port.bridge !== bridge) {
      throw machine.refusal('RTM_NEWNEIGH', 'ENODEV', `no port of ${bridge}`, link)
    }
    noted<FdbResource>().put(machine, resource)
  },
}

export const rates: Verbs<RateResource> = {
  ...noted<RateResource>(),

  put(machine, resource) {
    const { link } = resource
    if (machine.host.links.get(link)?.resource?.kind !== 'veth') {
      throw machine.refusal('RTM_GETLINK', 'ENODEV', 'there is no such link of ours', link)
    }
    noted<RateResource>().put(machine, resource)
  },
}
