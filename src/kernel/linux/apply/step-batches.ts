import type { NamespaceRef } from '../../resource.ts'
import type { NetnsHandle } from '../namespaces/netns-handle.ts'
import type { Step, Transaction } from './transaction.ts'

/** Steps for one namespace that are sent together. No link comes or goes before they are. */
export class NetnsSteps {
  readonly netns: NetnsHandle
  /** ENODEV if there is no such link. */
  readonly index: (link: string) => number
  readonly #steps: Step[] = []

  constructor(netns: NetnsHandle) {
    this.netns = netns
    this.index = netns.indexes()
  }

  get all(): readonly Step[] {
    return this.#steps
  }

  push(...steps: readonly Step[]): void {
    this.#steps.push(...steps)
  }
}

/** What the kinds that take part in a phase have to be sent, namespace by namespace. */
export class StepBatches {
  readonly #transaction: Transaction
  readonly #handles = new Map<NetnsHandle, NetnsSteps>()

  constructor(transaction: Transaction) {
    this.#transaction = transaction
  }

  get host(): NetnsSteps {
    return this.#of(this.#transaction.host)
  }

  /** `key` of the resource that has to be there. Errors: see NetnsHandles. */
  at(ref: NamespaceRef | undefined, key: string): NetnsSteps {
    return this.#of(this.#transaction.attempt(key, () => this.#transaction.handles.at(ref)))
  }

  /** undefined: the sandbox has gone by itself, and everything in it. */
  find(ref: NamespaceRef | undefined): NetnsSteps | undefined {
    const netns = this.#transaction.handles.find(ref)
    return netns && this.#of(netns)
  }

  /** In the order in which the namespaces have come up. */
  send(): void {
    const batches = [...this.#handles.values()]
    this.#handles.clear()
    for (const { netns, all } of batches) this.#transaction.send(netns.socket, all)
  }

  #of(netns: NetnsHandle): NetnsSteps {
    let steps = this.#handles.get(netns)
    if (steps === undefined) {
      steps = new NetnsSteps(netns)
      this.#handles.set(netns, steps)
    }
    return steps
  }
}
