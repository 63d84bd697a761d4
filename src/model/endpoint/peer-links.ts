import type { IpAddress } from '../../address/address.ts'
import { CnmError } from '../../base/errors.ts'
import type { EndpointId, NetworkId } from '../../base/id.ts'
import type { LinkedEndpoint } from '../../driver/driver.ts'
import type { Parts } from '../parts.ts'
import type { EndpointRecord } from '../records.ts'

/**
 * The endpoints that a user links to, by name or id, and what they are called: `db`, `db:store`.
 * Errors: ENDPOINT_NOT_FOUND, INVALID_OPTION.
 */
export function parseLinks(
  engine: Parts,
  network: NetworkId,
  texts: readonly string[],
): Pick<EndpointRecord, 'links' | 'linkNames'> {
  const links = new Set<EndpointId>()
  const linkNames: Record<string, EndpointId[]> = {}
  for (const text of texts) {
    const [, endpoint = text, alias] = /^([^:]*):(.*)$/.exec(text) ?? []
    const id = linkedEndpoint(engine, network, endpoint)
    links.add(id)
    if (alias === undefined) continue
    if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/.test(alias)) throw noAlias(text)
    linkNames[alias] = [...new Set([...(linkNames[alias] ?? []), id])]
  }
  return {
    ...(links.size === 0 ? {} : { links: [...links] }),
    ...(Object.keys(linkNames).length === 0 ? {} : { linkNames }),
  }
}

function linkedEndpoint(engine: Parts, network: NetworkId, text: string): EndpointId {
  const byId = engine.state.endpoints.get(text as EndpointId)
  const found =
    engine.state.endpointNamed(network, text) ?? (byId?.network === network ? byId : undefined)
  if (found !== undefined && found.state !== 'creating') return found.id
  const { name } = engine.state.networks.need(network).record
  throw new CnmError('ENDPOINT_NOT_FOUND', `network "${name}" has no endpoint "${text}"`, {
    details: { network: name, endpoint: text },
    hint: 'link endpoints of the same network, the one that is linked first',
  })
}

function noAlias(link: string): CnmError {
  const what = `endpoint options: links has ${JSON.stringify(link)}, which gives no name`
  return new CnmError('INVALID_OPTION', what, { hint: 'write it as db, or as db:store' })
}

/** Those of an endpoint's links that are there, with their addresses. */
export function linksOf(engine: Parts, { links }: EndpointRecord): readonly LinkedEndpoint[] {
  if (links === undefined) return none
  return links.flatMap((id) => {
    const linked = engine.state.endpoints.get(id)
    if (linked === undefined) return []
    const { ipv4, ipv6 } = linked
    return [{ id, ...(ipv4 ? { ipv4 } : {}), ...(ipv6 ? { ipv6 } : {}) }]
  })
}

const none: readonly LinkedEndpoint[] = []

/** The addresses of an endpoint's links by what they are called, where they are in a sandbox. */
export function linkAddresses(
  engine: Parts,
  { linkNames }: EndpointRecord,
): Readonly<Record<string, readonly IpAddress[]>> {
  if (linkNames === undefined) return {}
  const named = Object.entries(linkNames).map(([name, ids]) => {
    const addresses = ids.flatMap((id) => {
      const linked = engine.state.endpoints.get(id)
      return linked?.joined === undefined ? [] : [linked.ipv4, linked.ipv6]
    })
    return [name, addresses.filter((address) => address !== undefined)] as const
  })
  return Object.fromEntries(named.filter(([, addresses]) => addresses.length > 0))
}
