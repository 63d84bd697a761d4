import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isKernelError } from '../../../../base/errors.ts'
import type { SetDefinition, TableDefinition } from '../../../ruleset.ts'
import { elementsBody } from '../message.ts'
import { setShape } from '../set.ts'
import {
  decodeElements,
  type Element,
  elementTarget,
  encodeElement,
  encodeKey,
  shapeFor,
} from './element.ts'

const place = { family: 'inet', table: 't', set: 's' } as const
const address = fc.uint8Array({ minLength: 4, maxLength: 4 }).map((bytes) => bytes.join('.'))
const port = fc.nat(65535).map(String)
const protocol = fc.constantFrom('tcp', 'udp', 'icmp', 'ipv6-icmp', '47')
const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,14}$/).filter((text) => text !== 'constructor')
const ports = fc
  .tuple(fc.nat(65535), fc.nat(65535))
  .map(([a, b]) => (a === b ? String(a) : `${Math.min(a, b)}-${Math.max(a, b)}`))
const prefix = fc
  .tuple(fc.nat(0xffffffff), fc.integer({ min: 0, max: 31 }))
  .map(([value, length]) => {
    const masked = length === 0 ? 0 : (value & (-1 << (32 - length))) >>> 0
    const bytes = [24, 16, 8, 0].map((shift) => (masked >>> shift) & 255)
    return `${bytes.join('.')}/${length}`
  })

interface Kind {
  readonly set: Omit<SetDefinition, 'name'>
  readonly key: fc.Arbitrary<string[]>
  readonly value?: fc.Arbitrary<string[]>
}

const kinds: Record<string, Kind> = {
  'a set of names': { set: { key: ['ifname'] }, key: fc.tuple(name) },
  'prefixes of a link': {
    set: { key: ['ifname', 'ipv4_addr'], interval: true },
    key: fc.tuple(name, prefix),
  },
  'plain prefixes': { set: { key: ['ipv4_addr'], interval: true }, key: fc.tuple(prefix) },
  'published ports': {
    set: { key: ['inet_proto', 'inet_service'], value: ['ipv4_addr', 'inet_service'] },
    key: fc.tuple(protocol, port),
    value: fc.tuple(address, port),
  },
  'ranges of ports': {
    set: { key: ['inet_proto', 'inet_service'], interval: true, value: ['ipv4_addr'] },
    key: fc.tuple(protocol, ports),
    value: fc.tuple(address),
  },
  verdicts: {
    set: { key: ['nf_proto', 'ifname'], value: 'verdict' },
    key: fc.tuple(fc.constantFrom('ipv4', 'ipv6'), name),
    value: fc.oneof(
      fc.constantFrom('accept', 'drop', 'continue', 'return').map((verdict) => [verdict]),
      name.map((chain) => [`jump ${chain}`]),
      name.map((chain) => [`goto ${chain}`]),
    ),
  },
}

const shapeOf = (kind: Kind) => setShape({ name: 's', ...kind.set })

