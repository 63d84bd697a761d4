import type { Machinery } from './apply.ts'
import type { Plan } from './plan.ts'
import type { Transaction } from './transaction.ts'

/** Before anything is done. */
export function refuseTaken(_machinery: Machinery, _plan: Plan): void {}

export function changeReservations(
  _transaction: Transaction,
  _machinery: Machinery,
  _plan: Plan,
): void {}
