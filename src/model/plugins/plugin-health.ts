import { CnmError } from '../../base/errors.ts'
import type { Parts } from '../parts.ts'
import type { EndpointRecord } from '../records.ts'

/** An endpoint is not known to be whole: its driver is gone, or has failed to do what was asked. */
export function degrade(engine: Parts, record: EndpointRecord, error?: unknown): void {
  if (error !== undefined) engine.onProblem(error)
  if (engine.pluginState.degrade(record.id)) tell(engine, record, 'degraded')
}

export function recover(engine: Parts, record: EndpointRecord): void {
  if (engine.pluginState.recover(record.id)) tell(engine, record, 'ready')
}

function tell(engine: Parts, record: EndpointRecord, plugin: 'degraded' | 'ready'): void {
  const { id, name } = record
  const network = engine.state.networks.need(record.network).record
  const at = { network: network.name, networkId: network.id }
  const attributes = { ...at, driver: network.driver, plugin }
  engine.events.emit({ type: 'endpoint', action: 'update', id, name, attributes })
}

/** Where nothing can be asked about plugins, there are none. */
export function noPlugins(name: string): CnmError {
  return new CnmError('PLUGIN_NOT_FOUND', `there is no plugin "${name}"`, {
    details: { plugin: name },
    hint: 'see "cnm plugin ls"',
  })
}
