import type { ResolverCounters } from '../../../kernel/kernel.ts'
import type { KeeperEvent } from '../../keeper.ts'
import { countersOf, Tally, type TallyNumbers } from './tally.ts'

const TELL_EVERY_MS = 250

interface Sandbox {
  readonly name: string
  /** What was done here. */
  readonly own: Tally
  /** What the loop has done, as far as it has said so. */
  loop: TallyNumbers
}

/** What all resolvers have done, in both threads together. */
export class Counting {
  readonly #tell: (event: KeeperEvent) => void
  readonly #sandboxes = new Map<number, Sandbox>()
  readonly #changed = new Set<Sandbox>()
  #timer: NodeJS.Timeout | undefined

  constructor(tell: (event: KeeperEvent) => void) {
    this.#tell = tell
  }

  /** A resolver, by a number. Answers with what is to be counted in. */
  open(id: number, sandbox: string): Tally {
    const own = new Tally()
    this.#sandboxes.set(id, { name: sandbox, own, loop: new Tally().numbers() })
    return own
  }

  close(id: number): void {
    const sandbox = this.#sandboxes.get(id)
    if (sandbox === undefined) return
    this.#sandboxes.delete(id)
    this.#changed.delete(sandbox)
  }

  /** What the loop has said. */
  hear(tallies: readonly (readonly [number, TallyNumbers])[]): void {
    for (const [id, numbers] of tallies) {
      const sandbox = this.#sandboxes.get(id)
      if (sandbox !== undefined) sandbox.loop = numbers
      this.changed(id)
    }
  }

  /** Something has been counted: it is told soon. */
  changed(id: number): void {
    const sandbox = this.#sandboxes.get(id)
    if (sandbox === undefined) return
    this.#changed.add(sandbox)
    this.#timer ??= setTimeout(() => this.#tellChanged(), TELL_EVERY_MS).unref()
  }

  /** Those who have done something. */
  all(): KeeperEvent {
    const counters = [...this.#sandboxes.values()].map(countersOfSandbox)
    return { event: 'counters', counters: counters.filter(([, { asked }]) => asked > 0) }
  }

  #tellChanged(): void {
    this.#timer = undefined
    const counters = [...this.#changed].map(countersOfSandbox)
    this.#changed.clear()
    if (counters.length > 0) this.#tell({ event: 'counters', counters })
  }
}

function countersOfSandbox({ name, own, loop }: Sandbox): readonly [string, ResolverCounters] {
  return [name, countersOf([own.numbers(), loop])]
}
