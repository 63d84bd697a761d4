import type { Plan } from './plan.ts'
import type { Transaction } from './transaction.ts'

export function changeRates(_transaction: Transaction, _plan: Plan): void {}
