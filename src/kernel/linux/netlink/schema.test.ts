import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { addressFromBytes, type IpAddress, type MacAddress } from '../../../address/address.ts'
import { isKernelError } from '../../../base/errors.ts'
import {
  be16,
  be32,
  be64,
  bool,
  bytes,
  type Codec,
  flag,
  i32,
  ipAddress,
  macAddress,
  string,
  u8,
  u16,
  u32,
  u64,
} from './codec.ts'
import {
  body,
  forEachAttribute,
  listOf,
  padding,
  schema,
  struct,
  unknown,
  type ValueOf,
  variant,
} from './schema.ts'

const inner = schema({ mtu: [4, u32], name: [3, string] })

const everything = schema({
  u8: [1, u8],
  u16: [2, u16],
  u32: [3, u32],
  i32: [4, i32],
  u64: [5, u64],
  be16: [6, be16],
  be32: [7, be32],
  be64: [8, be64],
  bool: [9, bool],
  string: [10, string],
  bytes: [11, bytes],
  flag: [12, flag],
  address: [13, ipAddress],
  mac: [14, macAddress],
  nested: [15, inner],
  list: [16, listOf(1, inner)],
  names: [17, listOf(53, string)],
  kind: variant(20, 21, { bridge: schema({ age: [1, u32] }), veth: inner }),
})

type Everything = ValueOf<typeof everything>

const head = struct({ family: u8, pad: padding(1), type: be16, index: i32 })
const message = body(head, everything)

const content = fc.uint8Array({ maxLength: 40 })
const text = fc.string({ unit: 'grapheme', maxLength: 20 }).filter((t) => !t.includes('\0'))
const number = fc.nat(0xffffffff)
const innerValue = fc.record({ mtu: number, name: text }, { requiredKeys: [] })

const everythingValue: fc.Arbitrary<Everything> = fc.record(
  {
    u8: fc.nat(0xff),
    u16: fc.nat(0xffff),
    u32: number,
    i32: fc.integer({ min: -0x80000000, max: 0x7fffffff }),
    u64: fc.bigInt({ min: 0n, max: 0xffffffffffffffffn }),
    be16: fc.nat(0xffff),
    be32: number,
    be64: fc.bigInt({ min: 0n, max: 0xffffffffffffffffn }),
    bool: fc.boolean(),
    string: text,
    bytes: content.map((value) => Buffer.from(value)),
    flag: fc.constant(true as const),
    address: fc.oneof(
      fc.uint8Array({ minLength: 4, maxLength: 4 }).map(addressFromBytes),
      fc.uint8Array({ minLength: 16, maxLength: 16 }).map(addressFromBytes),
    ) as fc.Arbitrary<IpAddress>,
    mac: fc.uint8Array({ minLength: 6, maxLength: 6 }).map(
      (value) =>
        Buffer.from(value)
          .toString('hex')
          .replaceAll(/..(?=.)/g, '$&:') as MacAddress,
    ),
    nested: innerValue,
    list: fc.array(innerValue, { maxLength: 4 }),
    names: fc.array(text, { maxLength: 4 }),
    kind: fc.oneof(
      fc.record({ kind: fc.constant('bridge' as const), data: fc.record({ age: number }) }),
      fc.record({ kind: fc.constant('veth' as const), data: innerValue }),
      fc.record({
        kind: fc.constant('other' as const),
        name: text.filter((name) => name !== 'bridge' && name !== 'veth'),
        data: content.map((value) => Buffer.from(value)),
      }),
    ),
  },
  { requiredKeys: [] },
)

/** Throws unless decoding either works or is refused in the one way it may be. */
function decodeAnything(codec: { decode(content: Uint8Array): unknown }, input: Uint8Array): void {
  try {
    codec.decode(input)
  } catch (error) {
    if (!isKernelError(error, 'EBADMSG')) throw error
  }
}

