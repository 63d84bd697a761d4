import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { isSame } from './same-resource.ts'

const json = fc.json({ maxDepth: 3 }).map((text) => JSON.parse(text) as unknown)

it('says of data what a strict comparison says', () => {
  fc.assert(
    fc.property(json, json, (a, b) => {
      fc.pre(!hasProto(a) && !hasProto(b))
      expect(isSame(a, structuredClone(a))).toBe(true)
      if (isSame(a, b)) expect(isSame(b, a)).toBe(true)
      else expect(isDeepStrictEqual(a, b)).toBe(false)
    }),
  )
})

it.each([
  [{ a: 1 }, { a: 1, b: undefined }, true],
  [{ a: 1, b: undefined }, { a: 1 }, true],
  [{ a: 1, b: 2 }, { b: 2, a: 1 }, true],
  [{ a: 1 }, { a: 1, b: null }, false],
  [{ a: 1, b: 2 }, { a: 1 }, false],
  [[1, 2], [1], false],
  [[1], [1, 2], false],
  [{ a: { b: [1, { c: 2 }] } }, { a: { b: [1, { c: 3 }] } }, false],
  ['1', 1, false],
  [null, {}, false],
])('%j and %j: %s', (a, b, expected) => {
  expect(isSame(a, b)).toBe(expected)
  expect(isSame(b, a)).toBe(expected)
})

/** Assigning it changes the prototype, so it is nothing that a record can have. */
function hasProto(value: unknown): boolean {
  return JSON.stringify(value)?.includes('__proto__') ?? false
}
