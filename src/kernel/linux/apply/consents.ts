import type { Ruleset } from '../ruleset.ts'
import type { Plan } from './plan.ts'
import type { Transaction } from './transaction.ts'

export function changeConsents(_transaction: Transaction, _ruleset: Ruleset, _plan: Plan): void {}
