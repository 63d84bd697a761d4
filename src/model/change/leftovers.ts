import { type Resource, resourceKey } from '../../kernel/resource.ts'
import type { Write } from '../../store/store.ts'
import type { Ledger } from './ledger.ts'

/** The id of their record. */
export const LEFTOVERS = 'leftovers'

/**
 * What could not be taken back, and belongs to nobody: it may be on the machine, so it is recorded, told by doctor, and
 * removed by that or by the next start.
 */
export class Leftovers {
  readonly #ledger: Ledger
  readonly #resources = new Map<string, Resource>()

  constructor(ledger: Ledger) {
    this.#ledger = ledger
  }

  /** Those that nobody has come to own since. */
  all(): readonly Resource[] {
    return [...this.#resources.values()].filter((each) => !this.#ledger.has(each))
  }

  /** Answers with what is to be recorded. */
  add(resources: readonly Resource[]): readonly Write[] {
    if (resources.length === 0) return []
    for (const each of resources) this.#resources.set(resourceKey(each), each)
    return [this.#write()]
  }

  /** They are gone. Answers with what is to be recorded. */
  remove(resources: readonly Resource[]): readonly Write[] {
    const known = resources.filter((each) => this.#resources.delete(resourceKey(each)))
    return known.length === 0 ? [] : [this.#write()]
  }

  #write(): Write {
    const resources = this.all()
    const value = resources.length === 0 ? null : { id: LEFTOVERS, resources }
    return { kind: 'engine', id: LEFTOVERS, value: value as unknown as Write['value'] }
  }
}
