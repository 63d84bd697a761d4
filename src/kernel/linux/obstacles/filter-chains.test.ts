import { describe, expect, it } from 'vitest'
import {
  type Condition,
  type Filter,
  type FilterRule,
  stops,
  type Verdict,
} from './filter-chains.ts'

const mark = 0x01000000

function filter(
  chains: Readonly<Record<string, readonly FilterRule[]>>,
  policy: Filter['policy'] = 'drop',
): Filter {
  return {
    family: 'ip',
    version: 4,
    table: 'filter',
    chain: 'FORWARD',
    policy,
    chains: new Map(Object.entries(chains)),
  }
}

const rule = (verdict: Verdict, ...conditions: Condition[]): FilterRule => ({ conditions, verdict })
const jump = (to: string): Verdict => ({ to, comesBack: true })
const goto = (to: string): Verdict => ({ to, comesBack: false })
const from = (name: string, how: { prefix?: boolean; not?: boolean } = {}): Condition => {
  return { from: name, prefix: false, not: false, ...how }
}
const marked = (value: number, mask: number, not = false): Condition => ({ mark: value, mask, not })

const isStopped = (FORWARD: readonly FilterRule[], bridge = 'br-one') =>
  stops(filter({ FORWARD }), { mark, from: bridge })

describe('a filter of others', () => {
  it('stops by its policy what no rule is for', () => {
    expect(stops(filter({ FORWARD: [] }), { mark })).toBe(true)
    expect(stops(filter({ FORWARD: [] }, 'accept'), { mark })).toBe(false)
    expect(stops(filter({}), { mark })).toBe(true)
  })

  it('goes by its first rule for all packets', () => {
    expect(isStopped([rule('accept')])).toBe(false)
    expect(isStopped([rule('drop'), rule('accept')])).toBe(true)
    expect(isStopped([{ conditions: [] }, rule('accept')])).toBe(false)
    expect(isStopped([rule('accept', 'unknown'), rule('drop')])).toBe(true)
    expect(isStopped([rule('drop', 'unknown'), rule('accept')])).toBe(false)
  })

  it('lets pass what has our mark', () => {
    expect(isStopped([rule('accept', marked(mark, mark))])).toBe(false)
    expect(isStopped([rule('accept', marked(0, mark))])).toBe(true)
    expect(isStopped([rule('accept', marked(0, mark, true))])).toBe(false)
    // Other bits may be anything.
    expect(isStopped([rule('accept', marked(mark, ~0))])).toBe(true)
    expect(isStopped([rule('accept', marked(mark, ~0, true))])).toBe(true)
  })

  it('lets pass what comes from our bridge', () => {
    expect(isStopped([rule('accept', from('br-one'))])).toBe(false)
    expect(isStopped([rule('accept', from('br-two'))])).toBe(true)
    expect(isStopped([rule('accept', from('br-', { prefix: true }))])).toBe(false)
    expect(isStopped([rule('accept', from('br-', {}))])).toBe(true)
    expect(isStopped([rule('accept', from('eth0', { not: true }))])).toBe(false)
    expect(isStopped([rule('drop', from('eth', { prefix: true }))], 'eth7')).toBe(true)
    expect(stops(filter({ FORWARD: [rule('accept', from('br-one'))] }), { mark })).toBe(true)
  })

  it('lets pass what goes to a link', () => {
    const to = (name: string, how: { prefix?: boolean; not?: boolean } = {}): Condition => {
      return { to: name, prefix: false, not: false, ...how }
    }
    const isStoppedTo = (link: string | undefined, ...conditions: Condition[]) => {
      const passenger = { mark: 0, from: 'br-one', ...(link === undefined ? {} : { to: link }) }
      return stops(filter({ FORWARD: [rule('accept', ...conditions)] }), passenger)
    }
    expect(isStoppedTo('lan', to('lan'))).toBe(false)
    expect(isStoppedTo('lan', from('br-one'), to('lan'))).toBe(false)
    expect(isStoppedTo('lan', from('br-two'), to('lan'))).toBe(true)
    expect(isStoppedTo('lan', to('eth0'))).toBe(true)
    expect(isStoppedTo('lan0', to('lan', { prefix: true }))).toBe(false)
    expect(isStoppedTo('lan', to('docker0', { not: true }))).toBe(false)
    expect(isStoppedTo(undefined, to('lan'))).toBe(true)
    expect(isStoppedTo('lan', marked(mark, mark))).toBe(true)
  })

  it('follows jumps and comes back from them', () => {
    const chains = (first: Verdict, ...user: FilterRule[]) =>
      stops(filter({ FORWARD: [rule(first), rule('accept')], USER: user }), { mark })
    expect(chains(jump('USER'), rule('drop'))).toBe(true)
    expect(chains(jump('USER'))).toBe(false)
    expect(chains(jump('USER'), rule('return'), rule('drop'))).toBe(false)
    expect(chains(jump('NONE'))).toBe(false)
    // Who goes doesn't come back: the policy is next.
    expect(chains(goto('USER'))).toBe(true)
    expect(chains(goto('USER'), rule('accept'))).toBe(false)
  })

  it('ends even if its chains never do', () => {
    expect(stops(filter({ FORWARD: [rule(jump('FORWARD'))] }), { mark })).toBe(true)
  })
})
