import type { NamespaceRef } from '../../resource.ts'
import type { Place } from '../namespaces/place.ts'
import type { Step, Transaction } from './transaction.ts'

/** Steps for one namespace that are sent together. No link comes or goes before they are. */
export class PlaceSteps {
  readonly place: Place
  /** ENODEV if there is no such link. */
  readonly index: (link: string) => number
  readonly #steps: Step[] = []

  constructor(place: Place) {
    this.place = place
    this.index = place.indexes()
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
  readonly #places = new Map<Place, PlaceSteps>()

  constructor(transaction: Transaction) {
    this.#transaction = transaction
  }

  get host(): PlaceSteps {
    return this.#of(this.#transaction.host)
  }

  /** `key` of the resource that has to be there. Errors: see Places. */
  at(ref: NamespaceRef | undefined, key: string): PlaceSteps {
    return this.#of(this.#transaction.attempt(key, () => this.#transaction.places.at(ref)))
  }

  /** undefined: the sandbox has gone by itself, and everything in it. */
  find(ref: NamespaceRef | undefined): PlaceSteps | undefined {
    const place = this.#transaction.places.find(ref)
    return place && this.#of(place)
  }

  /** In the order in which the namespaces have come up. */
  send(): void {
    const batches = [...this.#places.values()]
    this.#places.clear()
    for (const { place, all } of batches) this.#transaction.send(place.socket, all)
  }

  #of(place: Place): PlaceSteps {
    let steps = this.#places.get(place)
    if (steps === undefined) {
      steps = new PlaceSteps(place)
      this.#places.set(place, steps)
    }
    return steps
  }
}
