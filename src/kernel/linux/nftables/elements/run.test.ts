import { describe, expect, it } from 'vitest'
import { eachElement } from '../../../resource.ts'
import type { TableDefinition } from '../../../ruleset.ts'
import type { Element } from './element.ts'
import { elementLoads } from './element-loads.ts'

const table: TableDefinition = {
  family: 'inet',
  name: 't',
  owned: false,
  sets: [
    {
      name: 'ports',
      key: ['inet_proto', 'inet_service'],
      value: ['ipv4_addr', 'inet_service'],
    },
    { name: 'open', key: ['ipv6_addr', 'inet_proto', 'inet_service'] },
    { name: 'simple', key: ['inet_service'], value: ['inet_service'] },
  ],
  chains: [],
}

function element(set: string, key: readonly string[], more: Partial<Element> = {}): Element {
  return { family: 'inet', table: 't', set, key, ...more }
}

const runs: readonly (readonly [string, Element])[] = [
  ['a map', element('ports', ['tcp', '8000'], { value: ['10.7.0.2', '80'], owner: 'e' })],
  ['a set', element('open', ['fd00::2', 'udp', '65000'])],
  ['single ports', element('simple', ['250'], { value: ['65200'], timeoutMs: 1000 })],
]

describe.each(runs)('a run in %s', (_, first) => {
  it.each(['NFT_MSG_NEWSETELEM', 'NFT_MSG_DELSETELEM'] as const)(
    'is the same bytes as its elements one by one: %s',
    (operation) => {
      const run = { ...first, run: 300 }
      const bodies = (elements: readonly Element[]) =>
        [...elementLoads(operation, [table], elements)].map(({ body }) => Buffer.from(body))
      // As many in a message as there are, if each is one by itself.
      const [body, ...others] = bodies([run])
      expect(others).toEqual([])
      const each = eachElement(run).flatMap((one) => bodies([one]))
      const head = each[0]!.length - sizeOf(each)
      const entries = Buffer.concat(each.map((one) => one.subarray(head)))
      expect(body!.subarray(head).equals(entries)).toBe(true)
    },
  )
})

/** Of an element in a message with one: all of them end with the list of elements. */
function sizeOf(bodies: readonly Buffer[]): number {
  const attributeHeader = 4
  const [first] = bodies as [Buffer]
  const list = Array.from({ length: first.length }, (_, at) => at).find(
    (at) =>
      at % 4 === 0 &&
      first.readUInt16LE(at) === first.length - at &&
      (first.readUInt16LE(at + 2) & 0x3fff) === 3,
  )!
  return first.length - list - attributeHeader
}

describe('the messages of a run', () => {
  const run = element('ports', ['tcp', '1000'], {
    value: ['10.7.0.2', '1000'],
    owner: 'f'.repeat(64),
    run: 2000,
  })

  it('have 500 elements at most, and know each by its name', () => {
    const loads = [...elementLoads('NFT_MSG_NEWSETELEM', [table], [run, run])]
    expect(loads).toHaveLength(8)
    expect(loads[1]!.nameOf(7)).toBe('element inet t ports { tcp . 1507 }')
    expect(loads[4]!.nameOf(0)).toBe('element inet t ports { tcp . 1000 }')
    expect(loads[4]!.nameOf(-1)).toBeUndefined()
  })

  it('stand between those of other elements, in order', () => {
    const one = element('ports', ['udp', '9'], { value: ['10.7.0.2', '9'] })
    const loads = [...elementLoads('NFT_MSG_DELSETELEM', [table], [one, run, one, one])]
    expect(loads.map(({ nameOf }) => nameOf(0))).toEqual([
      'element inet t ports { udp . 9 }',
      ...[1000, 1500, 2000, 2500].map((port) => `element inet t ports { tcp . ${port} }`),
      'element inet t ports { udp . 9 }',
    ])
  })

  it('fit into an attribute, however large an element is', () => {
    const large = { ...run, owner: 'f'.repeat(230) }
    const loads = [...elementLoads('NFT_MSG_NEWSETELEM', [table], [large])]
    expect(loads.every(({ body }) => body.length < 65_535)).toBe(true)
    expect(loads.length).toBeGreaterThan(4)
    expect(loads.at(-1)!.nameOf(0)).toMatch(/tcp \. 2\d{3}/)
  })
})

it.each<[string, Partial<Element>]>([
  ['is no number of elements', { run: 0 }],
  ['is no number of elements', { run: 1.5 }],
  ['there is no port above 65535', { run: 2, key: ['tcp', '65535'] }],
  ['0x50 is no port', { run: 2, key: ['tcp', '0x50'] }],
])('refuses what can not be a run: %s', (why, more) => {
  const wrong = { ...element('ports', ['tcp', '1'], { value: ['10.7.0.2', '1'] }), ...more }
  expect(() => [...elementLoads('NFT_MSG_NEWSETELEM', [table], [wrong])]).toThrow(why)
})
