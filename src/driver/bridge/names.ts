import { shortId } from '../../base/id.ts'
import type { EndpointSpec, NetworkSpec } from '../driver.ts'
import { optionsOf } from './options.ts'

/** The network's bridge. */
export function bridgeName(network: NetworkSpec): string {
  return optionsOf(network).bridge ?? `br-${shortId(network.id, 10)}`
}

/** The host end of an endpoint's link: its port of the bridge. */
export function portName({ id }: Pick<EndpointSpec, 'id'>): string {
  return `veth${shortId(id, 10)}`
}
