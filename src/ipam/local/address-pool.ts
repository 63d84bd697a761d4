import {
  addressFromBigInt,
  addressToBigInt,
  bitsOf,
  contains,
  familyOf,
  type IpAddress,
  type IpFamily,
  type Prefix,
  prefixLength,
  prefixRange,
} from '../../address/address.ts'
import { CnmError } from '../../base/errors.ts'
import type { Interval } from './intervals.ts'
import { listHolders } from './list-holders.ts'
import { ReleaseQueue } from './release-queue.ts'

/**
 * The addresses of one pool. A cursor walks the range once, onward; after that, released addresses
 * come back, the oldest first. So a request costs the same in a /24 and in a /64, and memory is
 * needed only for what is held and what was released.
 *
 * Invariant: an address of the range is held, or released, or still ahead of the cursor.
 */
export class AddressPool implements Interval {
  readonly subnet: Prefix
  /** Whose pool it is, in words. */
  readonly holder: string
  readonly first: bigint
  readonly last: bigint
  readonly #family: IpFamily
  readonly #rangeName: Prefix
  readonly #range: Interval
  /** Address → holder, in the order of the requests. */
  readonly #held = new Map<IpAddress, string>()
  readonly #released = new ReleaseQueue()
  /** Undefined until the first address is handed out on its own accord; then it counts down. */
  #unwalked: bigint | undefined
  #cursor: bigint

  /** Errors: INVALID_POOL (the range is not in the subnet, or has nothing to hand out). */
  constructor(subnet: Prefix, range: Prefix | undefined, holder: string) {
    this.subnet = subnet
    this.holder = holder
    const { first, last } = prefixRange(subnet)
    this.first = first
    this.last = last
    this.#family = familyOf(subnet)
    this.#rangeName = range ?? subnet
    this.#range = this.#usable(this.#rangeName)
    this.#cursor = this.#range.first
  }

  /** Takes the given address, or the next free one of the range. */
  take(address: IpAddress | undefined, holder: string): IpAddress {
    const taken = address ?? this.#next()
    if (address !== undefined) this.#check(address)
    this.#held.set(taken, holder)
    return taken
  }

  giveBack(address: IpAddress): void {
    if (!this.#held.delete(address)) return
    if (this.#inRange(addressToBigInt(address))) this.#released.push(address)
  }

  #next(): IpAddress {
    const { first, last } = this.#range
    this.#unwalked ??= last - first + 1n
    while (this.#unwalked > 0n) {
      const address = addressFromBigInt(this.#cursor, this.#family)
      this.#cursor = this.#after(this.#cursor)
      this.#unwalked--
      if (!this.#held.has(address) && !this.#released.has(address)) return address
    }
    const oldest = this.#released.shift()
    if (oldest === undefined) throw this.#exhausted()
    return oldest
  }

  #check(address: IpAddress): void {
    const value = this.#assertUsable(address)
    const holder = this.#held.get(address)
    if (holder !== undefined) {
      throw new CnmError(
        'ADDRESS_IN_USE',
        `${address} of ${this.holder} is already held by ${holder}`,
        {
          details: { address, holder, pool: this.subnet },
          hint: 'choose another address, or none to get a free one',
        },
      )
    }
    this.#released.delete(address)
    // At start the addresses held in a former life are requested one by one: go on after the last.
    if (this.#unwalked === undefined && this.#inRange(value)) this.#cursor = this.#after(value)
  }

  #assertUsable(address: IpAddress): bigint {
    if (!contains(this.subnet, address)) {
      throw this.#invalidAddress(address, `is outside ${this.subnet}, the subnet of ${this.holder}`)
    }
    const value = addressToBigInt(address)
    if (this.#hasReserved()) {
      const of = `of ${this.subnet} and can't be used by an endpoint`
      if (value === this.first) {
        const what = this.#family === 4 ? 'network' : 'subnet-router anycast'
        throw this.#invalidAddress(address, `is the ${what} address ${of}`)
      }
      if (value === this.last && this.#family === 4) {
        throw this.#invalidAddress(address, `is the broadcast address ${of}`)
      }
    }
    return value
  }

  /** Whether the subnet is long enough to have a network address (RFC 3021, RFC 6164). */
  #hasReserved(): boolean {
    return prefixLength(this.subnet) < bitsOf(this.#family) - 1
  }

  /** What of a part of the subnet can be handed out. */
  #usable(range: Prefix): Interval {
    if (range !== this.subnet && !contains(this.subnet, range)) {
      throw new CnmError('INVALID_POOL', `range ${range} is outside the subnet ${this.subnet}`, {
        details: { subnet: this.subnet, range },
      })
    }
    let { first, last } = prefixRange(range)
    if (this.#hasReserved()) {
      if (first === this.first) first++
      if (last === this.last && this.#family === 4) last--
    }
    if (first > last) {
      const what = `range ${range} has only addresses that are reserved in ${this.subnet}`
      throw new CnmError('INVALID_POOL', what, { details: { subnet: this.subnet, range } })
    }
    return { first, last }
  }

  #inRange(value: bigint): boolean {
    return this.#range.first <= value && value <= this.#range.last
  }

  #after(value: bigint): bigint {
    return value === this.#range.last ? this.#range.first : value + 1n
  }

  #invalidAddress(address: IpAddress, problem: string): CnmError {
    return new CnmError('INVALID_ADDRESS', `${address} ${problem}`, {
      details: { address, pool: this.subnet },
    })
  }

  #exhausted(): CnmError {
    const range = this.#rangeName
    // Nothing is ahead of the cursor and nothing was released: all of the range is held.
    const total = Number(this.#range.last - this.#range.first + 1n)
    const { words, holders } = listHolders(this.#heldInRange(), total)
    const way =
      range === this.subnet
        ? 'make a network with a larger subnet'
        : `ask for an address of ${this.subnet} outside the range ${range}`
    return new CnmError(
      'ADDRESSES_EXHAUSTED',
      `${this.holder} has no free address left in ${range}: ${words}`,
      { details: { range, total, holders }, hint: `disconnect endpoints, or ${way}` },
    )
  }

  *#heldInRange(): Iterable<readonly [IpAddress, string]> {
    for (const entry of this.#held) if (this.#inRange(addressToBigInt(entry[0]))) yield entry
  }
}
