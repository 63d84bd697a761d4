import { isIP } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isCnmError } from '../base/errors.ts'
import {
  addressBytes,
  addressFromBigInt,
  addressFromBytes,
  addressToBigInt,
  bitsOf,
  cidrAddress,
  cidrOf,
  cidrPrefix,
  contains,
  familyOf,
  type IpFamily,
  overlaps,
  parseAddress,
  parseCidr,
  parsePrefix,
  prefixAddress,
  prefixLength,
  prefixOf,
  prefixRange,
} from './address.ts'

const family = fc.constantFrom<IpFamily>(4, 6)
const bytesOf = (count: number) => fc.uint8Array({ minLength: count, maxLength: count })
/** Long runs of zeros are where mistakes show. */
const sparse = fc
  .array(fc.constantFrom(0, 0, 0, 1, 0xff, 0x10, 0xffff), { minLength: 8, maxLength: 8 })
  .map((groups) => Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 255])))
const bytes = fc.oneof(bytesOf(4), bytesOf(16), sparse)
const prefix = family.chain((f) =>
  fc
    .tuple(fc.bigInt(0n, (1n << BigInt(bitsOf(f))) - 1n), fc.integer({ min: 0, max: bitsOf(f) }))
    .map(([value, length]) => prefixOf(addressFromBigInt(value, f), length)),
)
/** Near one another, so that they often overlap. */
const nearPrefix = fc
  .tuple(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 22, max: 32 }))
  .map(([value, length]) => prefixOf(addressFromBigInt(0x0a070000n + BigInt(value), 4), length))

function problem(work: () => unknown): { message: string; hint: string | undefined } {
  try {
    work()
  } catch (error) {
    if (isCnmError(error, 'INVALID_ADDRESS')) return { message: error.message, hint: error.hint }
    throw error
  }
  throw new Error('nothing was thrown')
}

