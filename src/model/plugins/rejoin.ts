import { isCnmError } from '../../base/errors.ts'
import type { EndpointId } from '../../base/id.ts'
import type { DriverHooks } from '../../driver/hooks.ts'
import { gatewayFamilies, networkSpec } from '../endpoint/plan.ts'
import type { Engine } from '../engine.ts'
import { changeEndpoint } from '../ports/publish.ts'
import type { EndpointRecord, SandboxRecord } from '../records.ts'
import { hooksOf, specOf } from './driver-hooks.ts'
import { degrade, recover } from './plugin-health.ts'

/**
 * Makes an endpoint whole whose plugin has come back: one that the plugin still knows, and whose link is
 * where it was, is left alone; any other is created and joined again, with the addresses that it has. What
 * can't be made whole stays degraded, as it is. Errors: PLUGIN_UNAVAILABLE (it has gone again).
 */
export async function rejoin(engine: Engine, id: EndpointId): Promise<void> {
  const joined = engine.state.endpoints.get(id)?.joined
  const keys = joined === undefined ? [id] : [joined.sandbox, id]
  await engine.queue.run(keys, async () => {
    const record = engine.state.endpoints.get(id)
    // It has gone, or joined another sandbox meanwhile: then the plugin has just been told of it.
    if (record?.told === undefined || record.joined?.sandbox !== joined?.sandbox) return
    const network = engine.state.networks.need(record.network).record
    const hooks = hooksOf(engine, network)
    if (hooks === undefined) return
    try {
      if (!(await isWhole(engine, hooks, record))) {
        degrade(engine, record)
        await makeAgain(engine, hooks, record)
      }
      recover(engine, record)
    } catch (error) {
      degrade(engine, record, error)
      if (isCnmError(error, 'PLUGIN_UNAVAILABLE')) throw error
    }
  })
}

async function isWhole(engine: Engine, hooks: DriverHooks, record: EndpointRecord) {
  const network = networkSpec(engine.state.networks.need(record.network).record)
  try {
    await hooks.operInfo(network, record)
  } catch (error) {
    if (isCnmError(error, 'PLUGIN_UNAVAILABLE')) throw error
    return false
  }
  const links = record.resources.filter(({ kind }) => kind === 'lent-link')
  // The last time it couldn't be put in its place.
  if (record.joined?.link !== undefined && links.length === 0) return false
  return (await engine.kernel.compare(links)).every(({ state }) => state !== 'missing')
}

async function makeAgain(engine: Engine, hooks: DriverHooks, record: EndpointRecord) {
  const network = networkSpec(engine.state.networks.need(record.network).record)
  // It may know the network, though not the endpoint; then it refuses.
  await hooks.createNetwork(network).catch(unlessAway)
  const { id } = record
  await hooks.leave(network, { id }).catch(unlessAway)
  await hooks.deleteEndpoint(network, { id }).catch(unlessAway)
  await hooks.createEndpoint(network, specOf(engine, record))
  if (record.joined === undefined) return
  const sandbox = engine.state.sandboxes.need(record.joined.sandbox)
  const path = sandbox.namespace?.path ?? ''
  const join = await hooks.join(network, specOf(engine, record), path)
  await replaceLink(engine, sandbox, { ...record, told: { chosen: {}, ...record.told, join } })
  const now = engine.state.endpoints.need(id)
  if (gatewayFamilies(now).length > 0) await hooks.publish(network, specOf(engine, now))
}

/** First out and then in: the new link may have the name of the old one. */
async function replaceLink(engine: Engine, sandbox: SandboxRecord, record: EndpointRecord) {
  const before = engine.state.endpoints.need(record.id)
  const doing = 'making the link anew'
  await changeEndpoint(engine, sandbox, before, record, doing, undefined, [])
  const bare = engine.state.endpoints.need(record.id)
  await changeEndpoint(engine, sandbox, bare, record, doing, undefined)
}

function unlessAway(error: unknown): void {
  if (isCnmError(error, 'PLUGIN_UNAVAILABLE')) throw error
}
