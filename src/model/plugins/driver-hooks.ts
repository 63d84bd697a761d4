import { cidrAddress } from '../../address/address.ts'
import { CnmError, isCnmError, isKernelError } from '../../base/errors.ts'
import type { EndpointSpec, NetworkSpec } from '../../driver/driver.ts'
import type { ChosenInterface, DriverHooks } from '../../driver/hooks.ts'
import type { Write } from '../../store/store.ts'
import type { Taken } from '../change/taken.ts'
import { linksOf } from '../endpoint/links.ts'
import { gatewayFamilies } from '../endpoint/plan.ts'
import { endpointSpec, networkSpec } from '../endpoint/specs.ts'
import { refuseHeld } from '../network/kept-addresses.ts'
import { drop, type Parts, put } from '../parts.ts'
import type { EndpointRecord, NetworkRecord, SandboxRecord } from '../records.ts'
import { type Owed, type OwedCall, owedId } from './plugin-state.ts'

/** What a network's driver wants to be called for; undefined: it only describes. */
export function hooksOf(engine: Parts, network: NetworkRecord): DriverHooks | undefined {
  return engine.driver(network.driver).hooks
}

/**
 * Lets the driver know an endpoint that is about to join, and answers with what it says of it. If the change
 * fails, the driver is told the opposite. The intent is recorded before.
 */
export async function introduceJoin(
  engine: Parts,
  sandbox: SandboxRecord,
  record: EndpointRecord,
  taken: Taken,
  signal: AbortSignal | undefined,
): Promise<EndpointRecord> {
  const network = engine.state.networks.need(record.network).record
  const hooks = hooksOf(engine, network)
  if (hooks === undefined) return record
  refuseRate(network, record)
  const intent = { ...record, state: 'creating' as const, joined: { sandbox: sandbox.id } }
  await engine.store.commit([put('endpoint', intent)])
  taken.orElse(() => takeBackJoin(engine, network, record))
  const known = record.told ? record : await introduce(engine, hooks, record, signal)
  const path = sandbox.namespace?.path ?? ''
  const join = await hooks.join(networkSpec(network), specOf(engine, known), path, signal)
  return { ...known, told: { chosen: known.told?.chosen ?? {}, join } }
}

async function takeBackJoin(
  engine: Parts,
  network: NetworkRecord,
  { id, attached }: EndpointRecord,
): Promise<void> {
  // It may have been the way out for a moment.
  const last: OwedCall[] = attached ? ['deleteEndpoint'] : []
  const writes = await callAll(engine, network, id, ['unpublish', 'leave', ...last], 'quiet')
  const before = attached ? drop('endpoint', id) : put('endpoint', engine.state.endpoints.need(id))
  await engine.store.settle([before, ...writes])
}

/** CreateEndpoint: the driver may choose what the endpoint has not. */
export async function introduce(
  engine: Parts,
  hooks: DriverHooks,
  record: EndpointRecord,
  signal?: AbortSignal,
): Promise<EndpointRecord> {
  const network = engine.state.networks.need(record.network)
  const spec = specOf(engine, record)
  const chosen = await hooks.createEndpoint(networkSpec(network.record), spec, signal)
  const addresses = addressesOf(chosen)
  refuseHeld(engine, network, record.id, addresses)
  // From now on nobody else can have them.
  engine.state.putEndpoint({ ...engine.state.endpoints.need(record.id), ...addresses })
  return { ...record, ...addresses, told: { chosen } }
}

function addressesOf({ ipv4, ipv6, mac }: ChosenInterface) {
  return {
    ...(ipv4 ? { ipv4: cidrAddress(ipv4) } : {}),
    ...(ipv6 ? { ipv6: cidrAddress(ipv6) } : {}),
    ...(mac ? { mac } : {}),
  }
}

/** An endpoint as the driver sees it, with its ports as if they were all active. */
export function specOf(engine: Parts, record: EndpointRecord): EndpointSpec {
  const spec = endpointSpec(record, linksOf(engine, record))
  return record.ports === undefined ? spec : { ...spec, ports: record.ports }
}

/**
 * Tells a driver that something is gone. What it refuses is a problem of its own; what it doesn't hear is
 * owed, and told when it is back. Answers with what is to be recorded of that.
 */
export async function callAll(
  engine: Parts,
  network: NetworkRecord,
  endpoint: EndpointRecord['id'] | undefined,
  calls: readonly OwedCall[],
  tell: 'problems' | 'quiet' = 'problems',
): Promise<readonly Write[]> {
  const hooks = hooksOf(engine, network)
  if (hooks === undefined) return []
  const id = owedId(endpoint ?? network.id)
  const owed: OwedCall[] = []
  // What is owed already comes first.
  for (const call of [...(engine.plugged.owed.get(id)?.calls ?? []), ...calls]) {
    try {
      // Who has not heard the first is not asked the second: it would only take as long again.
      if (owed.length > 0) owed.push(call)
      else await makeCall(hooks, call, networkSpec(network), endpoint)
    } catch (error) {
      if (isCnmError(error, 'PLUGIN_UNAVAILABLE')) owed.push(call)
      if (tell === 'problems') engine.onProblem(error)
    }
  }
  if (owed.length === 0) return engine.plugged.owed.delete(id) ? [drop('engine', id)] : []
  const record: Owed = { id, network, calls: owed, ...(endpoint ? { endpoint } : {}) }
  engine.plugged.owed.set(id, record)
  return [put('engine', record)]
}

