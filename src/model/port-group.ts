import { portGroup } from '../kernel/link-groups.ts'
import type { Resource } from '../kernel/resource.ts'
import type { NetworkRecord } from './records.ts'

/** Resources as a network has them: the host's ends of its links are in its group, whoever described them. */
export function inGroup(
  resources: readonly Resource[],
  { number }: Pick<NetworkRecord, 'number'>,
): readonly Resource[] {
  if (number === undefined || !resources.some(({ kind }) => kind === 'veth')) return resources
  const group = portGroup(number)
  return resources.map((each) => (each.kind === 'veth' ? { ...each, group } : each))
}

/** Ports without groups of their own, as earlier versions have them. */
export function withoutGroup(resources: readonly Resource[]): readonly Resource[] {
  return resources.map((each) => {
    if (each.kind !== 'veth') return each
    const { group: _, ...veth } = each
    return veth
  })
}
