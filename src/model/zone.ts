import type { HostView } from '../kernel/kernel.ts'
import type { Resource } from '../kernel/resource.ts'
import { type Engine, put } from './engine.ts'
import { networkSpec } from './plan.ts'
import type { AppliedRecord, NetworkRecord, State } from './records.ts'
import type { NetworkState } from './state.ts'

/**
 * What a network's driver wants, and the zone in which the host's programs find its endpoints: that
 * belongs to all networks together, so it comes with the first one and goes with the last.
 */
export function networkResources(
  engine: Engine,
  record: NetworkRecord,
  view: HostView,
): readonly Resource[] {
  const driver = engine.driver(record.driver)
  const resources = driver.describeNetwork(networkSpec(record), view)
  return driver.capabilities.addresses ? [...resources, ...zones(engine)] : resources
}

/**
 * An engine that was told of another zone, or another address for it: all networks go over to that in
 * one step, since none could alone.
 */
export async function moveZone(engine: Engine): Promise<void> {
  const wanted = JSON.stringify(zones(engine))
  const moving = engine.state.networks.all().filter(({ state, resources }) => {
    const has = resources.filter(isZone)
    return state === 'ready' && has.length > 0 && JSON.stringify(has) !== wanted
  })
  if (moving.length === 0) return
  const moved = moving.map((network): NetworkState => {
    const others = network.resources.filter((resource) => !isZone(resource))
    return { ...network, resources: [...others, ...zones(engine)] }
  })
  await engine.perform({
    what: 'changing the names of the host',
    claims: moved.map(({ record: { id }, resources: to }, at) => {
      return { owner: id, from: moving[at]!.resources, to }
    }),
    intent: [],
    done: moved.map(({ record, resources }) => applied('ready', record, resources)),
    undone: [],
  })
  for (const network of moved) engine.state.putNetwork(network)
}

function zones({ dns: { zone } }: Engine): readonly Resource[] {
  return zone === undefined ? [] : [zone]
}

function isZone({ kind }: Resource): boolean {
  return kind === 'zone'
}

/** What this boot's kernel has of a network, as it is recorded. */
export function applied(state: State, network: NetworkRecord, resources: readonly Resource[]) {
  const record: AppliedRecord = { state, network, resources }
  return put('applied', { id: network.id, ...record })
}
