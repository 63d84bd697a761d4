import { isCnmError } from '../../base/errors.ts'
import type { EndpointId } from '../../base/id.ts'
import type { DriverHooks } from '../../driver/hooks.ts'
import type { Plan } from '../change/change.ts'
import {
  endpointChange,
  endpointOrder,
  type Subject,
  subjectOf,
} from '../endpoint/endpoint-change.ts'
import { gatewayFamilies } from '../endpoint/plan.ts'
import { networkSpec } from '../endpoint/specs.ts'
import type { Engine } from '../engine.ts'
import type { Parts } from '../parts.ts'
import type { EndpointRecord } from '../records.ts'
import { hooksOf, specOf } from './driver-hooks.ts'
import { degrade, recover } from './plugin-health.ts'

/**
 * Makes an endpoint whole whose plugin has come back: one that the plugin still knows, and whose link is
 * where it was, is left alone; any other is created and joined again, with the addresses that it has. What
 * can't be made whole stays degraded, as it is. Errors: PLUGIN_UNAVAILABLE (it has gone again).
 */
export async function rejoin(engine: Engine, id: EndpointId): Promise<void> {
  const record = engine.state.endpoints.get(id)
  if (record === undefined) return
  try {
    const failed = (await takeOut(engine, id)) && (await putIn(engine, id))
    if (failed) throw failed
    const now = engine.state.endpoints.get(id)
    if (now?.told !== undefined) recover(engine, now)
  } catch (error) {
    // It was deleted meanwhile, of which the plugin has just been told.
    const now = engine.state.endpoints.get(id)
    if (now === undefined) return
    degrade(engine, now, error)
    if (isCnmError(error, 'PLUGIN_UNAVAILABLE')) throw error
  }
}

/** An endpoint, and what its driver has answered now. */
interface Rejoining extends Subject {
  readonly known: EndpointRecord
}

/**
 * Creates and joins it again where it isn't whole, and takes out the link that it had: the new one may have its
 * name. Answers whether it is to be put in.
 */
function takeOut(engine: Engine, id: EndpointId): Promise<boolean> {
  const order = endpointOrder(engine, id, 'making anew the link of')
  return engine.changes.change<Rejoining | undefined, boolean>(order, {
    gather: async (parts) => {
      const subject = subjectOf(parts, id)
      const { record } = subject
      const hooks = hooksOf(parts, parts.state.networks.need(record.network).record)
      if (hooks === undefined || record.told === undefined) return undefined
      if (await isWhole(parts, hooks, record)) return undefined
      degrade(parts, record)
      return { ...subject, known: await makeAgain(parts, hooks, subject) }
    },
    plan: (rejoining, parts) => {
      if (rejoining?.sandbox === undefined) return { settle: () => false }
      const { step, take } = endpointChange(parts, rejoining, rejoining.known, [])
      return {
        step,
        settle: () => {
          take()
          return true
        },
      }
    },
  })
}

function putIn(engine: Engine, id: EndpointId): Promise<unknown> {
  const order = endpointOrder(engine, id, 'making anew the link of')
  return engine.changes.change<Subject, unknown>(order, {
    gather: (parts) => subjectOf(parts, id),
    plan: planPutIn,
  })
}

function planPutIn(subject: Subject, parts: Parts): Plan<unknown> {
  const { record } = subject
  // It has left, or joined another sandbox meanwhile, of which the plugin was told.
  if (subject.sandbox === undefined || record.resources.length > 0) return { settle: () => {} }
  const { step, after, take } = endpointChange(parts, subject, record)
  const network = parts.state.networks.need(record.network).record
  const hooks = hooksOf(parts, network)
  const publish = async () => {
    // Its link is in its place, whatever its driver says of its ports.
    await hooks
      ?.publish(networkSpec(network), specOf(parts, after))
      .catch((error: unknown) => failed.push(error))
    return []
  }
  const failed: unknown[] = []
  const isGateway = gatewayFamilies(after).length > 0
  const settle = () => {
    take()
    return failed[0]
  }
  return { step: isGateway ? { ...step, after: publish } : step, settle }
}

async function isWhole(parts: Parts, hooks: DriverHooks, record: EndpointRecord) {
  const network = networkSpec(parts.state.networks.need(record.network).record)
  try {
    await hooks.operInfo(network, record)
  } catch (error) {
    if (isCnmError(error, 'PLUGIN_UNAVAILABLE')) throw error
    return false
  }
  const links = record.resources.filter(({ kind }) => kind === 'lent-link')
  // The last time it couldn't be put in its place.
  if (record.joined?.link !== undefined && links.length === 0) return false
  return (await parts.kernel.compare(links)).every(({ state }) => state !== 'missing')
}

async function makeAgain(
  parts: Parts,
  hooks: DriverHooks,
  { record, sandbox }: Subject,
): Promise<EndpointRecord> {
  const network = networkSpec(parts.state.networks.need(record.network).record)
  // It may know the network, though not the endpoint; then it refuses.
  await hooks.createNetwork(network).catch(unlessAway)
  const { id } = record
  await hooks.leave(network, { id }).catch(unlessAway)
  await hooks.deleteEndpoint(network, { id }).catch(unlessAway)
  await hooks.createEndpoint(network, specOf(parts, record))
  if (sandbox === undefined) return record
  const join = await hooks.join(network, specOf(parts, record), sandbox.namespace?.path ?? '')
  return { ...record, told: { chosen: {}, ...record.told, join } }
}

function unlessAway(error: unknown): void {
  if (isCnmError(error, 'PLUGIN_UNAVAILABLE')) throw error
}
