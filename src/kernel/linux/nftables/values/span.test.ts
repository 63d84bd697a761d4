import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { DataType } from '../../../ruleset.ts'
import { formatSpan, isSpan, parseSpan, prefixMask } from './span.ts'
import { valueType } from './value-type.ts'

const span = (name: DataType, text: string) => {
  const { start, end } = parseSpan(valueType(name), text)
  return [Buffer.from(start).toString('hex'), Buffer.from(end).toString('hex')]
}

describe('parseSpan', () => {
  it.each<[DataType, string, string, string?]>([
    ['ipv4_addr', '10.7.0.1', '0a070001'],
    ['ipv4_addr', '10.7.0.0/24', '0a070000', '0a0700ff'],
    ['ipv4_addr', '10.7.0.0/23', '0a070000', '0a0701ff'],
    ['ipv4_addr', '0.0.0.0/0', '00000000', 'ffffffff'],
    ['ipv4_addr', '10.7.0.3-10.8.0.0', '0a070003', '0a080000'],
    ['ipv6_addr', 'fe80::/10', `fe80${'00'.repeat(14)}`, `febf${'ff'.repeat(14)}`],
    ['inet_service', '80', '0050'],
    ['inet_service', '1000-1999', '03e8', '07cf'],
    ['inet_proto', 'tcp', '06'],
    ['inet_proto', 'ipv6-icmp', '3a'],
    ['inet_proto', '47', '2f'],
    ['nf_proto', 'ipv6', '0a'],
    ['mark', '0x10', '10000000'],
    ['mark', '4294967295', 'ffffffff'],
    ['ether_addr', '02:00:00:00:00:0a', '02000000000a'],
    ['ifname', 'br-x', '62722d78000000000000000000000000'],
    ['ifname', 'a/b', '612f6200000000000000000000000000'],
  ])('%s %s', (type, text, start, end = start) => {
    expect(span(type, text)).toEqual([start, end])
  })

  it.each<[DataType, string]>([
    ['ipv4_addr', '::1'],
    ['ipv6_addr', '10.0.0.1'],
    ['ipv4_addr', '10.0.0.1/24'],
    ['ipv4_addr', '10.0.0.2-10.0.0.1'],
    ['inet_service', '65536'],
    ['inet_service', '-1'],
    ['inet_service', '80/8'],
    ['inet_service', 'http'],
    ['inet_proto', 'toString'],
    ['mark', '4294967296'],
    ['mark', ''],
    ['ifname', ''],
    ['ifname', 'sixteen-letters!'],
    ['ether_addr', '02:00:00:00:00'],
  ])('refuses %s %j', (type, text) => {
    expect(() => span(type, text)).toThrow(expect.objectContaining({ name: 'CnmError' }))
  })
})

describe('formatSpan', () => {
  const addresses = (bytes: number) => fc.uint8Array({ minLength: bytes, maxLength: bytes })
  const cases: [DataType, fc.Arbitrary<Uint8Array>][] = [
    ['ipv4_addr', addresses(4)],
    ['ipv6_addr', addresses(16).filter(([first]) => first !== 0)],
    ['inet_service', addresses(2)],
  ]

  it.each(cases)('of %s is read back as the same', (name, values) => {
    const type = valueType(name)
    fc.assert(
      fc.property(values, values, (a, b) => {
        const [start, end] = Buffer.compare(a, b) <= 0 ? [a, b] : [b, a]
        expect(parseSpan(type, formatSpan(type, { start, end }))).toEqual({ start, end })
      }),
    )
  })

  it.each(cases.slice(0, 2))('writes every prefix of %s as one', (name, values) => {
    const type = valueType(name)
    fc.assert(
      fc.property(values, fc.nat(8 * type.bytes - 1), (address, length) => {
        const mask = prefixMask(type.bytes, length)
        const start = address.map((byte, index) => byte & mask[index]!)
        const end = start.map((byte, index) => byte | (~mask[index]! & 0xff))
        const text = formatSpan(type, { start, end })
        expect(text).toBe(`${type.format(start)}/${length}`)
        expect(isSpan(type, text)).toBe(true)
      }),
    )
  })

  it('keeps numbers apart from names', () => {
    const port = valueType('inet_service')
    expect(formatSpan(port, parseSpan(port, '0-255'))).toBe('0-255')
    const mark = valueType('mark')
    expect(formatSpan(mark, parseSpan(mark, '18'))).toBe('0x00000012')
  })
})
