import { CnmError } from '../base/errors.ts'
import type { EndpointId, NetworkId } from '../base/id.ts'
import type { LinkedEndpoint } from '../driver/driver.ts'
import type { Engine } from './engine.ts'
import type { EndpointRecord } from './records.ts'

/** The endpoints that a user links to, by name or id. Errors: ENDPOINT_NOT_FOUND. */
export function parseLinks(
  engine: Engine,
  network: NetworkId,
  links: readonly string[],
): readonly EndpointId[] {
  return links.map((text) => {
    const byId = engine.state.endpoints.get(text as EndpointId)
    const found =
      engine.state.endpointNamed(network, text) ?? (byId?.network === network ? byId : undefined)
    if (found !== undefined && found.state !== 'creating') return found.id
    const { name } = engine.state.networks.need(network).record
    throw new CnmError('ENDPOINT_NOT_FOUND', `network "${name}" has no endpoint "${text}"`, {
      details: { network: name, endpoint: text },
      hint: 'link endpoints of the same network, the one that is linked first',
    })
  })
}

/** Those of an endpoint's links that are there, with their addresses. */
export function linksOf(engine: Engine, { links }: EndpointRecord): readonly LinkedEndpoint[] {
  if (links === undefined) return none
  return links.flatMap((id) => {
    const linked = engine.state.endpoints.get(id)
    if (linked === undefined) return []
    const { ipv4, ipv6 } = linked
    return [{ id, ...(ipv4 ? { ipv4 } : {}), ...(ipv6 ? { ipv6 } : {}) }]
  })
}

const none: readonly LinkedEndpoint[] = []
