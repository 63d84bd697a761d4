import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { isKernelError, type KernelError } from '#dist/base/errors.js'
import { armFault, disarmFault } from '#dist/kernel/linux/ffi/fault.js'
import {
  Batch,
  changeElements,
  type Element,
  type ElementChange,
  getElement,
  listElements,
  listTableElements,
  replaceTable,
  type TableDefinition,
} from '#dist/kernel/linux/nftables/index.js'
import { eachElement } from '#dist/kernel/resource.js'
import { inOwnNamespace, nft } from '../support/nft.ts'

const socket = inOwnNamespace()

const table: TableDefinition = {
  family: 'inet',
  name: 't',
  owned: false,
  sets: [
    { name: 'links', key: ['ifname'] },
    { name: 'modes', key: ['nf_proto', 'ifname'], value: 'verdict' },
    { name: 'ports', key: ['inet_proto', 'inet_service'], value: ['ipv4_addr', 'inet_service'] },
    { name: 'prefixes', key: ['ifname', 'ipv4_addr'], interval: true },
    { name: 'plain', key: ['ipv4_addr'], interval: true },
  ],
  chains: [{ name: 'nat', rules: [] }],
}

beforeEach(() => replaceTable(socket(), table))
afterEach(() => disarmFault())

function element(set: string, key: string[], more: Partial<Element> = {}): Element {
  return { family: 'inet', table: 't', set, key, ...more }
}

function change(change: Partial<ElementChange>, compareOwners = false): ElementChange {
  return changeElements(socket(), [table], { remove: [], add: [], ...change }, { compareOwners })
}

function inSet(set: string): Element[] {
  return listElements(socket(), [table], element(set, []))
}

/** While the kernel gives a set that grows more room, it may not list all that is in it. */
function expectInTime(look: () => unknown) {
  return expect.poll(look, { interval: 5 })
}

function refusal(work: () => unknown): KernelError {
  try {
    work()
  } catch (error) {
    if (isKernelError(error)) return error
    throw error
  }
  throw new Error('nothing was refused')
}

/** Elements of every kind of set, as one network might have them. */
const some: Element[] = [
  element('links', ['br-x'], { owner: 'net' }),
  element('modes', ['ipv4', 'br-x'], { value: ['goto nat'], owner: 'net' }),
  element('ports', ['tcp', '80'], { value: ['10.0.0.1', '8080'], owner: 'net' }),
  element('prefixes', ['br-x', '10.7.0.0/24'], { owner: 'net' }),
  element('plain', ['10.0.0.0/8'], { owner: 'net' }),
]
const allSets = () => table.sets.flatMap(({ name }) => inSet(name))

describe('adding', () => {
  it('what is there already, just so, is fine and changes nothing', () => {
    expect(change({ add: some })).toEqual({ remove: [], add: some })
    const before = nft('list ruleset')
    expect(change({ add: some })).toEqual({ remove: [], add: [] })
    expect(nft('list ruleset')).toBe(before)
    const more = element('links', ['br-y'])
    expect(change({ add: [...some, more] })).toEqual({ remove: [], add: [more] })
  })

  it('knows the same key however it is written', () => {
    change({ add: some })
    const written = element('ports', ['6', '0x50'], { value: ['10.0.0.1', '8080'], owner: 'net' })
    expect(change({ add: [written] })).toEqual({ remove: [], add: [] })
  })

  it.each<[string, Element, Element]>([
    ['another verdict', some[1]!, { ...some[1]!, value: ['drop'] }],
    ['another value', some[2]!, { ...some[2]!, value: ['10.0.0.1', '8081'] }],
    ['another owner', some[0]!, { ...some[0]!, owner: 'other' }],
    ['another owner of a prefix', some[3]!, { ...some[3]!, owner: 'other' }],
    ['another owner of a plain interval', some[4]!, { ...some[4]!, owner: 'other' }],
  ])('replaces an element that has %s, and tells the way back', (_, old, wanted) => {
    change({ add: some })
    const done = change({ add: [wanted] })
    expect(done).toEqual({ remove: [old], add: [wanted] })
    expect(inSet(wanted.set)).toEqual([wanted])
    change({ remove: done.add, add: done.remove })
    expect(inSet(old.set)).toEqual([old])
  })

  it.each<[string, Element, string]>([
    ['overlaps', element('prefixes', ['br-x', '10.7.0.128/25']), 'EEXIST'],
    ['overlaps', element('plain', ['10.1.0.0-11.0.0.0']), 'EEXIST'],
    ['jumps nowhere', element('modes', ['ipv6', 'br-x'], { value: ['jump gone'] }), 'ENOENT'],
  ])('names the element that %s: %o', (_, bad, errno) => {
    change({ add: some })
    const before = nft('list ruleset')
    const others = [element('links', ['br-y']), element('links', ['br-z'])]
    const refused = refusal(() => change({ add: [others[0]!, bad, others[1]!] }))
    const key = bad.key.map((part) => (part === 'br-x' ? '"br-x"' : part)).join(' . ')
    expect(refused).toMatchObject({
      operation: 'NFT_MSG_NEWSETELEM',
      errno,
      target: `element inet t ${bad.set} { ${key} }`,
    })
    expect(nft('list ruleset')).toBe(before)
  })
})

