import fc from 'fast-check'
import { expect, it } from 'vitest'
import {
  addressFromBigInt,
  addressToBigInt,
  bitsOf,
  contains,
  familyOf,
  type IpAddress,
  type Prefix,
  parsePrefix,
  prefixOf,
  prefixRange,
} from '../../address/address.ts'
import { AddressPool } from './address-pool.ts'

const subnets = ['10.7.0.0/28', '10.7.0.16/29', '10.7.0.4/31', '255.255.255.240/28', 'fd00::/124']

/** A subnet and a part of it, or all of it, as its range. */
const place = fc
  .tuple(
    fc.constantFrom(...subnets.map(parsePrefix)),
    fc.nat(15),
    fc.integer({ min: 0, max: 3 }),
    fc.boolean(),
  )
  .map(([subnet, offset, bits, whole]) => {
    if (whole) return { subnet, range: subnet }
    const address = addressesOf(subnet).at(offset % addressesOf(subnet).length)!
    const range = prefixOf(address, bitsOf(familyOf(subnet)) - bits)
    return { subnet, range: contains(subnet, range) ? range : subnet }
  })
  .filter(({ subnet, range }) => usableOf(subnet).some((address) => contains(range, address)))

/** `which` picks one of the addresses that the step could be about. */
const step = fc.record({
  kind: fc.constantFrom('next', 'next', 'named', 'release', 'release'),
  which: fc.nat(15),
})

it('hands out as a naive model does', () => {
  fc.assert(
    fc.property(place, fc.array(step, { maxLength: 80 }), ({ subnet, range }, steps) => {
      const pool = new AddressPool(subnet, range, 'network "web"')
      const model = new Model(subnet, range)
      for (const { kind, which } of steps) {
        if (kind === 'next') {
          expect(attempt(() => pool.take(undefined, 'endpoint'))).toBe(model.next())
        } else if (kind === 'named') {
          const address = addressesOf(subnet).at(which % addressesOf(subnet).length)!
          expect(attempt(() => pool.take(address, 'endpoint'))).toBe(model.named(address))
        } else {
          const address = model.held[which % model.held.length] ?? usableOf(subnet)[0]!
          pool.giveBack(address)
          model.release(address)
        }
      }
      while (model.free.length > 0) {
        expect(attempt(() => pool.take(undefined, 'endpoint'))).toBe(model.next())
      }
      expect(attempt(() => pool.take(undefined, 'endpoint'))).toBe('ADDRESSES_EXHAUSTED')
    }),
    { numRuns: 1000 },
  )
})

it('begins at once in the middle of a subnet of any length', () => {
  const pool = new AddressPool(parsePrefix('fd00::/16'), undefined, 'network "web"')
  const far = addressFromBigInt(prefixRange(pool.subnet).last, 6)
  expect(pool.take(far, 'gateway')).toBe('fd00:ffff:ffff:ffff:ffff:ffff:ffff:ffff')
  expect(pool.take(undefined, 'endpoint')).toBe('fd00::1')
  expect(pool.take(undefined, 'endpoint')).toBe('fd00::2')
})

/** The law in the plainest words: what is free, in the order in which it is to be handed out. */
class Model {
  free: IpAddress[]
  readonly held: IpAddress[] = []
  readonly #usable: readonly IpAddress[]
  readonly #range: Prefix
  readonly #released: IpAddress[] = []
  #begun = false

  constructor(subnet: Prefix, range: Prefix) {
    this.#usable = usableOf(subnet)
    this.#range = range
    this.free = this.#usable.filter((address) => contains(range, address))
  }

  next(): string {
    this.#begun = true
    const address = this.free.shift()
    if (address === undefined) return 'ADDRESSES_EXHAUSTED'
    this.held.push(address)
    return address
  }

  named(address: IpAddress): string {
    if (!this.#usable.includes(address)) return 'INVALID_ADDRESS'
    if (this.held.includes(address)) return 'ADDRESS_IN_USE'
    this.held.push(address)
    remove(this.free, address)
    remove(this.#released, address)
    if (!this.#begun && contains(this.#range, address)) this.#beginAfter(addressToBigInt(address))
    return address
  }

  release(address: IpAddress): void {
    if (!remove(this.held, address) || !contains(this.#range, address)) return
    this.free.push(address)
    this.#released.push(address)
  }

  #beginAfter(value: bigint): void {
    const fresh = this.#usable.filter(
      (address) => this.free.includes(address) && !this.#released.includes(address),
    )
    const later = fresh.filter((address) => addressToBigInt(address) > value)
    const earlier = fresh.filter((address) => addressToBigInt(address) < value)
    this.free = [...later, ...earlier, ...this.#released]
  }
}

function attempt(work: () => string): string {
  try {
    return work()
  } catch (error) {
    return (error as { code: string }).code
  }
}

function remove(list: IpAddress[], address: IpAddress): boolean {
  const index = list.indexOf(address)
  if (index >= 0) list.splice(index, 1)
  return index >= 0
}

function addressesOf(prefix: Prefix): IpAddress[] {
  const { first, last } = prefixRange(prefix)
  const count = Number(last - first + 1n)
  return Array.from({ length: count }, (_, index) =>
    addressFromBigInt(first + BigInt(index), familyOf(prefix)),
  )
}

function usableOf(subnet: Prefix): IpAddress[] {
  const all = addressesOf(subnet)
  if (all.length <= 2) return all
  return familyOf(subnet) === 4 ? all.slice(1, -1) : all.slice(1)
}
