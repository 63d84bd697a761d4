import { CnmError } from '../../base/errors.ts'
import type { Difference } from '../../kernel/kernel.ts'
import { type Resource, resourceKey } from '../../kernel/resource.ts'
import type { Engine } from '../engine.ts'
import { queueKeys } from '../network/networks.ts'

const quietMs = 50
const mostTries = 5
const periodMs = 60_000

/**
 * Puts back what others take from us, but doesn't fight for it: what is taken again and
 * again stays so for a while, and that is told as a problem.
 */
export class DriftCorrector {
  readonly #engine: Engine
  readonly #suspects = new Set<string>()
  /** When each was put back lately. */
  readonly #tries = new Map<string, readonly number[]>()
  /** They are left as they are for now. */
  readonly #givenUp = new Set<string>()
  #waiting = false

  constructor(engine: Engine) {
    this.#engine = engine
  }

  /** Something may have happened to the resources of these keys. Those that are not wanted are fine. */
  look(keys: readonly string[]): void {
    for (const key of keys) {
      if (this.#engine.ledger.get(key) !== undefined && !this.#givenUp.has(key)) {
        this.#suspects.add(key)
      }
    }
    if (this.#suspects.size === 0 || this.#waiting) return
    this.#waiting = true
    setTimeout(() => {
      this.#waiting = false
      const { changes, closing, onProblem } = this.#engine
      if (closing.signal.aborted) return
      changes.turn(queueKeys, () => this.#putBack()).catch(onProblem)
    }, quietMs).unref()
  }

  async #putBack(): Promise<void> {
    const { ledger, closing } = this.#engine
    const keys = [...this.#suspects]
    this.#suspects.clear()
    if (closing.signal.aborted) return
    const suspects = keys.map((key) => ledger.get(key)).filter((it) => it !== undefined)
    const differences = await this.#compare(suspects)
    // Without its link a sysctl is missing, and nothing can be done about it.
    const gone = differences
      .filter(({ resource, state }) => !(resource.kind === 'sysctl' && state === 'missing'))
      .map(({ resource }) => resource)
    const now = Date.now()
    this.#forget(now)
    // They may have another owner by now, or none: others' changes went on meanwhile.
    const wanted = ledger.wanted(gone)
    const add = wanted.filter((resource) => this.#mayTry(resourceKey(resource), now))
    if (add.length > 0) await this.#add(add)
    const left = wanted.filter((resource) => !add.includes(resource))
    if (left.length > 0) this.#giveUp(left)
  }

  /** What isn't wanted any more when it is there goes again: it was being removed, or taken back. */
  async #add(add: readonly Resource[]): Promise<void> {
    const { ledger, kernel } = this.#engine
    await kernel.apply({ remove: [], add })
    const wanted = new Set(ledger.wanted(add))
    const remove = add.filter((resource) => !wanted.has(resource) && !ledger.has(resource))
    if (remove.length > 0) await kernel.apply({ remove, add: [] })
  }

  /** Who takes a table takes what is in it. */
  async #compare(suspects: readonly Resource[]): Promise<readonly Difference[]> {
    const { ledger, kernel } = this.#engine
    const differences = await kernel.compare(suspects)
    const lost = new Set(
      differences.flatMap(({ resource }) =>
        resource.kind === 'table' ? [tableName(resource.definition)] : [],
      ),
    )
    const known = new Set(suspects.map(resourceKey))
    const more = ledger.all().filter((each) => {
      if (each.kind !== 'element' || known.has(resourceKey(each))) return false
      return lost.has(tableName({ family: each.family, name: each.table }))
    })
    return more.length === 0 ? differences : [...differences, ...(await kernel.compare(more))]
  }

  #mayTry(key: string, now: number): boolean {
    const lately = this.#tries.get(key) ?? []
    const may = lately.length < mostTries
    if (may) this.#tries.set(key, [...lately, now])
    return may
  }

  /** What was long ago doesn't count, and must not pile up: names of links come and go. */
  #forget(now: number): void {
    for (const [key, tries] of this.#tries) {
      const lately = tries.filter((then) => now - then < periodMs)
      if (lately.length === 0) this.#tries.delete(key)
      else this.#tries.set(key, lately)
    }
  }

  /** Until it may be tried again. */
  #giveUp(left: readonly Resource[]): void {
    const keys = left.map(resourceKey)
    for (const key of keys) this.#givenUp.add(key)
    this.#engine.onProblem(
      new CnmError(
        'KERNEL',
        `another program keeps undoing what networks need: ${keys.join(', ')}`,
        {
          details: { resources: keys, tries: mostTries },
          hint: 'find out which it is; "doctor" puts it back',
        },
      ),
    )
    setTimeout(() => {
      for (const key of keys) this.#givenUp.delete(key)
      this.look(keys)
    }, periodMs).unref()
  }
}

function tableName({ family, name }: { readonly family: string; readonly name: string }): string {
  return `${family} ${name}`
}
