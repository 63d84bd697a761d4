import type { Parts } from '../parts.ts'
import type { NetworkRecord } from '../records.ts'

/** Drivers and IPAMs of networks that are no part of this engine. */
export function pluginsInUse(engine: Parts): ReadonlySet<string> {
  const names = new Set<string>()
  for (const { record } of engine.state.networks.all()) {
    for (const name of pluginsOf(engine, record)) names.add(name)
  }
  for (const { network } of engine.pluginState.pending.values()) {
    if (!engine.drivers.has(network.driver)) names.add(network.driver)
  }
  return names
}

/** A name that is that of a driver of the engine is no plugin's. */
export function pluginsOf(engine: Parts, { driver, ipam }: NetworkRecord): readonly string[] {
  return [
    ...(engine.drivers.has(driver) ? [] : [driver]),
    ...(engine.ipams.has(ipam) ? [] : [ipam]),
  ]
}
