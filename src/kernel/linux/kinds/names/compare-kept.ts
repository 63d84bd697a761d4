import { socketText } from '../../../../address/address.ts'
import type { KeptResource } from '../../../kept-resource.ts'
import type { Difference } from '../../../kernel.ts'
import { resourceKey } from '../../../resource.ts'
import { isSame } from '../../../same-resource.ts'
import type { Machinery } from '../../apply/machinery.ts'

/** How what the keeper has differs from that resource. */
export function compareKept(
  { keeper }: Machinery,
  resource: KeptResource,
): Omit<Difference, 'resource'> | undefined {
  keeper?.link.ready()
  const kept = keeper?.mirror.get(resourceKey(resource))
  if (kept === undefined) return { state: 'missing', detail: `no ${nameOf(resource)}` }
  if (isSame(kept, resource)) return undefined
  return { state: 'different', detail: `${nameOf(resource)} ${differenceOf(kept, resource)}` }
}

function nameOf(resource: KeptResource): string {
  switch (resource.kind) {
    case 'relay':
      return `relay ${resource.protocol} ${socketText(resource.listen)}`
    case 'resolver':
      return `resolver in ${resource.namespace.path}`
    case 'names':
      return `names of endpoint ${resource.endpoint}`
    case 'zone':
      return `resolver for ${resource.name} at ${socketText({ address: resource.listen, port: 53 })}`
  }
}

/** What is, and what should be. */
function differenceOf(kept: KeptResource, wanted: KeptResource): string {
  if (kept.kind === 'relay' && wanted.kind === 'relay') {
    return `leads to ${socketText(kept.to)}, not ${socketText(wanted.to)}`
  }
  const [is, shouldBe] = [kept, wanted] as unknown as Record<string, unknown>[]
  const names = [...new Set([...Object.keys(is!), ...Object.keys(shouldBe!)])]
  const different = names.filter((name) => !isSame(is![name], shouldBe![name]))
  const text = (value: unknown) => (value === undefined ? 'none' : JSON.stringify(value))
  const parts = different.map((name) => `${name} ${text(is![name])}, not ${text(shouldBe![name])}`)
  return `has ${parts.join('; ')}`
}
