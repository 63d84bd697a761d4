import { Changes } from './change/change.ts'
import { Transactions } from './change/transaction.ts'
import { type EngineOptions, Parts } from './parts.ts'

export { drop, put } from './parts.ts'

/** The parts of the model, and the way a change goes. */
export class Engine extends Parts {
  readonly changes: Changes<Parts>

  constructor(options: EngineOptions) {
    super(options)
    const { kernel, store, ledger, host, onProblem } = this
    const nameOf = (id: string) => this.nameOf(id)
    const transactions = new Transactions({ kernel, store, ledger, host, onProblem, nameOf })
    this.changes = new Changes<Parts>(this, transactions)
  }

  /** Work that nothing waits for; closing does, and what fails of it is told as a problem. */
  follow(work: () => Promise<unknown>): void {
    this.changes.track(work()).catch(this.onProblem)
  }
}
