import { createHash } from 'node:crypto'
import { type IpFamily, type Prefix, parsePrefix, prefixRange } from '../../address/address.ts'
import type { Interval } from './intervals.ts'

/**
 * Where subnets are chosen when the user names none. They are chosen onward: the search goes on
 * where the last one ended, so what was just released is not chosen again while others are free.
 */
export class DefaultPools {
  /** In words, for messages. */
  readonly ranges: string
  /** The length of a subnet where none is asked for. */
  readonly length: number
  readonly #spans: readonly Interval[]
  /** The search goes on at `#next` of span number `#span`. */
  #span = 0
  #next: bigint
  #begun = false

  constructor(ranges: string, length: number, spans: readonly [Interval, ...Interval[]]) {
    this.ranges = ranges
    this.length = length
    this.#spans = spans
    this.#next = spans[0].first
  }

  /** Whether a block of that many addresses could be anywhere. */
  fits(size: bigint): boolean {
    return this.#spans.some(({ first, last }) => last - first + 1n >= size)
  }

  /**
   * The first address of a free block of `size`, a power of two. `blocker` answers with what is in
   * the way of a block, so that the search can jump past it.
   */
  choose(size: bigint, blocker: (block: Interval) => Interval | undefined): bigint | undefined {
    // The span it begins in is searched again at the end, for what lies before the beginning.
    for (let step = 0; step <= this.#spans.length; step++) {
      const index = (this.#span + step) % this.#spans.length
      const span = this.#spans[index]!
      const found = firstFree(step === 0 ? this.#next : span.first, span.last, size, blocker)
      if (found !== undefined) {
        this.#span = index
        this.#next = found + size
        this.#begun = true
        return found
      }
    }
    return undefined
  }

  /**
   * Told of every subnet that was named, because at start those chosen in a former life are named:
   * the search goes on after the last one of them. What was named elsewhere doesn't divert it.
   */
  follow({ first, last }: Interval, length: number): void {
    const main = this.#spans[0]!
    if (this.#begun || length !== this.length) return
    if (main.first <= first && last <= main.last) this.#next = last + 1n
  }
}

function firstFree(
  from: bigint,
  end: bigint,
  size: bigint,
  blocker: (block: Interval) => Interval | undefined,
): bigint | undefined {
  let first = alignUp(from, size)
  while (first + size - 1n <= end) {
    const blocked = blocker({ first, last: first + size - 1n })
    if (blocked === undefined) return first
    first = alignUp(blocked.last + 1n, size)
  }
  return undefined
}

function alignUp(value: bigint, size: bigint): bigint {
  return (value + size - 1n) & -size
}

/** 69,888 /24s. Begins where people and clouds rarely are; home routers' 192.168 comes last. */
function ipv4Pools(): DefaultPools {
  const ten = rangeOf('10.0.0.0/8')
  const start = rangeOf('10.100.0.0/16').first
  return new DefaultPools('10.0.0.0/8, 172.16.0.0/12 and 192.168.0.0/16', 24, [
    { first: start, last: ten.last },
    { first: ten.first, last: start - 1n },
    rangeOf('172.16.0.0/12'),
    rangeOf('192.168.0.0/16'),
  ])
}

/** 65,536 /64s of one unique local /48 (RFC 4193), the same one whenever the seed is the same. */
function ipv6Pools(seed: string): DefaultPools {
  const hash = createHash('sha256').update(seed).digest('hex')
  const groups = [`fd${hash.slice(0, 2)}`, hash.slice(2, 6), hash.slice(6, 10)]
  const prefix = parsePrefix(`${groups.join(':')}::/48`)
  return new DefaultPools(prefix, 64, [prefixRange(prefix)])
}

export function defaultPools(family: IpFamily, seed: string): DefaultPools {
  return family === 4 ? ipv4Pools() : ipv6Pools(seed)
}

function rangeOf(text: string): Interval {
  return prefixRange(text as Prefix)
}
