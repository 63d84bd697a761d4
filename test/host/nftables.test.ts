import { describe, expect, it } from 'vitest'
import { isKernelError, type KernelError } from '#dist/base/errors.js'
import { NETLINK_NETFILTER, NetlinkSocket } from '#dist/kernel/linux/netlink/index.js'
import {
  changeElements,
  compareTable,
  deleteTable,
  type Element,
  ensureTable,
  listChains,
  listElements,
  listRules,
  listSets,
  listTables,
  replaceTable,
  type TableDefinition,
} from '#dist/kernel/linux/nftables/index.js'
import { inOwnNamespace, listed, nft } from '../support/nft.ts'

const socket = inOwnNamespace()

const table: TableDefinition = {
  family: 'inet',
  name: 't',
  owned: true,
  sets: [
    { name: 'links', key: ['ifname'] },
    { name: 'modes', key: ['nf_proto', 'ifname'], value: 'verdict' },
    { name: 'ports', key: ['inet_proto', 'inet_service'], value: ['ipv4_addr', 'inet_service'] },
    { name: 'prefixes', key: ['ifname', 'ipv4_addr'], interval: true },
    { name: 'plain', key: ['ipv4_addr'], interval: true },
  ],
  chains: [
    { name: 'nat', rules: [{ statements: [{ verdict: 'drop' }] }] },
    {
      name: 'forward',
      hook: { type: 'filter', hook: 'forward', priority: 0, policy: 'accept' },
      rules: [
        { statements: [{ lookup: ['iifname'], set: 'links' }, { verdict: 'accept' }] },
        {
          statements: [{ vmap: ['meta nfproto', 'oifname'], map: 'modes' }],
          comment: 'by gateway mode',
        },
        { statements: [{ match: 'iifname', value: ['a', 'b'] }, { counter: true }] },
      ],
    },
  ],
}
const ordinary: TableDefinition = { ...table, owned: false }

function element(set: string, key: string[], more: Partial<Element> = {}): Element {
  return { family: 'inet', table: 't', set, key, ...more }
}

function change(add: readonly Element[], remove: readonly Element[] = []) {
  return changeElements(socket(), [table], { remove, add })
}

