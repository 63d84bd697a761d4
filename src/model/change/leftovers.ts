import { portsOverlap } from '../../address/port.ts'
import { type Resource, resourceKey } from '../../kernel/resource.ts'
import type { Write } from '../../store/store.ts'
import { KnownElements } from '../recovery/known-elements.ts'
import type { Ledger } from './ledger.ts'

/** The id of their record. */
export const LEFTOVERS = 'leftovers'

/**
 * What could not be taken back, and has no owner: it may be on the machine, so it is recorded, told by doctor, and
 * removed by that or by the next start.
 */
export class Leftovers {
  readonly #ledger: Ledger
  readonly #resources = new Map<string, Resource>()

  constructor(ledger: Ledger) {
    this.#ledger = ledger
  }

  /** Those without a new owner since. */
  all(): readonly Resource[] {
    if (this.#resources.size === 0) return []
    const owned = this.#ledger.all()
    const elements = new KnownElements(owned)
    return [...this.#resources.values()].flatMap((each): readonly Resource[] => {
      if (each.kind === 'element') return elements.unknownOf(each)
      const isOwned = this.#ledger.has(each) || owned.some((other) => holdsPortsOf(other, each))
      return isOwned ? [] : [each]
    })
  }

  /** Answers with what is to be recorded. */
  add(resources: readonly Resource[]): readonly Write[] {
    const lasting = resources.filter(({ kind }) => kind !== 'flows' && kind !== 'announcement')
    if (lasting.length === 0) return []
    for (const each of lasting) this.#resources.set(resourceKey(each), each)
    return [this.#write()]
  }

  /** They are gone. Answers with what is to be recorded. */
  remove(resources: readonly Resource[]): readonly Write[] {
    const known = resources.filter((each) => this.#resources.delete(resourceKey(each)))
    return known.length === 0 ? [] : [this.#write()]
  }

  /** With those that have an owner just now: its step may yet fail, and that of the kernel leaves them there. */
  #write(): Write {
    const resources = [...this.#resources.values()]
    const value = resources.length === 0 ? null : { id: LEFTOVERS, resources }
    return { kind: 'engine', id: LEFTOVERS, value: value as unknown as Write['value'] }
  }
}

/** A part of what is reserved has another key than all of it. */
function holdsPortsOf(owned: Resource, left: Resource): boolean {
  return (
    owned.kind === 'reservation' &&
    left.kind === 'reservation' &&
    owned.protocol === left.protocol &&
    owned.address === left.address &&
    portsOverlap(owned.ports, left.ports)
  )
}
