import { socketText } from '../../../../address/address.ts'
import type { KeptResource } from '../../../kept-resource.ts'
import { resourceKey } from '../../../resource.ts'
import { isSame } from '../../../same-resource.ts'
import type { Comparison } from '../../compare/comparison.ts'
import { different, type Finding, missing } from '../../compare/finding.ts'
import type { Participant } from '../kind.ts'

/** What relays, resolvers, names and zones have in common: that the keeper is told of them (see Keeping). */
export const kept: Participant<'kept'> = {
  apply: {
    check: ({ keeping }) => keeping.prepare(),
    'tell early': ({ keeping }) => keeping.tellEarly(),
    tell: ({ keeping }) => keeping.tell(),
    hear: ({ keeping }) => keeping.hear(),
    'last check': ({ keeping }) => keeping.beforeRelease(),
    release: ({ keeping }) => keeping.release(),
  },
  survey: ({ machinery: { keeper } }) => ({ kept: keeper?.mirror.all() ?? [] }),
}

/** How what the keeper has differs from that resource. */
export function compareKept({ machinery }: Comparison, resource: KeptResource): Finding {
  const { keeper } = machinery
  keeper?.link.ready()
  const there = keeper?.mirror.get(resourceKey(resource))
  if (there === undefined) return missing(`no ${nameOf(resource)}`)
  if (isSame(there, resource)) return undefined
  return different(`${nameOf(resource)} ${differenceOf(there, resource)}`)
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
