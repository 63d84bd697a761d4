import { cidrAddress } from '../../address/address.ts'
import { CnmError, isCnmError, isKernelError } from '../../base/errors.ts'
import type { ChosenInterface, DriverHooks } from '../../driver/hooks.ts'
import type { Taken } from '../change/taken.ts'
import { refuseRate } from '../endpoint/link-settings.ts'
import { networkSpec } from '../endpoint/specs.ts'
import { refuseHeld } from '../network/kept-addresses.ts'
import { drop, type Parts, put } from '../parts.ts'
import type { EndpointRecord, NetworkRecord, SandboxRecord } from '../records.ts'
import { hooksOf, specOf } from './driver-hooks.ts'
import { callNow, isUnheard } from './pending-calls.ts'
import type { PendingCall } from './plugin-state.ts'

/**
 * Lets the driver know an endpoint that is about to join, and answers with what it says of it. If the change
 * fails, the driver is told the opposite. The intent is recorded before.
 */
export async function joinOnDriver(
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
  refuseUnheard(engine, network, record)
  const intent = { ...record, state: 'creating' as const, joined: { sandbox: sandbox.id } }
  await engine.store.commit([put('endpoint', intent)])
  taken.orElse(() => takeBackJoin(engine, network, record))
  const known = record.told ? record : await createOnDriver(engine, hooks, record, signal)
  const path = sandbox.namespace?.path ?? ''
  const join = await hooks.join(networkSpec(network), specOf(engine, known), path, signal)
  return { ...known, told: { chosen: known.told?.chosen ?? {}, join } }
}

/** It would hear of the end of what is about to begin. */
function refuseUnheard(engine: Parts, { driver }: NetworkRecord, { id, name }: EndpointRecord) {
  if (!isUnheard(engine, id)) return
  throw new CnmError(
    'PLUGIN_UNAVAILABLE',
    `endpoint "${name}" can't join yet: plugin "${driver}" has not heard that it has left`,
    { hint: `see "cnm plugin inspect ${driver}"` },
  )
}

async function takeBackJoin(
  engine: Parts,
  network: NetworkRecord,
  { id, attached }: EndpointRecord,
): Promise<void> {
  // It may have been the way out for a moment.
  const last: PendingCall[] = attached ? ['deleteEndpoint'] : []
  const writes = await callNow(engine, network, id, ['unpublish', 'leave', ...last], 'quiet')
  const before = attached ? drop('endpoint', id) : put('endpoint', engine.state.endpoints.need(id))
  await engine.store.settle([before, ...writes])
}

/** CreateEndpoint: the driver may choose what the endpoint has not. */
export async function createOnDriver(
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
  // From now on no other can have them.
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