describe('an element', () => {
  it.each(Object.entries(kinds))('of %s is read back as it was written', (_, kind) => {
    const shape = shapeOf(kind)
    const element = fc.record({
      key: kind.key,
      value: kind.value ?? fc.constant(undefined),
      owner: fc.option(fc.stringMatching(/^[0-9a-f]{1,64}$/), { nil: undefined }),
      timeoutMs: fc.option(fc.integer({ min: 1, max: 2 ** 40 }), { nil: undefined }),
    })
    fc.assert(
      fc.property(element, (fields) => {
        const written: Element = { ...place, ...fields } as Element
        const body = elementsBody.encode({}, { elements: encodeElement(shape, written) })
        const { elements = [] } = elementsBody.decode(body).attributes
        expect(decodeElements(shape, place, elements)).toEqual([written])
      }),
    )
  })

  it('of many plain intervals, in any order, is told from its neighbours', () => {
    const shape = shapeOf(kinds['plain prefixes']!)
    const keys = ['0.0.0.0/8', '10.0.0.0/8', '11.0.0.0/8', '11.1.1.1-12.0.0.0', '255.0.0.0/8']
    const entries = keys.flatMap((key) => encodeElement(shape, { ...place, key: [key] }))
    fc.assert(
      fc.property(fc.shuffledSubarray(entries, { minLength: entries.length }), (shuffled) => {
        // 11.1.1.1 lies in 11.0.0.0/8: leave that one out, the kernel would refuse it.
        const disjoint = shuffled.filter((entry) => !encodedOf('11.1.1.1-12.0.0.0').includes(entry))
        expect(decodeElements(shape, place, disjoint).map(({ key }) => key[0])).toEqual(
          keys.filter((key) => !key.includes('-')),
        )
      }),
    )
    function encodedOf(key: string) {
      const at = keys.indexOf(key) * 2
      return entries.slice(at, at + 2)
    }
  })

  it('is named by its key alone when it goes', () => {
    const shape = shapeOf(kinds['published ports']!)
    expect(encodeKey(shape, { ...place, key: ['tcp', '80'], value: ['10.0.0.1', '1'] })).toEqual([
      { key: { value: Uint8Array.of(6, 0, 0, 0, 0, 80, 0, 0) } },
    ])
  })

  it('is called as nft calls it', () => {
    const shape = shapeOf(kinds['prefixes of a link']!)
    expect(elementTarget(shape, { ...place, key: ['br-x', '10.7.0.0/24'] })).toBe(
      'element inet t s { "br-x" . 10.7.0.0/24 }',
    )
  })

  it.each<[keyof typeof kinds, string[], string[] | undefined, RegExp]>([
    ['a set of names', ['a', 'b'], undefined, /a \. b is not of the form ifname/],
    ['published ports', ['tcp', '80-90'], ['10.0.0.1', '1'], /is a range/],
    ['published ports', ['tcp', '80'], ['10.0.0.1'], /ipv4_addr \. inet_service/],
    ['published ports', ['tcp', '80'], undefined, /ipv4_addr \. inet_service/],
    ['verdicts', ['ipv4', 'a'], ['jump'], /"jump" is not a verdict/],
    ['verdicts', ['ipv4', 'a'], ['drop it'], /"drop it" is not a verdict/],
    ['verdicts', ['ipv4', 'a'], ['constructor'], /is not a verdict/],
  ])('of %s can not be %j : %j', (name, key, value, message) => {
    const element = { ...place, key, ...(value ? { value } : {}) }
    expect(() => encodeElement(shapeOf(kinds[name]!), element)).toThrow(message)
  })

  it('needs a definition of its set', () => {
    const table: TableDefinition = {
      family: 'inet',
      name: 't',
      owned: false,
      sets: [{ name: 's', key: ['ifname'] }],
      chains: [],
    }
    expect(shapeFor([table], place).key.bytes).toBe(16)
    expect(() => shapeFor([table], { ...place, family: 'ip' })).toThrow('no set ip t s is defined')
  })
})

describe('reading elements', () => {
  it('of any bytes gives elements or EBADMSG', () => {
    const shapes = Object.values(kinds).map(shapeOf)
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(shapes.length - 1), (bytes, index) => {
        readOrRefuse(bytes, index)
      }),
      { numRuns: 500 },
    )
    function readOrRefuse(bytes: Uint8Array, index: number): void {
      let entries: ReturnType<typeof elementsBody.decode>['attributes']['elements']
      try {
        entries = elementsBody.decode(bytes).attributes.elements
      } catch (error) {
        expect(isKernelError(error, 'EBADMSG')).toBe(true)
        return
      }
      decodeElements(shapes[index]!, place, entries ?? [])
    }
  })

  it('of a real message with any byte changed does too', () => {
    const kind = kinds.verdicts!
    const written = { ...place, key: ['ipv4', 'br-x'], value: ['jump nat4'], owner: 'net' }
    const body = elementsBody.encode({}, { elements: encodeElement(shapeOf(kind), written) })
    fc.assert(
      fc.property(fc.nat(body.length - 1), fc.nat(255), (at, byte) => {
        const broken = Buffer.from(body)
        broken[at] = byte
        try {
          const { elements = [] } = elementsBody.decode(broken).attributes
          decodeElements(shapeOf(kind), place, elements)
        } catch (error) {
          expect(isKernelError(error, 'EBADMSG')).toBe(true)
        }
      }),
      { numRuns: 500 },
    )
  })
})
