import type { Change } from '../../kernel.ts'
import { Keeping } from '../keeper/keeping.ts'
import { RulesetBatch } from '../ruleset/ruleset-batch.ts'
import type { Machinery } from './machinery.ts'
import { type KindFacts, type Plan, planOf } from './plan.ts'
import { type Setting, writeSettings } from './settings.ts'
import { StepBatches } from './step-batches.ts'
import type { Transaction } from './transaction.ts'

/** A change under way, as every kind that takes part in it sees it. */
export class ApplyContext {
  readonly machinery: Machinery
  readonly transaction: Transaction
  readonly plan: Plan
  readonly keeping: Keeping
  /** Netlink messages about links and what is on them; this and the next two go out at the end of a phase. */
  readonly steps: StepBatches
  readonly settings: Setting[] = []
  readonly ruleset: RulesetBatch
  readonly #known = new Map<unknown, unknown>()

  constructor(machinery: Machinery, transaction: Transaction, change: Change, facts: KindFacts) {
    this.machinery = machinery
    this.transaction = transaction
    this.plan = planOf(change, facts)
    this.keeping = new Keeping(transaction, machinery.keeper, this.plan)
    this.steps = new StepBatches(transaction)
    this.ruleset = new RulesetBatch(transaction, machinery.ruleset)
  }

  /** What several steps need: made once in a change, for the first that asks for it. */
  once<T>(make: (context: ApplyContext) => T): T {
    if (!this.#known.has(make)) this.#known.set(make, make(this))
    return this.#known.get(make) as T
  }

  /** What the kinds of a phase have to be sent: together, not each for itself. */
  endPhase(): void {
    this.steps.send()
    writeSettings(this.transaction, this.machinery.namespaces, this.settings.splice(0))
    this.ruleset.commit()
  }
}
