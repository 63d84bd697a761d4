import { portGroup } from '../../kernel/link-groups.ts'
import type { Resource } from '../../kernel/resource.ts'
import type { NetworkRecord } from '../records.ts'

/**
 * Resources as a network has them: the host's ends of its links are in its group. Nothing passes such a port but what
 * the firewall knows of it, so those of a driver that tells it nothing are left out.
 */
export function inGroup(
  resources: readonly Resource[],
  { number, driver }: Pick<NetworkRecord, 'number' | 'driver'>,
): readonly Resource[] {
  if (number === undefined || !resources.some(({ kind }) => kind === 'veth')) return resources
  // What an earlier version has recorded of a bridge's has no senders yet.
  if (driver !== 'bridge' && !resources.some(isSender)) return resources
  const group = portGroup(number)
  return resources.map((each) => (each.kind === 'veth' ? { ...each, group } : each))
}

function isSender(resource: Resource): boolean {
  return resource.kind === 'element' && resource.family === 'bridge' && resource.set === 'macs'
}
