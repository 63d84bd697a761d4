import { describe, expect, it } from 'vitest'
import {
  changeElements,
  compareTable,
  type DataType,
  type Element,
  listElements,
  replaceTable,
  type SetDefinition,
  type TableDefinition,
} from '#dist/kernel/linux/nftables/index.js'
import { inOwnNamespace, listed, nft } from '../support/nft.ts'

const socket = inOwnNamespace()

const place = { family: 'inet', table: 't', set: 's' } as const

function tableWith(set: Omit<SetDefinition, 'name'>): TableDefinition {
  const sets = [{ name: 's', ...set }]
  return { family: 'inet', name: 't', owned: false, sets, chains: [{ name: 'other', rules: [] }] }
}

/** What nft calls the set's type, its properties, and elements as key and value. */
type Case = [text: string, set: Omit<SetDefinition, 'name'>, elements: [string[], string[]?][]]

const sets: Case[] = [
  [
    'set s { type ifname; comment "all of them";',
    { key: ['ifname'], comment: 'all of them' },
    [[['br-x']], [['fifteen-letters']]],
  ],
  ['set s { type ipv4_addr;', { key: ['ipv4_addr'] }, [[['10.0.0.1']], [['10.0.0.2']]]],
  ['set s { type ipv6_addr;', { key: ['ipv6_addr'] }, [[['2001:db8::1']], [['::']]]],
  ['set s { type ether_addr;', { key: ['ether_addr'] }, [[['02:00:00:00:00:0a']]]],
  ['set s { type mark;', { key: ['mark'] }, [[['0x00000007']], [['0x000000ff']]]],
  ['set s { type ifname . ifname;', { key: ['ifname', 'ifname'] }, [[['a', 'b']], [['b', 'a']]]],
  [
    'set s { type ipv4_addr . inet_proto . inet_service; flags dynamic,timeout; timeout 30s;',
    { key: ['ipv4_addr', 'inet_proto', 'inet_service'], dynamic: true, timeoutMs: 30_000 },
    [],
  ],
  ['set s { type ipv4_addr; flags timeout;', { key: ['ipv4_addr'], timeout: true }, []],
]

const intervals: Case[] = [
  [
    'set s { type inet_service; flags interval;',
    { key: ['inet_service'], interval: true },
    [[['0-9']], [['80']], [['1000-1999']], [['65000-65535']]],
  ],
  [
    'set s { type ipv4_addr; flags interval;',
    { key: ['ipv4_addr'], interval: true },
    [
      [['0.0.0.0/8']],
      [['10.0.0.0/8']],
      [['11.0.0.0/8']],
      [['192.168.0.1']],
      [['192.168.0.3-192.168.0.9']],
      [['255.255.255.0/24']],
    ],
  ],
  [
    'set s { type ipv6_addr; flags interval;',
    { key: ['ipv6_addr'], interval: true },
    [[['2001:db8::1']], [['fe80::/10']]],
  ],
  [
    'set s { type ifname . ipv4_addr; flags interval;',
    { key: ['ifname', 'ipv4_addr'], interval: true },
    [[['br-x', '10.7.0.0/24']], [['br-y', '10.7.0.1-10.7.0.9']], [['br-z', '10.0.0.1']]],
  ],
  [
    'set s { type ifname . ipv6_addr; flags interval;',
    { key: ['ifname', 'ipv6_addr'], interval: true },
    [[['br-x', 'fd00:1::/64']]],
  ],
]

const maps: Case[] = [
  [
    'map s { type nf_proto . ifname : verdict;',
    { key: ['nf_proto', 'ifname'], value: 'verdict' },
    [
      [['ipv4', 'a'], ['jump other']],
      [['ipv6', 'a'], ['goto other']],
      [['ipv4', 'b'], ['drop']],
      [['ipv6', 'b'], ['accept']],
      [['ipv4', 'c'], ['return']],
      [['ipv6', 'c'], ['continue']],
    ],
  ],
  [
    'map s { type inet_proto . inet_service : ipv4_addr . inet_service;',
    { key: ['inet_proto', 'inet_service'], value: ['ipv4_addr', 'inet_service'] },
    [
      [
        ['tcp', '80'],
        ['10.0.0.1', '8080'],
      ],
      [
        ['udp', '53'],
        ['10.0.0.2', '53'],
      ],
    ],
  ],
  [
    'map s { type inet_proto . inet_service : ipv4_addr; flags interval;',
    { key: ['inet_proto', 'inet_service'], value: ['ipv4_addr'], interval: true },
    [
      [['tcp', '80'], ['10.0.0.2']],
      [['udp', '10000-19999'], ['10.0.0.2']],
    ],
  ],
  [
    'map s { type ipv4_addr : mark;',
    { key: ['ipv4_addr'], value: ['mark'] },
    [[['10.0.0.1'], ['0x00000012']]],
  ],
  [
    'map s { type inet_service : ipv6_addr;',
    { key: ['inet_service'], value: ['ipv6_addr'] },
    [[['80'], ['fd00::1']]],
  ],
  [
    'map s { type ipv4_addr : ifname;',
    { key: ['ipv4_addr'], value: ['ifname'] },
    [[['10.0.0.1'], ['eth0']]],
  ],
]

