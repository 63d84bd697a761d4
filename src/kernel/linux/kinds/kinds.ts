/**
 * The kinds of resources, each in one file (or folder) of its own: its part of each phase of a change and how
 * that is undone, how the machine is compared with it, what is found of it. Besides that, a new one needs its
 * type in kernel/resource.ts, its place in the order of phases (phases.ts), and its verb in the memory kernel.
 */

import type { Resource } from '../../resource.ts'
import type { KindFacts, KindName, LinkAt } from '../apply/plan.ts'
import { address } from './address/address.ts'
import { announcement } from './announcement/announcement.ts'
import { bridge } from './bridge.ts'
import { consent } from './consent.ts'
import { element } from './element/element.ts'
import { fdb } from './fdb.ts'
import { file } from './file.ts'
import { flows } from './flows.ts'
import { hostsEntry } from './hosts-entry.ts'
import { kept } from './kept/kept.ts'
import { names } from './kept/names.ts'
import { relay } from './kept/relay.ts'
import { resolver } from './kept/resolver.ts'
import { zone } from './kept/zone.ts'
import type { Kind, Work } from './kind.ts'
import { lentLink } from './lent-link.ts'
import { namespace } from './namespace/namespace.ts'
import { neighbour } from './neighbour.ts'
import type { ParticipantName, Phase } from './phases.ts'
import { rate } from './rate/rate.ts'
import { reservation } from './reservation.ts'
import { route } from './route.ts'
import { sysctl } from './sysctl.ts'
import { table } from './table.ts'
import { veth } from './veth/veth.ts'

const kinds: { readonly [K in KindName]: Kind<K> } = {
  namespace,
  bridge,
  veth,
  'lent-link': lentLink,
  address,
  route,
  neighbour,
  fdb,
  sysctl,
  table,
  element,
  reservation,
  flows,
  relay,
  rate,
  announcement,
  consent,
  resolver,
  names,
  zone,
  file,
  'hosts-entry': hostsEntry,
}

/** What a participant is to the loop over all phases, whichever it is. */
interface AnyParticipant {
  readonly apply: Readonly<Partial<Record<Phase, Work>>>
  readonly survey?: Kind<KindName>['survey']
}

export const participants: Readonly<Record<ParticipantName, AnyParticipant>> = { ...kinds, kept }

/** The kind of a resource, to be asked about that resource only. */
export function kindOf(resource: Resource): Pick<Kind<KindName>, 'compare' | keyof Facts> {
  return kinds[resource.kind] as unknown as Kind<KindName>
}

type Facts = Pick<Kind<KindName>, 'isMadeAnew' | 'links' | 'on'>

/** Links that a resource is about: those that come with it, and the one it is on. */
export function linksOf(resource: Resource): readonly LinkAt[] {
  const { links, on } = kindOf(resource)
  const one = on?.(resource)
  return [...(links?.(resource) ?? []), ...(one === undefined ? [] : [one])]
}

export const facts: KindFacts = {
  isMadeAnew: (from, to) => kindOf(from).isMadeAnew?.(from, to) ?? false,
  links: (resource) => kindOf(resource).links?.(resource) ?? [],
}