describe('parseAddress', () => {
  it.each([
    ['10.7.0.2', '10.7.0.2'],
    ['0.0.0.0', '0.0.0.0'],
    ['255.255.255.255', '255.255.255.255'],
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['FD00:0:0:0:0:0:0:1', 'fd00::1'],
    ['2001:0db8::0001', '2001:db8::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['64:ff9b::192.0.2.1', '64:ff9b::c000:201'],
  ])('%s is %s', (text, canonical) => {
    expect(parseAddress(text)).toBe(canonical)
  })

  it.each([
    ['', '"" is not an IP address: it does not have four numbers'],
    ['web', '"web" is not an IP address: it does not have four numbers'],
    ['10.7.0', '"10.7.0" is not an IPv4 address: it does not have four numbers'],
    ['10.7.0.', '"10.7.0." is not an IPv4 address: "" is not a number from 0 to 255'],
    ['10.7.0.256', '"10.7.0.256" is not an IPv4 address: "256" is not a number from 0 to 255'],
    ['10.7.0.1 ', '"10.7.0.1 " is not an IPv4 address: "1 " is not a number from 0 to 255'],
    ['10.07.0.1', '"10.07.0.1" is not an IPv4 address: "07" has a leading zero'],
    ['1::2::3', '"1::2::3" is not an IPv6 address: "::" may stand only once'],
    ['1:2:3', '"1:2:3" is not an IPv6 address: it does not have eight groups'],
    ['1:2:3:4:5:6:7:8::', '"1:2:3:4:5:6:7:8::" is not an IPv6 address: it has too many groups'],
    [
      'fd00::12345',
      '"fd00::12345" is not an IPv6 address: "12345" is not a group of one to four hexadecimal digits',
    ],
    [
      '::1.2.3.4:5',
      '"::1.2.3.4:5" is not an IPv6 address: "1.2.3.4" is not a group of one to four hexadecimal digits',
    ],
    [
      '1.2.3.4::',
      '"1.2.3.4::" is not an IPv6 address: "1.2.3.4" is not a group of one to four hexadecimal digits',
    ],
    ['fe80::1%eth0', '"fe80::1%eth0" has a zone, which is not supported'],
    ['::ffff:10.7.0.2', '"::ffff:10.7.0.2" is an IPv4-mapped IPv6 address'],
    ['::FFFF:a07:2', '"::FFFF:a07:2" is an IPv4-mapped IPv6 address'],
  ])('refuses %j', (text, message) => {
    expect(problem(() => parseAddress(text)).message).toBe(message)
  })

  it('says how to write it instead', () => {
    expect(problem(() => parseAddress('::ffff:a07:2')).hint).toBe('write 10.7.0.2')
    expect(problem(() => parseAddress('fe80::1%eth0')).hint).toBe('leave out "%eth0"')
  })

  it('accepts what node:net accepts, except zones and mapped addresses', () => {
    const piece = fc.constantFrom(
      '0',
      '1',
      '00',
      '010',
      '255',
      '256',
      'ff',
      'FFFF',
      'abcde',
      'g',
      '',
    )
    const dotted = fc.array(piece, { minLength: 3, maxLength: 5 }).map((parts) => parts.join('.'))
    const colons = fc
      .array(fc.oneof(piece, dotted), { minLength: 2, maxLength: 9 })
      .map((parts) => parts.join(':'))
    const real = bytes.map((b) => addressFromBytes(b) as string)
    const text = fc.oneof(dotted, colons, real, fc.string())
    fc.assert(
      fc.property(text, (candidate) => {
        const expected = isIP(candidate) !== 0 && !candidate.includes('%') && !isMapped(candidate)
        let accepted = true
        try {
          parseAddress(candidate)
        } catch {
          accepted = false
        }
        expect(accepted).toBe(expected)
      }),
      { numRuns: 3000 },
    )
  })

  it('writes IPv6 as the URL parser does', () => {
    fc.assert(
      fc.property(sparse, (b) => {
        const address = addressFromBytes(b)
        expect(`[${address}]`).toBe(new URL(`http://[${fullText(b)}]`).hostname)
      }),
    )
  })
})

/** As told by the URL parser, whose text of a mapped address always begins so. */
function isMapped(text: string): boolean {
  return isIP(text) === 6 && /^\[::ffff:[^:]+:[^:]+\]$/.test(new URL(`http://[${text}]`).hostname)
}

function fullText(b: Uint8Array): string {
  return Buffer.from(b).toString('hex').match(/.{4}/g)!.join(':')
}

describe('conversions', () => {
  it('come back from bytes, value and text', () => {
    fc.assert(
      fc.property(bytes, (b) => {
        const address = addressFromBytes(b)
        expect(familyOf(address)).toBe(b.length === 4 ? 4 : 6)
        expect(addressBytes(address)).toEqual(b)
        expect(addressToBigInt(address)).toBe(BigInt(`0x${Buffer.from(b).toString('hex')}`))
        expect(addressFromBigInt(addressToBigInt(address), familyOf(address))).toBe(address)
        if (!isMapped(address)) expect(parseAddress(address)).toBe(address)
      }),
    )
  })

  it('refuse what is no address', () => {
    expect(problem(() => addressFromBytes(new Uint8Array(5))).message).toBe(
      'an address has 4 or 16 bytes, not 5',
    )
    expect(problem(() => addressFromBigInt(1n << 32n, 4)).message).toContain('IPv4')
    expect(problem(() => addressFromBigInt(-1n, 6)).message).toContain('IPv6')
  })
})

describe('prefixes', () => {
  it('are parsed', () => {
    expect(parsePrefix('10.7.0.0/24')).toBe('10.7.0.0/24')
    expect(parsePrefix('0.0.0.0/0')).toBe('0.0.0.0/0')
    expect(parsePrefix('FD00:1::/64')).toBe('fd00:1::/64')
    expect(parseCidr('10.7.0.2/24')).toBe('10.7.0.2/24')
  })

  it('with host bits are refused with the prefix meant', () => {
    expect(problem(() => parsePrefix('10.7.0.2/24'))).toEqual({
      message: '"10.7.0.2/24" has bits set beyond its length of 24',
      hint: 'write 10.7.0.0/24',
    })
    expect(problem(() => parsePrefix('fd00::1/64')).hint).toBe('write fd00::/64')
  })

  it.each([
    '10.7.0.0/33',
    '10.7.0.0/',
    '10.7.0.0/08',
    '10.7.0.0/-1',
    '10.7.0.0/1e1',
    '::/129',
    '10.7.0.0/24/24',
    '10.7.0.0',
  ])('refuse %j', (text) => {
    expect(problem(() => parsePrefix(text)).message).toContain('length')
    expect(problem(() => parseCidr(text)).message).toContain('length')
  })

  it('have a length, a first address and a range', () => {
    fc.assert(
      fc.property(prefix, (p) => {
        const { first, last } = prefixRange(p)
        expect(addressToBigInt(prefixAddress(p))).toBe(first)
        expect(last - first + 1n).toBe(1n << BigInt(bitsOf(familyOf(p)) - prefixLength(p)))
        expect(prefixOf(addressFromBigInt(last, familyOf(p)), prefixLength(p))).toBe(p)
        if (prefixLength(p) < 80) expect(parsePrefix(p)).toBe(p)
      }),
    )
  })

  it('are what an interface address is in', () => {
    const cidr = parseCidr('10.7.0.2/24')
    expect(cidrAddress(cidr)).toBe('10.7.0.2')
    expect(cidrPrefix(cidr)).toBe('10.7.0.0/24')
    expect(prefixLength(cidr)).toBe(24)
    expect(cidrOf(parseAddress('fd00::2'), 64)).toBe('fd00::2/64')
  })

  it('contain and overlap as their ranges do', () => {
    const pair = fc.oneof(fc.tuple(prefix, prefix), fc.tuple(nearPrefix, nearPrefix))
    fc.assert(
      fc.property(pair, ([a, b]) => {
        const [x, y] = [prefixRange(a), prefixRange(b)]
        const same = familyOf(a) === familyOf(b)
        expect(contains(a, b)).toBe(same && x.first <= y.first && y.last <= x.last)
        expect(contains(a, prefixAddress(b))).toBe(same && x.first <= y.first && y.first <= x.last)
        expect(overlaps(a, b)).toBe(same && x.first <= y.last && y.first <= x.last)
      }),
    )
  })
})