describe('sets and their elements mean what nft means', () => {
  it.each([...sets, ...intervals, ...maps])('%s', (text, set, elements) => {
    const table = tableWith(set)
    loadWithNft(text, set, elements)
    replaceTable(socket(), table)
    const wanted = elements.map(([key, value]) => ({
      ...place,
      key,
      owner: 'mine',
      ...(value === undefined ? {} : { value }),
    }))
    changeElements(socket(), [table], { remove: [], add: wanted })

    expect(listed('inet', 't')).toEqual(listed('inet', 'theirs'))
    expect(sorted(listElements(socket(), [table], place))).toEqual(sorted(wanted))
    expect(compareTable(socket(), table)).toEqual([])

    changeElements(socket(), [table], { remove: wanted, add: [] })
    expect(listElements(socket(), [table], place)).toEqual([])
    expect(nft('list table inet t')).not.toContain('elements')
  })

  it('and their limits', () => {
    const set = { key: ['ifname', 'ether_addr'], limit: { rate: 2000, burst: 10_000 } } as const
    const table = tableWith(set)
    replaceTable(socket(), table)
    const key = ['br-x', '02:00:00:00:00:02']
    const plain = { ...place, key, owner: 'mine' }
    const own = { ...plain, key: ['br-x', '02:00:00:00:00:03'], limit: { rate: 7, burst: 9 } }
    changeElements(socket(), [table], { remove: [], add: [plain, own] })
    const shown = nft('list set inet t s')
    expect(shown).toContain('limit rate over 2000/second burst 10000 packets\n')
    expect(shown).toMatch(/02 limit rate over 2000\/second burst 10000 packets comment/)
    expect(shown).toMatch(/03 limit rate over 7\/second burst 9 packets comment/)
    expect(sorted(listElements(socket(), [table], place))).toEqual([
      { ...plain, limit: set.limit },
      own,
    ])
    expect(compareTable(socket(), table)).toEqual([])
    const other = tableWith({ ...set, limit: { rate: 2001, burst: 10_000 } })
    expect(compareTable(socket(), other)).not.toEqual([])
    // One that is there with another is made anew.
    const slower = { ...own, limit: { rate: 6, burst: 9 } }
    changeElements(socket(), [table], { remove: [], add: [plain, slower] })
    expect(nft('list set inet t s')).toContain('limit rate over 6/second burst 9 packets')
  })

  it('and their timeouts', () => {
    const table = tableWith({ key: ['ipv4_addr'], timeout: true })
    replaceTable(socket(), table)
    const anHour = [{ ...place, key: ['10.0.0.1'], timeoutMs: 3_600_000 }]
    changeElements(socket(), [table], { remove: [], add: anHour })
    expect(nft('list set inet t s')).toMatch(/10\.0\.0\.1 timeout 1h expires (59m|1h)/)
    expect(listElements(socket(), [table], place)).toEqual(anHour)
    const twoHours = [{ ...place, key: ['10.0.0.1'], timeoutMs: 7_200_000 }]
    changeElements(socket(), [table], { remove: [], add: twoHours })
    expect(nft('list set inet t s')).toMatch(/10\.0\.0\.1 timeout 2h expires (1h59m|2h)/)
  })
})

function loadWithNft(text: string, set: Case[1], elements: Case[2]): void {
  const lines = elements.map(([key, value]) => {
    const to = value === undefined ? '' : ` : ${inNft(set.value, value)}`
    return `${inNft(set.key, key)} comment "mine"${to}`
  })
  const content = lines.length === 0 ? '' : `elements = { ${lines.join(', ')} }`
  nft('-f -', `table inet theirs {\n chain other { }\n ${text} ${content}\n }\n}\n`)
}

function inNft(types: readonly DataType[] | 'verdict' | undefined, parts: string[]): string {
  return parts
    .map((part, index) => (types?.[index] === 'ifname' ? JSON.stringify(part) : part))
    .join(' . ')
}

function sorted(elements: readonly Element[]): Element[] {
  return elements.toSorted((a, b) => a.key.join().localeCompare(b.key.join()))
}
