import type { Change } from '../kernel.ts'
import type { Resource } from '../resource.ts'
import { resourceKey } from '../resource.ts'
import { isSame } from '../same-resource.ts'
import { additionRank, findThere, removalRank, verbsOf } from './kinds/kinds.ts'
import type { Machine } from './machine.ts'

/** Does it; the caller rolls back if this throws. */
export function applyChange(machine: Machine, change: Change): void {
  const added = new Set(change.add.map(resourceKey))
  for (const resource of inOrder(change.remove, removalRank)) {
    if (added.has(resourceKey(resource))) continue
    machine.working = resource
    verbsOf(resource).drop(machine, resource)
  }
  for (const resource of inOrder(change.add, additionRank)) {
    machine.working = resource
    if (isSame(findThere(machine, resource), resource)) continue
    verbsOf(resource).put(machine, resource)
  }
}

/** Routes to what is on the link come first: gateways are reached by them. */
function inOrder(
  resources: readonly Resource[],
  rankOf: (resource: Resource) => number,
): readonly Resource[] {
  const rank = (resource: Resource) => {
    const isVia = resource.kind === 'route' && resource.gateway !== undefined
    return rankOf(resource) + (isVia ? 0.5 : 0)
  }
  return [...resources].sort((a, b) => rank(a) - rank(b))
}
