import type {
  AnnouncementResource,
  ConsentResource,
  FlowsResource,
  RateResource,
  RelayResource,
  ReservationResource,
} from '../resource.ts'
import { resourceKey } from '../resource.ts'
import type { Verbs } from './verbs.ts'

/** What shows only in packets and sockets, which a machine in memory doesn't have. */
export type Noted =
  | ReservationResource
  | FlowsResource
  | RelayResource
  | RateResource
  | AnnouncementResource
  | ConsentResource

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

export const reservations: Verbs<ReservationResource> = {
  ...noted<ReservationResource>(),

  put(machine, resource) {
    const holder = machine.holderOf(resource)
    if (holder !== undefined) throw machine.portInUse(resource, holder)
    noted<ReservationResource>().put(machine, resource)
  },
}
