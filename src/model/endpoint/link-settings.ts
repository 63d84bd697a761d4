import { CnmError } from '../../base/errors.ts'
import type { AttachedLink } from '../../driver/driver.ts'
import { hasHostEnd } from '../../driver/link-types.ts'
import type { EndpointRecord, NetworkRecord } from '../records.ts'

/** Errors: NOT_ALLOWED, where the endpoint has a setting that its link, or an endpoint without one, can't have. */
export function assertLinkSettings(
  network: NetworkRecord,
  endpoint: EndpointRecord,
  link: AttachedLink | undefined,
): void {
  if (link !== undefined) {
    if (!hasHostEnd(link)) refuseRate(network, endpoint)
    return
  }
  const { rate, sysctls, linkLocal, addresses, macs, links, dnsServers: dns } = endpoint
  const aliases = endpoint.aliases.length > 0
  const all = { rate, sysctls, linkLocal, addresses, macs, links, dns, aliases }
  const given = Object.entries(all).find(([, value]) => value)
  if (given === undefined) return
  throw new CnmError(
    'NOT_ALLOWED',
    `endpoint "${endpoint.name}" has no link on network "${network.name}", so it can have no ${given[0]}`,
    { hint: 'leave it out, or use another network' },
  )
}

/** A rate is kept at the host's end of a link: a link of the driver's own has none. */
export function refuseRate(network: NetworkRecord, { name, rate }: EndpointRecord): void {
  if (rate === undefined) return
  throw new CnmError(
    'NOT_ALLOWED',
    `endpoint "${name}" can have no rate: its link is that of driver "${network.driver}"`,
    { hint: 'leave it out, or use another network' },
  )
}
