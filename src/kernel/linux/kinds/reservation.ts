import { portsText } from '../../../address/port.ts'
import { portInUse } from '../../port-conflict.ts'
import { type ReservationResource, resourceKey } from '../../resource.ts'
import type { ApplyContext } from '../apply/context.ts'
import type { Transaction } from '../apply/transaction.ts'
import type { Comparison } from '../compare/comparison.ts'
import { type Finding, missing } from '../compare/finding.ts'
import { findConflict } from '../ports/port-search.ts'
import type { Kind } from './kind.ts'

export const reservation: Kind<'reservation'> = {
  apply: { check, reserve, unreserve },
  compare,
}

function check({ machinery, plan }: ApplyContext): void {
  const { reservations, listeners } = machinery
  const fresh = plan.add
    .of('reservation')
    .filter((each) => !plan.before.has(resourceKey(each)) && !reservations.has(each))
  if (fresh.length === 0) return
  const conflict = findConflict(fresh, listeners)
  if (conflict === undefined) return
  const { wanted, holder } = conflict
  throw portInUse(wanted, holder, resourceKey(wanted))
}

/** Before anything is forwarded. */
function reserve({ transaction, machinery: { reservations }, plan }: ApplyContext): void {
  change(transaction, plan.add.of('reservation'), (these) => {
    const fresh = reservations.add(these)
    transaction.onRollback(() => reservations.remove(fresh))
  })
}

function unreserve({ transaction, machinery: { reservations }, plan }: ApplyContext): void {
  change(transaction, plan.remove.of('reservation'), (these) => {
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

function compare({ machinery }: Comparison, reservation: ReservationResource): Finding {
  const { reservations } = machinery
  if (reservations.has(reservation) || !reservations.isPossible()) return undefined
  const { protocol, address, ports } = reservation
  return missing(`port ${portsText(ports)}/${protocol} of ${address} can be bound by anybody`)
}