describe('removing', () => {
  it('what is gone succeeds, and the rest goes', () => {
    change({ add: some })
    const absent = [
      element('links', ['br-q']),
      element('prefixes', ['br-x', '10.7.0.0/25']),
      element('plain', ['10.0.0.1']),
    ]
    const done = change({ remove: [absent[0]!, some[0]!, ...absent, some[4]!] })
    expect(done).toEqual({ remove: [some[0], some[4]], add: [] })
    expect(allSets()).toEqual(some.slice(1, 4))
    expect(change({ remove: absent })).toEqual({ remove: [], add: [] })
  })

  it('succeeds where the set or the table is gone too', () => {
    nft('delete table inet t')
    expect(change({ remove: some })).toEqual({ remove: [], add: [] })
    expect(change({ remove: some }, true)).toEqual({ remove: [], add: [] })
    expect(refusal(() => change({ remove: some, add: some.slice(0, 1) }))).toMatchObject({
      errno: 'ENOENT',
      target: 'elements of inet t links',
    })
  })

  it('leaves what has another owner, where that is asked', () => {
    change({ add: some })
    const notOurs = some.map((one) => ({ ...one, owner: 'other' }))
    expect(change({ remove: notOurs }, true)).toEqual({ remove: [], add: [] })
    expect(allSets()).toEqual(some)
    expect(change({ remove: some }, true)).toEqual({ remove: some, add: [] })
    expect(allSets()).toEqual([])
    change({ add: some })
    change({ remove: notOurs })
    expect(allSets()).toEqual([])
  })

  it('and adding the same key is one change', () => {
    change({ add: some })
    const other = { ...some[2]!, value: ['10.0.0.9', '9'] }
    change({ remove: [some[2]!], add: [other] })
    expect(inSet('ports')).toEqual([other])
    change({ remove: [other], add: [some[2]!] }, true)
    expect(inSet('ports')).toEqual([some[2]])
  })
})

describe('one element', () => {
  it('is found by its key', () => {
    change({ add: some })
    for (const one of some.slice(0, 4)) {
      expect(getElement(socket(), [table], { ...one, owner: 'x' })).toEqual(one)
    }
    expect(getElement(socket(), [table], element('links', ['br-q']))).toBeUndefined()
  })
})

describe('all elements of a table', () => {
  it('are read without a definition of it', () => {
    change({ add: some })
    nft('add set inet t strange { type dscp; }')
    nft('add element inet t strange { cs1 }')
    nft('add rule inet t nat iifname { "own", "set" } drop')
    expect(listTableElements(socket(), table)).toEqual(some)
    expect(listTableElements(socket(), { family: 'inet', name: 'absent' })).toEqual([])
  })
})

