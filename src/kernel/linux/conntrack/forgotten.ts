import type { Change } from '../../kernel.ts'
import {
  type FlowsResource,
  type ReservationResource,
  type Resource,
  resourceKey,
} from '../../resource.ts'
import { type Plan, planOf } from '../apply/plan.ts'

/** What conntrack has to forget when a change is made. */
export interface Forgotten {
  /**
   * `ended`: what was forwarded. `begun`: what came to ports before they were forwarded; it would go on
   * to end at the host.
   */
  readonly what: 'ended' | 'begun'
  /**
   * Whether the change isn't made before. Not where the links go too, to what nothing is forwarded any
   * more, nor for what has begun: a flow that doesn't come to be forwarded at once will when it has
   * paused.
   */
  readonly isAwaited: boolean
  readonly flows: readonly FlowsResource[]
  /** Several ports of the host may lead to one of a sandbox, so it counts as well by which it came. */
  readonly reservations: readonly ReservationResource[]
}

/** In the order in which it is urgent. */
export function forgottenBy(change: Change): readonly Forgotten[] {
  const isAbout = ({ kind }: Resource) => kind === 'flows' || kind === 'reservation'
  if (!change.remove.some(isAbout) && !change.add.some(isAbout)) return []
  const matters = (each: Resource) => isAbout(each) || each.kind === 'veth'
  const plan = planOf({ remove: change.remove.filter(matters), add: change.add.filter(matters) })
  const { remove, add, before } = plan
  const [flows, reservations] = [remove.of('flows'), remove.of('reservation')]
  // A client that asks for a connection again, after it was refused, makes it anew.
  const begun = add
    .of('reservation')
    .filter(
      (it) => it.protocol === 'udp' && !it.pending && !isForwarded(before.get(resourceKey(it))),
    )
  const all: readonly Forgotten[] = [
    {
      what: 'ended',
      isAwaited: flows.length === 0 || flows.some((each) => isLinked(plan, each)),
      flows,
      reservations,
    },
    { what: 'begun', isAwaited: false, flows: [], reservations: begun },
  ]
  return all.filter((each) => each.flows.length + each.reservations.length > 0)
}

function isForwarded(before: Resource | undefined): boolean {
  return before?.kind === 'reservation' && !before.pending
}

/** Whether a sandbox whose ports were published can go on sending. */
export function isLinked({ remove, add }: Plan, { link }: FlowsResource): boolean {
  const isIt = ({ name }: { readonly name: string }) => name === link
  return !remove.of('veth').some(isIt) || add.of('veth').some(isIt)
}
