import { portInUse } from '../../port-conflict.ts'
import { type ReservationResource, resourceKey } from '../../resource.ts'
import type { Machinery } from '../apply/machinery.ts'
import type { Plan } from '../apply/plan.ts'
import type { Transaction } from '../apply/transaction.ts'
import { findConflict } from '../ports/port-search.ts'

/** Before anything is done. */
export function refuseTaken({ reservations, listeners }: Machinery, { add, before }: Plan): void {
  const fresh = add.reservations.filter(
    (each) => !before.has(resourceKey(each)) && !reservations.has(each),
  )
  if (fresh.length === 0) return
  const conflict = findConflict(fresh, listeners)
  if (conflict === undefined) return
  const { wanted, holder } = conflict
  throw portInUse(wanted, holder, resourceKey(wanted))
}

/** Before anything is forwarded. */
export function addReservations(
  transaction: Transaction,
  { reservations }: Machinery,
  { add }: Plan,
): void {
  change(transaction, add.reservations, (these) => {
    const fresh = reservations.add(these)
    transaction.onRollback(() => reservations.remove(fresh))
  })
}

/** When nothing is forwarded any more. */
export function removeReservations(
  transaction: Transaction,
  { reservations }: Machinery,
  { remove }: Plan,
): void {
  change(transaction, remove.reservations, (these) => {
    const gone = reservations.remove(these)
    transaction.onRollback(() => reservations.add(gone))
  })
}

/** They are changed together: a failure is told of the first. */
function change(
  transaction: Transaction,
  reservations: readonly ReservationResource[],
  work: (these: readonly ReservationResource[]) => void,
): void {
  const [first] = reservations
  if (first !== undefined) transaction.attempt(resourceKey(first), () => work(reservations))
}
