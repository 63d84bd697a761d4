import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  changeElements,
  type Element,
  type ElementChange,
  listElements,
  RememberedElements,
  replaceTable,
  type TableDefinition,
} from '#dist/kernel/linux/nftables/index.js'
import { inOwnNamespace, nft } from '../support/nft.ts'

const socket = inOwnNamespace()
const known = new RememberedElements()

const table: TableDefinition = {
  family: 'inet',
  name: 't',
  owned: false,
  sets: [
    { name: 'links', key: ['ifname'] },
    { name: 'modes', key: ['nf_proto', 'ifname'], value: 'verdict' },
    { name: 'prefixes', key: ['ifname', 'ipv4_addr'], interval: true },
    { name: 'plain', key: ['ipv4_addr'], interval: true },
  ],
  chains: [{ name: 'nat', rules: [] }],
}

function element(set: string, key: string[], more: Partial<Element> = {}): Element {
  return { family: 'inet', table: 't', set, key, owner: 'net', ...more }
}

const some: Element[] = [
  element('links', ['br-x']),
  element('modes', ['ipv4', 'br-x'], { value: ['goto nat'] }),
  element('prefixes', ['br-x', '10.7.0.0/24']),
  element('plain', ['10.0.0.0/8']),
]

function inSet(set: string): Element[] {
  return listElements(socket(), [table], element(set, []))
}
const allSets = () => table.sets.flatMap(({ name }) => inSet(name))

function keep(part: Partial<ElementChange>): ElementChange {
  const options = { compareOwners: true, remembered: known }
  return changeElements(socket(), [table], { remove: [], add: [], ...part }, options)
}

/** How often the kernel is asked. */
const asks = () => vi.spyOn(socket(), 'get')

beforeEach(() => {
  replaceTable(socket(), table)
  known.forget()
})
afterEach(() => vi.restoreAllMocks())

describe('what this process has put there', () => {
  it('goes without being asked for, and tells the way back', () => {
    keep({ add: some })
    const get = asks()
    expect(keep({ remove: some })).toEqual({ remove: some, add: [] })
    expect(get).not.toHaveBeenCalled()
    expect(allSets()).toEqual([])
    expect(keep({ add: some })).toEqual({ remove: [], add: some })
    keep({ remove: some.slice(1), add: [element('links', ['br-z'])] })
    expect(get).not.toHaveBeenCalled()
    expect(inSet('links').map(({ key }) => key[0])).toEqual(
      expect.arrayContaining(['br-x', 'br-z']),
    )
  })

  it('stays where it has become that of another', () => {
    keep({ add: some })
    nft(`delete element inet t links { br-x }
      add element inet t links { br-x comment "other" }`)
    const get = asks()
    expect(keep({ remove: some })).toEqual({ remove: some.slice(1), add: [] })
    expect(get).toHaveBeenCalled()
    expect(allSets()).toEqual([element('links', ['br-x'], { owner: 'other' })])
  })

  it('may be gone', () => {
    keep({ add: some })
    nft('delete element inet t links { br-x }')
    expect(keep({ remove: some })).toEqual({ remove: some.slice(1), add: [] })
    expect(allSets()).toEqual([])
  })

  it('is known anew after another process has changed something else', () => {
    keep({ add: some })
    nft('add table ip others')
    try {
      const get = asks()
      keep({ remove: [some[0]!] })
      expect(get).toHaveBeenCalled()
      keep({ add: [some[0]!] })
      get.mockClear()
      keep({ remove: [some[0]!] })
      expect(get).not.toHaveBeenCalled()
    } finally {
      nft('delete table ip others')
    }
  })

  it('is exchanged in one transaction, which changes nothing if it fails', () => {
    keep({ add: some })
    const before = nft('list ruleset')
    const bad = element('modes', ['ipv6', 'br-x'], { value: ['jump gone'] })
    expect(() => keep({ remove: some, add: [bad] })).toThrow(/ENOENT|no such/i)
    expect(nft('list ruleset')).toBe(before)
    keep({ remove: some })
    expect(allSets()).toEqual([])
  })
})
