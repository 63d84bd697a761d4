import { resourceKey } from '../../../resource.ts'
import type { Machinery } from '../../apply/machinery.ts'
import type { Plan } from '../../apply/plan.ts'
import type { Transaction } from '../../apply/transaction.ts'

/** To be called when the links are up: says where the new addresses are, and no more of the old. */
export function announce(
  transaction: Transaction,
  { announcer }: Machinery,
  { add, remove }: Plan,
): void {
  for (const resource of remove.announcements) {
    transaction.onRollback(announcer.repeat(resourceKey(resource), resource, 0))
  }
  for (const resource of add.announcements) {
    const key = resourceKey(resource)
    const place = transaction.attempt(key, () => transaction.places.at(resource.namespace))
    announcer.say(place, resource)
    transaction.onRollback(announcer.repeat(key, resource, resource.times - 1))
  }
}