async function makeCall(
  hooks: DriverHooks,
  call: OwedCall,
  network: NetworkSpec,
  endpoint: EndpointRecord['id'] | undefined,
): Promise<void> {
  if (call === 'deleteNetwork') return hooks.deleteNetwork(network)
  if (endpoint !== undefined) await hooks[call](network, { id: endpoint })
}

/** After a crash: what the driver may have been told is taken back when it is there. */
export function owe(
  engine: Parts,
  network: NetworkRecord,
  endpoint: EndpointRecord['id'] | undefined,
  calls: readonly OwedCall[],
): readonly Write[] {
  if (!isHooked(engine, network.driver)) return []
  const id = owedId(endpoint ?? network.id)
  const record: Owed = { id, network, calls, ...(endpoint ? { endpoint } : {}) }
  engine.plugged.owed.set(id, record)
  return [put('engine', record)]
}

/** The same for an endpoint that does not go on. */
export function oweEndpoint(
  engine: Parts,
  network: NetworkRecord | undefined,
  { id, joined, attached }: EndpointRecord,
): readonly Write[] {
  if (network === undefined) return []
  const last: OwedCall[] = attached || joined === undefined ? ['deleteEndpoint'] : []
  return owe(engine, network, id, joined === undefined ? last : ['unpublish', 'leave', ...last])
}

/** At start an unknown driver is no error yet. */
function isHooked(engine: Parts, driver: string): boolean {
  return (engine.drivers.get(driver) ?? engine.plugins?.driver(driver))?.hooks !== undefined
}

/** Tells a driver that is back what it has not heard. */
export async function settleOwed(engine: Parts, driver: string): Promise<void> {
  // A network that still has endpoints could be refused to go.
  const owed = [...engine.plugged.owed.values()].sort((a, b) => lastCalled(a) - lastCalled(b))
  for (const { network, endpoint } of owed) {
    if (network.driver !== driver) continue
    await engine.store.settle(await callAll(engine, network, endpoint, []))
  }
}

function lastCalled({ endpoint }: Owed): number {
  return endpoint === undefined ? 1 : 0
}

/** The driver of an endpoint whose default route comes or goes is told what to do with its ports. */
export interface GatewayMove {
  readonly record: EndpointRecord
  readonly hooks: DriverHooks
  readonly change: 'gains' | 'loses'
}

export function gatewayMove(
  engine: Parts,
  before: EndpointRecord | undefined,
  record: EndpointRecord,
): GatewayMove | undefined {
  const network = engine.state.networks.need(record.network).record
  const hooks = hooksOf(engine, network)
  if (hooks === undefined) return undefined
  const [was, is] = [before, record].map((each) => each && gatewayFamilies(each).length > 0)
  if (Boolean(was) === Boolean(is)) return undefined
  return { record, hooks, change: is ? 'gains' : 'loses' }
}

/** A rate is kept at the host's end of a link, which is the driver's own here. */
function refuseRate(network: NetworkRecord, { name, rate }: EndpointRecord): void {
  if (rate === undefined) return
  throw new CnmError(
    'NOT_ALLOWED',
    `endpoint "${name}" can have no rate: its link is that of driver "${network.driver}"`,
    { hint: 'leave it out, or use another network' },
  )
}

/** What the kernel makes of an answer that can't be is the driver's mistake, not the kernel's. */
export function mistaken(engine: Parts, record: EndpointRecord, error: unknown): unknown {
  const network = engine.state.networks.need(record.network).record
  if (!isCnmError(error, 'KERNEL') || hooksOf(engine, network) === undefined) return error
  const { operation, errno, target } = error.details
  if (!String(operation).startsWith('RTM_')) return error
  const isLink = operation === 'RTM_GETLINK' || operation === 'RTM_SETLINK'
  const link = String(target).replace(/^link /, '')
  const what =
    isLink && errno === 'ENODEV'
      ? `link "${link}", which there is not`
      : isLink && errno === 'EBUSY'
        ? `link "${link}", which is not its to give: ${isKernelError(error.cause) ? error.cause.detail : errno}`
        : `what can't be made: ${error.message}`
  return new CnmError(
    'PLUGIN_FAILED',
    `plugin "${network.driver}" answers to NetworkDriver.Join with ${what}`,
    { details: { plugin: network.driver, method: 'NetworkDriver.Join' }, cause: error },
  )
}
