import type { EndpointSpec } from '../../driver/driver.ts'
import type { DriverHooks } from '../../driver/hooks.ts'
import { linksOf } from '../endpoint/peer-links.ts'
import { gatewayFamilies } from '../endpoint/plan.ts'
import { endpointSpec } from '../endpoint/specs.ts'
import type { Parts } from '../parts.ts'
import type { EndpointRecord, NetworkRecord } from '../records.ts'

/** What a network's driver wants to be called for; undefined: it only describes. */
export function hooksOf(engine: Parts, network: NetworkRecord): DriverHooks | undefined {
  return engine.driver(network.driver).hooks
}

/** An endpoint as the driver sees it, with its ports as if they were all active. */
export function specOf(engine: Parts, record: EndpointRecord): EndpointSpec {
  const spec = endpointSpec(record, linksOf(engine, record))
  return record.ports === undefined ? spec : { ...spec, ports: record.ports }
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
