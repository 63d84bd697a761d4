import { isCnmError } from '../../base/errors.ts'
import type { NetworkId } from '../../base/id.ts'
import type { DriverHooks } from '../../driver/hooks.ts'
import type { Write } from '../../store/store.ts'
import { networkSpec } from '../endpoint/specs.ts'
import { drop, type Parts, put } from '../parts.ts'
import type { EndpointRecord, NetworkRecord } from '../records.ts'
import { hooksOf } from './driver-hooks.ts'
import type { PendingCall, PendingCalls } from './plugin-state.ts'

// What a driver with hooks is told of what has gone is recorded with that, and told when the keys are given back;
// before anything else is asked of it about the same network. What it does not hear stays, and is told when it is back.

/** What it is to be told of one endpoint, or of the network. */
export function pendingCalls(
  engine: Parts,
  network: NetworkRecord,
  endpoint: EndpointRecord['id'] | undefined,
  calls: readonly PendingCall[],
): PendingCalls {
  const id = engine.pluginState.nextPendingId(endpoint ?? network.id)
  return { id, network, calls, ...(endpoint ? { endpoint } : {}) }
}

/** They are recorded. */
export function enqueue(engine: Parts, all: readonly PendingCalls[]): void {
  for (const each of all) engine.pluginState.pending.set(each.id, each)
}

/** It is given back when the network's driver has been told of all that is pending, heard or not. */
export function giveBackLater(
  engine: Parts,
  network: NetworkId,
  giveBack: () => Promise<void>,
): void {
  const all = engine.pluginState.giveBack.get(network)
  if (all === undefined) engine.pluginState.giveBack.set(network, [giveBack])
  else all.push(giveBack)
}

/**
 * Makes the calls that are pending about a network, one after the other, as far as its driver is there. What it did not
 * hear before is tried again only when it is back (`again`): it would keep everything else waiting each time.
 */
export function flush(engine: Parts, network: NetworkId, again = false): Promise<void> {
  const { pending, unheard, giveBack } = engine.pluginState
  const isMeant = (each: PendingCalls) =>
    each.network.id === network && (again || !unheard.has(each.id))
  if (!giveBack.has(network) && ![...pending.values()].some(isMeant)) return Promise.resolve()
  return engine.pluginState.inTurnOf(network, () => flushInTurn(engine, network, again))
}

/** What of one endpoint isn't heard keeps only what comes after it about the same one, and the network's. */
async function flushInTurn(engine: Parts, network: NetworkId, again: boolean): Promise<void> {
  const { pending } = engine.pluginState
  const about = (each: PendingCalls) => each.endpoint ?? each.network.id
  const unheard = new Set<string>()
  for (const each of pending.values()) {
    const isLater = each.network.id === network && !again && engine.pluginState.unheard.has(each.id)
    if (isLater) unheard.add(about(each))
  }
  const all = [...pending.values()].filter((each) => each.network.id === network)
  for (const each of all.sort((a, b) => rank(a) - rank(b))) {
    const isKept = unheard.has(about(each)) || (each.endpoint === undefined && unheard.size > 0)
    if (isKept) continue
    await engine.store.settle(await makeAll(engine, each, 'problems')).catch(engine.onProblem)
    if (pending.has(each.id)) unheard.add(about(each))
  }
  const free = engine.pluginState.giveBack.get(network) ?? []
  engine.pluginState.giveBack.delete(network)
  for (const each of free) await each().catch(engine.onProblem)
}

/** Whether its driver has not heard yet that something of it has gone. */
export function isUnheard({ pluginState }: Parts, endpoint: EndpointRecord['id']): boolean {
  return [...pluginState.pending.values()].some((each) => each.endpoint === endpoint)
}

/** The same for all networks of a driver that is back. */
export async function flushDriver(engine: Parts, driver: string): Promise<void> {
  const networks = new Set<NetworkId>()
  for (const { network } of engine.pluginState.pending.values()) {
    if (network.driver === driver) networks.add(network.id)
  }
  for (const network of networks) await flush(engine, network, true)
}

/**
 * Tells a driver now that something is gone, for a change that it may not outlive. Answers with what is to be recorded
 * of that.
 */
export async function callNow(
  engine: Parts,
  network: NetworkRecord,
  endpoint: EndpointRecord['id'] | undefined,
  calls: readonly PendingCall[],
  tell: 'problems' | 'quiet' = 'problems',
): Promise<readonly Write[]> {
  if (hooksOf(engine, network) === undefined) return []
  return engine.pluginState.inTurnOf(network.id, async () => {
    const now = pendingCalls(engine, network, endpoint, calls)
    await flushInTurn(engine, network.id, false)
    const waits = [...engine.pluginState.pending.values()].some(
      (each) =>
        each.network.id === network.id && (endpoint === undefined || each.endpoint === endpoint),
    )
    if (!waits) return makeAll(engine, now, tell)
    enqueue(engine, [now])
    return [put('engine', now)]
  })
}

/** What a driver refuses is a problem of its own; what it doesn't hear stays pending. */
async function makeAll(
  engine: Parts,
  { calls, ...pending }: PendingCalls,
  tell: 'problems' | 'quiet',
): Promise<readonly Write[]> {
  const { id, network, endpoint } = pending
  const unheard: PendingCall[] = []
  const hooks = hooksOf(engine, network)
  for (const call of hooks === undefined ? [] : calls) {
    try {
      // Where the first is not heard, the second would only take as long again.
      if (unheard.length > 0) unheard.push(call)
      else await make(hooks!, call, network, endpoint)
    } catch (error) {
      if (isCnmError(error, 'PLUGIN_UNAVAILABLE')) unheard.push(call)
      if (tell === 'problems') engine.onProblem(error)
    }
  }
  if (unheard.length === 0) {
    engine.pluginState.unheard.delete(id)
    return engine.pluginState.pending.delete(id) ? [drop('engine', id)] : []
  }
  const record: PendingCalls = { ...pending, calls: unheard }
  enqueue(engine, [record])
  engine.pluginState.unheard.add(id)
  return [put('engine', record)]
}

async function make(
  hooks: DriverHooks,
  call: PendingCall,
  network: NetworkRecord,
  endpoint: EndpointRecord['id'] | undefined,
): Promise<void> {
  if (call === 'deleteNetwork') return hooks.deleteNetwork(networkSpec(network))
  if (endpoint !== undefined) await hooks[call](networkSpec(network), { id: endpoint })
}

/** After a crash: what the driver may have been told is taken back when it is there. */
export function enqueueAtStart(
  engine: Parts,
  network: NetworkRecord,
  endpoint: EndpointRecord['id'] | undefined,
  calls: readonly PendingCall[],
): readonly Write[] {
  // An unknown driver is no error yet.
  const driver = engine.drivers.get(network.driver) ?? engine.plugins?.driver(network.driver)
  if (driver?.hooks === undefined) return []
  const pending = pendingCalls(engine, network, endpoint, calls)
  enqueue(engine, [pending])
  return [put('engine', pending)]
}

/** The same for an endpoint that does not go on. */
export function enqueueLost(
  engine: Parts,
  network: NetworkRecord | undefined,
  { id, joined, attached }: EndpointRecord,
): readonly Write[] {
  if (network === undefined) return []
  const last: PendingCall[] = attached || joined === undefined ? ['deleteEndpoint'] : []
  const calls: PendingCall[] = joined === undefined ? last : ['unpublish', 'leave', ...last]
  return enqueueAtStart(engine, network, id, calls)
}

function rank({ endpoint }: PendingCalls): number {
  return endpoint === undefined ? 1 : 0
}
