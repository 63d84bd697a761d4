/** How many of something may be there at a time. */
export class Slots {
  #free: number

  constructor(count: number) {
    this.#free = count
  }

  /** false: there is none left. */
  take(): boolean {
    if (this.#free === 0) return false
    this.#free -= 1
    return true
  }

  give(): void {
    this.#free += 1
  }
}
