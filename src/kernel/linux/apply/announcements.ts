import type { Machinery } from './apply.ts'
import type { Plan } from './plan.ts'
import type { Transaction } from './transaction.ts'

export function announce(_transaction: Transaction, _machinery: Machinery, _plan: Plan): void {}
