import { bracketed, type IpAddress } from '../../address/address.ts'
import type { KeptResource, ZoneResource } from '../kept-resource.ts'
import type { Difference } from '../kernel.ts'
import { resourceKey } from '../resource.ts'
import type { Machinery } from './apply/apply.ts'
import { isSame } from './keeper/mirror.ts'
import { findHolders } from './port-search.ts'

/** How what the keeper has differs from that resource. */
export function compareKept(
  machinery: Machinery,
  resource: KeptResource,
): Omit<Difference, 'resource'> | undefined {
  const { keeper } = machinery
  keeper?.link.ready()
  const kept = keeper?.mirror.get(resourceKey(resource))
  if (kept === undefined) return { state: 'missing', detail: whyMissing(machinery, resource) }
  if (isSame(kept, resource)) return undefined
  return { state: 'different', detail: `${nameOf(resource)} ${differenceOf(kept, resource)}` }
}

function whyMissing(machinery: Machinery, resource: KeptResource): string {
  if (resource.kind === 'zone' && machinery.keeper !== undefined) {
    const reason = whyNoZone(machinery, resource)
    if (reason !== undefined) return reason
  }
  return `no ${nameOf(resource)}`
}

/** undefined: nothing is in its way. */
function whyNoZone(
  { listeners }: Machinery,
  { name, listen: address }: ZoneResource,
): string | undefined {
  const ports = { from: 53, to: 53 }
  const wanted = (['udp', 'tcp'] as const).map((protocol) => ({ protocol, address, ports }))
  const [holder] = findHolders(wanted, listeners)
  if (holder === undefined) return undefined
  const { process, pid, protocol } = holder
  const who = process === undefined ? 'somebody else' : `${process} (process ${pid})`
  const where = socketName({ address: holder.address, port: holder.port })
  return `nobody answers for ${name}, as ${who} has ${where}/${protocol}`
}

function nameOf(resource: KeptResource): string {
  switch (resource.kind) {
    case 'relay':
      return `relay ${resource.protocol} ${socketName(resource.listen)}`
    case 'resolver':
      return `resolver in ${resource.namespace.path}`
    case 'names':
      return `names of endpoint ${resource.endpoint}`
    case 'zone':
      return `resolver for ${resource.name} at ${socketName({ address: resource.listen, port: 53 })}`
  }
}

/** What is, and what should be. */
function differenceOf(kept: KeptResource, wanted: KeptResource): string {
  if (kept.kind === 'relay' && wanted.kind === 'relay') {
    return `leads to ${socketName(kept.to)}, not ${socketName(wanted.to)}`
  }
  const [is, shouldBe] = [kept, wanted] as unknown as Record<string, unknown>[]
  const names = [...new Set([...Object.keys(is!), ...Object.keys(shouldBe!)])]
  const different = names.filter((name) => !isSame(is![name], shouldBe![name]))
  const text = (value: unknown) => (value === undefined ? 'none' : JSON.stringify(value))
  const parts = different.map((name) => `${name} ${text(is![name])}, not ${text(shouldBe![name])}`)
  return `has ${parts.join('; ')}`
}

function socketName({ address, port }: { readonly address: IpAddress; readonly port: number }) {
  return `${bracketed(address)}:${port}`
}
