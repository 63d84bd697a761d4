interface SlotLimits {
  /** For each one. */
  readonly each: number
  readonly all: number
  /** Besides, when all are taken: shared evenly by those who have little. */
  readonly reserve: number
}

/** How many things may go on at a time, so that one that wants many leaves something to others. */
export class FairSlots<Who extends string | number = string> {
  readonly #limits: SlotLimits
  readonly #taken = new Map<Who, number>()
  #all = 0

  constructor(limits: SlotLimits) {
    this.#limits = limits
  }

  /** false: there is none for it now. */
  take(who: Who): boolean {
    const { each, all, reserve } = this.#limits
    const mine = this.#taken.get(who) ?? 0
    if (mine >= each) return false
    const others = this.#taken.size - (mine > 0 ? 1 : 0)
    const share = Math.max(1, Math.floor(reserve / (others + 1)))
    if (this.#all >= all && mine >= share) return false
    this.#taken.set(who, mine + 1)
    this.#all += 1
    return true
  }

  give(who: Who): void {
    const left = this.#taken.get(who)! - 1
    if (left === 0) this.#taken.delete(who)
    else this.#taken.set(who, left)
    this.#all -= 1
  }
}
