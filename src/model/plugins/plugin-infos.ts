import type { PluginInfo } from '../../api/told.ts'
import type { PluginInfo as FoundPlugin } from '../../driver/plugin-source.ts'
import type { Parts } from '../parts.ts'
import { noPlugins } from './plugin-health.ts'
import { pluginsOf } from './plugins-in-use.ts'

export async function listPlugins(engine: Parts, signal?: AbortSignal): Promise<PluginInfo[]> {
  const found = (await engine.plugins?.list(signal)) ?? []
  return found.map((plugin) => withUse(engine, plugin))
}

export async function inspectPlugin(
  engine: Parts,
  name: string,
  signal?: AbortSignal,
): Promise<PluginInfo> {
  if (engine.plugins === undefined) throw noPlugins(name)
  return withUse(engine, await engine.plugins.inspect(name, signal))
}

function withUse(engine: Parts, plugin: FoundPlugin): PluginInfo {
  const { name } = plugin
  const networks = engine.state.networks
    .all()
    .filter(({ state, record }) => state !== 'creating' && pluginsOf(engine, record).includes(name))
  const degraded = networks
    .flatMap(({ record }) => engine.state.endpointsOf(record.id))
    .filter(({ id }) => engine.pluginState.isDegraded(id)).length
  return { ...plugin, networks: networks.map(({ record }) => record.name), degraded }
}
