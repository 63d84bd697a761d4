import { resourceKey } from '../../../resource.ts'
import type { ApplyContext } from '../../apply/context.ts'
import type { Kind } from '../kind.ts'

export const announcement: Kind<'announcement'> = {
  apply: { announce },
  // There is nothing of them to be seen.
  compare: () => undefined,
}

/** When the links are up: says where the new addresses are, and no more of the old. */
function announce({ transaction, machinery: { announcer }, plan }: ApplyContext): void {
  for (const resource of plan.remove.of('announcement')) {
    transaction.onRollback(announcer.repeat(resourceKey(resource), resource, 0))
  }
  for (const resource of plan.add.of('announcement')) {
    const key = resourceKey(resource)
    const netns = transaction.attempt(key, () => transaction.handles.at(resource.namespace))
    announcer.say(netns, resource)
    transaction.onRollback(announcer.repeat(key, resource, resource.times - 1))
  }
}