describe('a transaction', () => {
  const many = Array.from({ length: 10_000 }, (_, index) =>
    element('ports', ['tcp', String(index + 1)], {
      value: ['10.0.0.1', String(index + 1)],
      owner: 'f'.repeat(64),
    }),
  )

  const nameOf = ({ key, value = [], owner }: Element) => [...key, ...value, owner].join(' ')

  it('takes 10,000 elements, and gives them back', async () => {
    expect(change({ add: many }).add).toHaveLength(many.length)
    const { nftables } = JSON.parse(nft('-j list map inet t ports'))
    expect(nftables[1].map.elem).toHaveLength(many.length)
    await expectInTime(() => inSet('ports')).toHaveLength(many.length)
    change({ remove: many })
    expect(inSet('ports')).toEqual([])
  })

  it('of 10,000 of which one is refused does nothing, and names it', () => {
    change({ add: [some[3]!] })
    const bad = element('prefixes', ['br-x', '10.7.0.0/28'])
    const refused = refusal(() =>
      change({ add: [...many.slice(0, 7000), bad, ...many.slice(7000)] }),
    )
    expect(refused.target).toBe('element inet t prefixes { "br-x" . 10.7.0.0/28 }')
    expect(allSets()).toEqual([some[3]])
  })

  it('names an element in the middle of a message', () => {
    const batch = new Batch()
    batch.addElements([table], [...many.slice(0, 300), many[7]!, ...many.slice(300)])
    const refused = refusal(() => batch.commit(socket()))
    expect(refused).toMatchObject({ errno: 'EEXIST', target: 'element inet t ports { tcp . 8 }' })
    expect(allSets()).toEqual([])
  })

  it('takes runs, and gives them back', async () => {
    const run = element('ports', ['tcp', '1'], {
      value: ['10.0.0.1', '1'],
      owner: 'f'.repeat(64),
      run: 10_000,
    })
    expect(change({ add: [run] })).toEqual({ remove: [], add: [run] })
    const { nftables } = JSON.parse(nft('-j list map inet t ports'))
    expect(nftables[1].map.elem).toHaveLength(many.length)
    await expectInTime(() => new Set(inSet('ports').map(nameOf))).toEqual(new Set(many.map(nameOf)))
    expect(change({ remove: [run] }, true)).toEqual({ remove: [run], add: [] })
    expect(inSet('ports')).toEqual([])
  })

  it('adds of a run what is not there, and removes what is', async () => {
    const run = element('ports', ['tcp', '1'], { value: ['10.0.0.1', '1'], run: 1000 })
    const each = many.slice(0, 1000).map(({ owner: _, ...rest }) => rest)
    change({ add: each.slice(200, 300) })
    expect(change({ add: [run] }).add.flatMap(eachElement)).toHaveLength(900)
    await expectInTime(() => inSet('ports')).toHaveLength(1000)
    change({ remove: each.slice(500, 501) })
    expect(change({ remove: [run] }, true).remove.flatMap(eachElement)).toHaveLength(999)
    expect(inSet('ports')).toEqual([])
  })

  it('makes of a run what is different as it should be, and tells the way back', async () => {
    const more = { value: ['10.0.0.1', '1'], owner: 'f'.repeat(64) }
    const run = element('ports', ['tcp', '1'], { ...more, run: 1000 })
    const otherValue = element('ports', ['6', '100'], { ...more, value: ['10.0.0.2', '100'] })
    const otherOwner = element('ports', ['tcp', '1000'], {
      value: ['10.0.0.1', '1000'],
      owner: 'somebody',
    })
    change({ add: [...many.slice(0, 50), ...many.slice(900, 999), otherValue, otherOwner] })
    const before = inSet('ports').map(nameOf).sort()
    const done = change({ add: [run] })
    const there = { ...otherValue, key: ['tcp', '100'] }
    expect(done.remove).toEqual([there, otherOwner])
    const missing = element('ports', ['tcp', '51'], { ...more, value: ['10.0.0.1', '51'] })
    const last = element('ports', ['tcp', '1000'], { ...more, value: ['10.0.0.1', '1000'] })
    expect(done.add).toEqual([{ ...missing, run: 850 }, last])
    const wanted = new Set(many.slice(0, 1000).map(nameOf))
    await expectInTime(() => new Set(inSet('ports').map(nameOf))).toEqual(wanted)
    expect(change({ add: [run] })).toEqual({ remove: [], add: [] })
    change({ remove: done.add, add: done.remove })
    await expectInTime(() => inSet('ports').map(nameOf).sort()).toEqual(before)
  })

  it('leaves of a run what has another owner, where that is asked', () => {
    const owner = 'f'.repeat(64)
    const run = element('ports', ['tcp', '1'], { value: ['10.0.0.1', '1'], owner, run: 1000 })
    const other = { ...many[500]!, owner: 'somebody' }
    change({ add: [...many.slice(0, 500), other, ...many.slice(501, 999)] })
    const { remove } = change({ remove: [run] }, true)
    expect(remove.map(({ key, run: length }) => [key[1], length])).toEqual([
      ['1', 500],
      ['502', 498],
    ])
    expect(inSet('ports')).toEqual([other])
  })

  it('names the element of a run that is refused', () => {
    const run = element('ports', ['tcp', '1'], { value: ['10.0.0.1', '1'], run: 10_000 })
    const batch = new Batch()
    batch.addElements([table], [many[7654]!, run])
    const refused = refusal(() => batch.commit(socket()))
    expect(refused).toMatchObject({
      errno: 'EEXIST',
      target: 'element inet t ports { tcp . 7655 }',
    })
    expect(allSets()).toEqual([])
  })

  it('holds keys of any length', () => {
    const wide: TableDefinition = {
      ...table,
      name: 'wide',
      sets: [{ name: 's', key: ['ipv6_addr', 'ipv6_addr', 'ifname', 'mark'], interval: true }],
    }
    replaceTable(socket(), wide)
    const add = Array.from({ length: 1000 }, (_, index) => ({
      ...element('s', [`fd00::${index}`, '::/0', 'fifteen-letters', '0x00000001']),
      table: 'wide',
      owner: 'f'.repeat(200),
    }))
    changeElements(socket(), [wide], { remove: [], add })
    expect(listElements(socket(), [wide], add[0]!)).toHaveLength(add.length)
  })

  it('with nothing in it is nothing', () => {
    new Batch().commit(socket())
    expect(change({})).toEqual({ remove: [], add: [] })
  })

  it('that fails on the way has done nothing', () => {
    armFault(1)
    expect(refusal(() => change({ add: some }))).toMatchObject({ errno: 'EIO' })
    expect(allSets()).toEqual([])
    change({ add: some })
    expect(allSets()).toEqual(some)
  })

  it('names the object that is missing', () => {
    const batch = new Batch()
    batch.deleteTable({ family: 'inet', name: 'absent' })
    expect(refusal(() => batch.commit(socket()))).toMatchObject({
      operation: 'NFT_MSG_DELTABLE',
      errno: 'ENOENT',
      target: 'table inet absent',
    })
  })
})