function inSet(set: string): Element[] {
  return listElements(socket(), [table], element(set, []))
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

describe('an owned table', () => {
  it('is as nft would make it, but for the flags', () => {
    replaceTable(socket(), table)
    expect(nft('list table inet t')).toMatch(/^table inet t \{ # progname node\n\tflags owner/)
    nft(
      '-f -',
      `table inet theirs {
         set links { type ifname; }
         map modes { type nf_proto . ifname : verdict; }
         map ports { type inet_proto . inet_service : ipv4_addr . inet_service; }
         set prefixes { type ifname . ipv4_addr; flags interval; }
         set plain { type ipv4_addr; flags interval; }
         chain nat { drop; }
         chain forward { type filter hook forward priority 0; policy accept;
           iifname @links accept
           meta nfproto . oifname vmap @modes comment "by gateway mode"
           iifname { "a", "b" } counter
         }
       }`,
    )
    const byName = (objects: ReturnType<typeof listed>) =>
      objects.map((one) => JSON.stringify(one)).sort()
    expect(byName(listed('inet', 't'))).toEqual(byName(listed('inet', 'theirs')))
    expect(compareTable(socket(), table)).toEqual([])
  })

  it('is nobody else’s to change, and survives a flush of everything', () => {
    replaceTable(socket(), table)
    change([element('links', ['br-x'])])
    nft('flush ruleset')
    expect(() => nft('add rule inet t nat accept')).toThrow(/Operation not permitted/)
    expect(() => nft('delete table inet t')).toThrow(/Operation not permitted/)
    using other = new NetlinkSocket(NETLINK_NETFILTER)
    const refused = refusal(() => replaceTable(other, table))
    expect(refused).toMatchObject({ errno: 'EPERM', target: 'table inet t' })
    expect(refused.message).toContain('another process owns it')
    expect(refusal(() => deleteTable(other, table)).errno).toBe('EPERM')
    const foreign = { remove: [], add: [element('links', ['br-y'])] }
    expect(refusal(() => changeElements(other, [table], foreign)).errno).toBe('EPERM')
    expect(compareTable(socket(), table)).toEqual([])
    expect(inSet('links')).toEqual([element('links', ['br-x'])])
  })

  it('becomes an orphan with its elements, and is adopted by the next', () => {
    const first = new NetlinkSocket(NETLINK_NETFILTER)
    replaceTable(first, table)
    const add = [element('links', ['br-x'], { owner: 'net' })]
    changeElements(first, [table], { remove: [], add })
    expect(listTables(socket())).toEqual([
      {
        family: 'inet',
        name: 't',
        owned: true,
        dormant: false,
        hasOwner: true,
        owner: first.portId,
      },
    ])
    first.close()
    expect(listTables(socket())).toEqual([
      { family: 'inet', name: 't', owned: true, dormant: false, hasOwner: false },
    ])
    expect(compareTable(socket(), table)).toEqual(['table inet t has no owner'])
    replaceTable(socket(), table)
    expect(compareTable(socket(), table)).toEqual([])
    expect(inSet('links')).toEqual(add)
    expect(() => nft('delete table inet t')).toThrow(/Operation not permitted/)
  })

  it('can not be made of an ordinary one, nor the other way round', () => {
    replaceTable(socket(), ordinary)
    const refused = refusal(() => replaceTable(socket(), table))
    expect(refused.errno).toBe('EOPNOTSUPP')
    expect(refused.message).toContain('without the flags owner and persist; delete it first')
    deleteTable(socket(), table)
    replaceTable(socket(), table)
    expect(refusal(() => replaceTable(socket(), ordinary)).message).toContain(
      'with the flags owner and persist; delete it first',
    )
  })

  it('goes, once and again', () => {
    replaceTable(socket(), table)
    deleteTable(socket(), table)
    deleteTable(socket(), table)
    expect(nft('list tables')).toBe('')
    expect(compareTable(socket(), table)).toEqual(['table inet t is missing'])
  })
})

describe('replacing a table', () => {
  it('again changes nothing and keeps its elements', () => {
    replaceTable(socket(), table)
    change([
      element('modes', ['ipv4', 'br-x'], { value: ['jump nat'], owner: 'net' }),
      element('prefixes', ['br-x', '10.7.0.0/24']),
      element('plain', ['10.0.0.0/8']),
    ])
    const before = listed('inet', 't')
    replaceTable(socket(), table)
    expect(listed('inet', 't')).toEqual(before)
  })

  it('writes rules anew, and makes, changes and removes sets and chains', () => {
    const old: TableDefinition = {
      ...ordinary,
      sets: [
        ...table.sets.filter(({ name }) => name !== 'plain' && name !== 'ports'),
        { name: 'plain', key: ['ipv6_addr'] },
        { name: 'gone', key: ['nf_proto'], value: 'verdict' },
      ],
      chains: [
        { name: 'nat', rules: [] },
        { name: 'gone', rules: [{ statements: [{ match: 'iifname', value: ['x', 'y'] }] }] },
        {
          name: 'forward',
          hook: { type: 'filter', hook: 'input', priority: 7, policy: 'drop' },
          rules: [{ statements: [{ jump: 'gone' }] }],
        },
      ],
    }
    replaceTable(socket(), old)
    const kept = element('modes', ['ipv4', 'br-x'], { value: ['goto nat'] })
    changeElements(socket(), [old], {
      remove: [],
      add: [kept, element('gone', ['ipv4'], { value: ['jump gone'] }), element('plain', ['::1'])],
    })
    expect(compareTable(socket(), ordinary)).toEqual([
      'set inet t ports is missing',
      'set inet t plain is defined differently',
      'set inet t gone is not ours',
      'chain inet t forward is defined differently',
      'chain inet t gone is not ours',
      'chain inet t nat has 0 rules, not 1',
      'chain inet t forward has 1 rules, not 3',
    ])
    replaceTable(socket(), ordinary)
    expect(compareTable(socket(), ordinary)).toEqual([])
    expect(inSet('modes')).toEqual([kept])
    expect(inSet('plain')).toEqual([])
  })

  it('leaves all as it was if any of it is refused', () => {
    replaceTable(socket(), ordinary)
    change([element('links', ['br-x'])])
    const before = nft('list ruleset')
    const broken = {
      ...ordinary,
      chains: [
        ...table.chains,
        { name: 'bad', rules: [{ statements: [{ jump: 'nowhere' }], comment: 'to nowhere' }] },
      ],
    }
    const refused = refusal(() => replaceTable(socket(), broken))
    expect(refused).toMatchObject({
      operation: 'NFT_MSG_NEWRULE',
      errno: 'ENOENT',
      target: 'rule inet t bad comment "to nowhere"',
    })
    expect(nft('list ruleset')).toBe(before)
  })
})

describe('a table for others', () => {
  const theirs: TableDefinition = {
    ...ordinary,
    sets: [],
    chains: [
      { name: 'forward', hook: { type: 'filter', hook: 'forward', priority: -1 }, rules: [] },
    ],
  }

  it('is made once, and what they put into it stays', () => {
    expect(ensureTable(socket(), theirs)).toBe(true)
    nft('add rule inet t forward counter drop')
    const before = nft('list ruleset')
    expect(ensureTable(socket(), theirs)).toBe(false)
    expect(nft('list ruleset')).toBe(before)
  })
})

describe('comparing a table', () => {
  it('finds what somebody else did to it', () => {
    replaceTable(socket(), ordinary)
    nft(`replace rule inet t forward handle ${handleOf('accept')} iifname @links drop`)
    nft('add chain inet t more')
    expect(compareTable(socket(), ordinary)).toEqual([
      'chain inet t more is not ours',
      'rule 1 of chain inet t forward is different',
    ])
    nft('flush chain inet t nat')
    nft('chain inet t forward { policy drop; }')
    expect(compareTable(socket(), ordinary)).toEqual([
      'chain inet t forward is defined differently',
      'chain inet t more is not ours',
      'chain inet t nat has 0 rules, not 1',
      'rule 1 of chain inet t forward is different',
    ])
    replaceTable(socket(), ordinary)
    expect(compareTable(socket(), ordinary)).toEqual([])
  })

  function handleOf(text: string): string {
    const line = nft('-a list chain inet t forward')
      .split('\n')
      .find((one) => one.includes(text) && one.includes('iifname'))
    return line?.split('handle ')[1] ?? 'none'
  }
})

describe('listing', () => {
  it('tells names, handles, comments and hooks', () => {
    replaceTable(socket(), ordinary)
    expect(listChains(socket(), table)).toMatchObject([
      { name: 'nat', handle: expect.any(BigInt) },
      { name: 'forward', base: { type: 'filter', hook: { number: 2, priority: 0 }, policy: 1 } },
    ])
    const sets = listSets(socket(), table)
    expect(sets.filter(({ anonymous }) => !anonymous).map(({ name }) => name)).toEqual(
      table.sets.map(({ name }) => name),
    )
    expect(sets.filter(({ anonymous }) => anonymous)).toHaveLength(1)
    expect(listRules(socket(), table).map(({ chain, comment }) => [chain, comment])).toEqual([
      ['nat', undefined],
      ['forward', undefined],
      ['forward', 'by gateway mode'],
      ['forward', undefined],
    ])
  })

  it('of a table that is not there is empty', () => {
    expect(listChains(socket(), table)).toEqual([])
    expect(listSets(socket(), table)).toEqual([])
    expect(listRules(socket(), table)).toEqual([])
    expect(refusal(() => inSet('links')).errno).toBe('ENOENT')
  })
})
