import fc from 'fast-check'
import { expect, it } from 'vitest'
import { type Interval, Intervals } from './intervals.ts'

const interval = fc
  .tuple(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 6 }))
  .map(([first, more]): Interval => ({ first: BigInt(first), last: BigInt(first + more) }))

it('finds what a search through a list finds', () => {
  const step = fc.record({ interval, add: fc.boolean() })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const intervals = new Intervals<Interval>()
      let list: Interval[] = []
      for (const { interval: given, add } of steps) {
        const overlapping = list.filter((i) => i.first <= given.last && given.first <= i.last)
        const found = intervals.overlapping(given.first, given.last)
        expect(found).toBe(overlapping[0])
        if (add && found === undefined) {
          intervals.add(given)
          list = [...list, given].sort((a, b) => Number(a.first - b.first))
        } else if (!add && found !== undefined) {
          intervals.delete(found)
          list = list.filter((i) => i !== found)
        }
        expect([...intervals]).toEqual(list)
        expect(intervals.size).toBe(list.length)
      }
    }),
  )
})

it('deletes only what is there', () => {
  const intervals = new Intervals<Interval>()
  const one = { first: 1n, last: 2n }
  intervals.add(one)
  intervals.delete({ first: 1n, last: 2n })
  expect([...intervals]).toEqual([one])
})