describe('a schema', () => {
  it('encodes and decodes, by hand', () => {
    const encoded = everything.encode({
      u16: 0x1234,
      string: 'br0',
      flag: true,
      nested: { mtu: 1500 },
      kind: { kind: 'bridge', data: { age: 1 } },
    })
    expect(encoded.toString('hex')).toBe(
      [
        '0600020034120000',
        '08000a0062723000',
        '04000c00',
        '0c000f80',
        '08000400dc050000',
        '0b00140062726964676500' + '00',
        '0c001580',
        '0800010001000000',
      ].join(''),
    )
  })

  it('reads back what it wrote', () => {
    fc.assert(
      fc.property(everythingValue, (value) => {
        expect(everything.decode(everything.encode(value))).toEqual(value)
      }),
    )
  })

  it('keeps attributes it does not know, and writes them again', () => {
    const wide = schema({ a: [1, u8], b: [2, string], c: [3, u32], d: [4, u16] })
    const narrow = schema({ c: [3, u32] })
    const encoded = wide.encode({ a: 1, b: 'xyz', c: 7, d: 9 })
    const value = narrow.decode(encoded)
    expect(value.c).toBe(7)
    const rest = Buffer.from(value[unknown]!)
    const seen: number[] = []
    forEachAttribute(rest, 0, rest.length, (id) => seen.push(id))
    expect(seen).toEqual([1, 2, 4])
    expect(wide.decode(narrow.encode(value))).toEqual({ a: 1, b: 'xyz', c: 7, d: 9 })
  })

  it('keeps the data of a kind it does not know', () => {
    const known = everything.decode(
      schema({ kind: [20, string], data: [21, bytes] }).encode({
        kind: 'vxlan',
        data: Buffer.from('abcd'),
      }),
    )
    expect(known.kind).toEqual({ kind: 'other', name: 'vxlan', data: Buffer.from('abcd') })
  })

  it('copies what it decodes, since receive buffers are used again', () => {
    const encoded = everything.encode({ bytes: Buffer.from('abcd') })
    const value = everything.decode(encoded)
    encoded.fill(0)
    expect(Buffer.from(value.bytes!).toString()).toBe('abcd')
  })

  it.each([
    ['an attribute longer than its place', '0c000100' + '00000000'],
    ['an attribute shorter than its header', '03000100'],
    ['an attribute of no length', '00000100'],
    ['half a header', '0400'],
    ['a number of the wrong size', '05000200' + '01000000'],
    ['an address of five bytes', '09000d00' + '0102030405000000'],
    ['an attribute inside that ends outside', '0c000f80' + '09000400dc050000'],
    ['data before its kind', '04001580'],
  ])('refuses %s', (_, hex) => {
    expect(() => everything.decode(Buffer.from(hex, 'hex'))).toThrow(/^netlink: EBADMSG: /)
  })

  it('decodes or refuses whatever bytes come', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (input) => decodeAnything(message, input)),
    )
  })

  it('decodes or refuses messages with damage', () => {
    const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(everythingValue, damage, fc.nat(8), (value, changes, cut) => {
        const encoded = message.encode({}, value)
        for (const [place, byte] of changes) encoded[place % encoded.length] = byte
        decodeAnything(message, encoded.subarray(0, encoded.length - cut))
      }),
    )
  })

  it('never looks behind its slot', () => {
    const encoded = everything.encode({ string: 'br0', bytes: Buffer.from('abcd'), u32: 1 })
    for (let length = 0; length < encoded.length; length++) {
      const whole = Buffer.concat([encoded.subarray(0, length), Buffer.alloc(64, 0x61)])
      let read: unknown
      try {
        read = everything.read(whole, 0, length)
      } catch (error) {
        if (!isKernelError(error, 'EBADMSG')) throw error
        continue
      }
      expect(JSON.stringify(read)).not.toContain('aa')
    }
  })

  it('may encode inside an encode', () => {
    const wrapped: Codec<string> = {
      write: (writer, value) => writer.bytes(inner.encode({ name: value })),
      read: (buffer, start, end) => inner.read(buffer, start, end).name ?? '',
    }
    const outer = schema({ before: [1, u32], wrapped: [2, wrapped] })
    const value = { before: 5, wrapped: 'eth0' }
    expect(outer.decode(outer.encode(value))).toEqual(value)
  })

  it('leaves nothing behind when a value is refused', () => {
    expect(() => inner.encode({ mtu: 1, name: 'a\0b' })).toThrow('NUL')
    expect(inner.encode({ mtu: 1 }).toString('hex')).toBe('0800040001000000')
  })
})

describe('a struct', () => {
  it('writes zeros for what is left out, and reads no more than its size', () => {
    const encoded = message.encode({ family: 2, type: 0x102 }, { u8: 5 })
    expect(encoded.toString('hex')).toBe('0200010200000000' + '0500010005000000')
    expect(message.decode(encoded)).toEqual({
      header: { family: 2, pad: undefined, type: 0x102, index: 0 },
      attributes: { u8: 5 },
    })
  })

  it('refuses less than its size', () => {
    expect(() => message.decode(Buffer.alloc(7))).toThrow('EBADMSG: 7 bytes where 8 belong')
  })
})
