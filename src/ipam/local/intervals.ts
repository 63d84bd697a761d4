/** A block of addresses as values, both ends included. */
export interface Interval {
  readonly first: bigint
  readonly last: bigint
}

/** Intervals that don't overlap, in order: finding one takes a binary search. */
export class Intervals<Kind extends Interval> {
  readonly #sorted: Kind[] = []

  /** The first one that shares an address with first…last. */
  overlapping(first: bigint, last: bigint): Kind | undefined {
    const found = this.#sorted[this.#firstEndingFrom(first)]
    return found !== undefined && found.first <= last ? found : undefined
  }

  /** `interval` must not overlap one that is there. */
  add(interval: Kind): void {
    this.#sorted.splice(this.#firstEndingFrom(interval.first), 0, interval)
  }

  delete(interval: Kind): void {
    const index = this.#firstEndingFrom(interval.first)
    if (this.#sorted[index] === interval) this.#sorted.splice(index, 1)
  }

  get size(): number {
    return this.#sorted.length
  }

  [Symbol.iterator](): IterableIterator<Kind> {
    return this.#sorted.values()
  }

  #firstEndingFrom(value: bigint): number {
    let low = 0
    let high = this.#sorted.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#sorted[middle]!.last < value) low = middle + 1
      else high = middle
    }
    return low
  }
}
