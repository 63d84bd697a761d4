import { generationAfter } from '../generation.ts'
import type { Element, ElementChange } from './element.ts'

/**
 * What one process has put into the ruleset and not taken out: it needn't be asked for before it goes, as long
 * as no other process has changed anything. Whether one has, the kernel knows: it counts transactions, and
 * refuses one that is said to follow another than the last. No other process's is ever counted here, so the number
 * is that of the last one, or an earlier one.
 */
export class RememberedElements {
  #generation: number | undefined
  readonly #elements = new Map<string, Element>()

  /** Of the transaction up to which the elements are known; undefined: none are. */
  get generation(): number | undefined {
    return this.#generation
  }

  /** From this transaction on it is noted what changes. */
  begin(generation: number): void {
    this.forget()
    // 0 would mean to the kernel that any will do.
    this.#generation = generation === 0 ? undefined : generation
  }

  forget(): void {
    this.#generation = undefined
    this.#elements.clear()
  }

  /** These, as they were put there by the same owners; undefined: one at least isn't known. */
  find(elements: readonly Element[]): readonly Element[] | undefined {
    const found: Element[] = []
    for (const element of elements) {
      const known = this.#elements.get(nameOf(element))
      if (known === undefined || known.owner !== element.owner) return undefined
      found.push(known)
    }
    return found
  }

  /** One transaction has done that. One with nothing in it is none. */
  note({ remove, add }: ElementChange): void {
    if (this.#generation === undefined || remove.length + add.length === 0) return
    this.#generation = generationAfter(this.#generation)
    for (const element of remove) this.#elements.delete(nameOf(element))
    for (const element of add) {
      // One that times out goes by itself.
      if (element.timeoutMs === undefined) this.#elements.set(nameOf(element), element)
    }
  }
}

function nameOf({ family, table, set, key, run = 1 }: Element): string {
  return `${family} ${table} ${set} ${key.join(' . ')} ${run}`
}
