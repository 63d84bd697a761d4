import { isCnmError } from '../../base/errors.ts'
import type { NetworkId } from '../../base/id.ts'
import type { DriverHooks } from '../../driver/hooks.ts'
import type { Write } from '../../store/store.ts'
import { networkSpec } from '../endpoint/specs.ts'
import { drop, type Parts, put } from '../parts.ts'
import type { EndpointRecord, NetworkRecord } from '../records.ts'
import { hooksOf } from './driver-hooks.ts'
import { type PendingCall, type PendingCalls, pendingId } from './plugin-state.ts'

// What a driver with hooks is told of what has gone is recorded with that, and told when the keys are given back;
// before anything else is asked of it about the same network. What it does not hear stays, and is told when it is back.

/** What it is to be told of one endpoint, or of the network, after what it has not heard of that yet. */
export function pendingCalls(
  engine: Parts,
  network: NetworkRecord,
  endpoint: EndpointRecord['id'] | undefined,
  calls: readonly PendingCall[],
): PendingCalls {
  const id = pendingId(endpoint ?? network.id)
  const before = engine.pluginState.pending.get(id)?.calls ?? []
  return { id, network, calls: [...before, ...calls], ...(endpoint ? { endpoint } : {}) }
}

/** They are recorded. */
export function enqueue(engine: Parts, all: readonly PendingCalls[]): void {
  for (const each of all) engine.pluginState.pending.set(each.id, each)
}

/** Makes the calls that are pending about a network, one after the other, as far as its driver is there. */
export function flush(
  engine: Parts,
  network: NetworkId,
  tell: 'problems' | 'quiet' = 'problems',
): Promise<void> {
  const { pending } = engine.pluginState
  const next = () => [...pending.values()].filter((each) => each.network.id === network)
  if (next().length === 0) return Promise.resolve()
  return engine.pluginState.inTurnOf(network, async () => {
    // A network that still has endpoints could be refused to go.
    for (const each of next().sort((a, b) => rank(a) - rank(b))) {
      await engine.store.settle(await makeAll(engine, each, tell)).catch(engine.onProblem)
      if (pending.has(each.id)) return
    }
  })
}

/** The same for all networks of a driver that is back. */
export async function flushDriver(engine: Parts, driver: string): Promise<void> {
  const networks = new Set<NetworkId>()
  for (const { network } of engine.pluginState.pending.values()) {
    if (network.driver === driver) networks.add(network.id)
  }
  for (const network of networks) await flush(engine, network)
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
  return engine.pluginState.inTurnOf(network.id, () =>
    makeAll(engine, pendingCalls(engine, network, endpoint, calls), tell),
  )
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
    return engine.pluginState.pending.delete(id) ? [drop('engine', id)] : []
  }
  const record: PendingCalls = { ...pending, calls: unheard }
  enqueue(engine, [record])
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
