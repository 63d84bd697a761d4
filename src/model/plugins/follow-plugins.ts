import { isCnmError } from '../../base/errors.ts'
import type { Engine } from '../engine.ts'
import { replayAddresses } from '../network/kept-addresses.ts'
import type { EndpointRecord } from '../records.ts'
import { flushDriver } from './pending-calls.ts'
import { degrade } from './plugin-health.ts'
import { pluginsInUse } from './plugins-in-use.ts'
import { rejoin } from './rejoin.ts'

/**
 * Watches the plugins that networks need. Nothing waits for them: while one is missing, its endpoints stay as
 * they are and count as degraded; when it is there, it hears what it has missed, and what it has forgotten
 * is made again.
 */
function watchPlugins(engine: Engine): void {
  const { plugins, pluginState, closing } = engine
  if (plugins === undefined) return
  const names = pluginsInUse(engine)
  pluginState.keepOnly(names)
  for (const name of names) {
    if (pluginState.isWatched(name)) continue
    const signal = AbortSignal.any([closing.signal, pluginState.watch(name)])
    plugins.watch(name, (change) => follow(engine, name, change), signal)
  }
}

/**
 * At start it is unknown how plugins are, and a driver with hooks in this process has forgotten all that it was
 * told in the last one.
 */
export function followPlugins(engine: Engine): void {
  for (const name of pluginsInUse(engine)) {
    for (const { id } of endpointsOf(engine, name)) engine.pluginState.degrade(id)
  }
  watchPlugins(engine)
  const used = new Set([
    ...engine.state.networks.all().map(({ record }) => record.driver),
    ...[...engine.pluginState.pending.values()].map(({ network }) => network.driver),
  ])
  for (const { name, hooks } of engine.drivers.values()) {
    if (hooks !== undefined && used.has(name)) follow(engine, name, 'back')
  }
  engine.changes.onTouched(({ networks }) => {
    if (networks.size > 0) watchPlugins(engine)
  })
}

function follow(engine: Engine, name: string, change: 'lost' | 'back'): void {
  if (engine.closing.signal.aborted) return
  if (change === 'lost') {
    for (const record of endpointsOf(engine, name)) degrade(engine, record)
    return
  }
  const work = engine.pluginState.inTurn(name, () => catchUp(engine, name))
  engine.changes.track(work).catch(engine.onProblem)
}

async function catchUp(engine: Engine, name: string): Promise<void> {
  try {
    await replay(engine, name)
    await flushDriver(engine, name)
    // Perhaps nothing needs it any more.
    watchPlugins(engine)
    for (const record of endpointsOf(engine, name)) {
      if (engine.closing.signal.aborted) return
      await rejoin(engine, record.id)
    }
  } catch (error) {
    // It has not answered, and this begins anew when it does.
    if (!isCnmError(error, 'PLUGIN_UNAVAILABLE')) throw error
  }
}

async function replay(engine: Engine, name: string): Promise<void> {
  const needsIt = engine.state.networks.all().some(({ record }) => record.ipam === name)
  const ipam = needsIt && !engine.ipams.has(name) ? engine.ipam(name) : undefined
  const wishes = await ipam?.keeper?.open()
  if (ipam !== undefined && wishes?.replay) await replayAddresses(engine, ipam)
}

/** Those that a driver has been told of. */
function endpointsOf(engine: Engine, driver: string): readonly EndpointRecord[] {
  return engine.state.networks
    .all()
    .filter(({ record }) => record.driver === driver)
    .flatMap(({ record }) => engine.state.endpointsOf(record.id))
    .filter(({ state, told }) => state === 'ready' && told !== undefined)
}
