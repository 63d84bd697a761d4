import { expect, it } from 'vitest'
import { includes } from './includes.ts'

it.each<[unknown, unknown, boolean]>([
  [{ a: 1, b: 2 }, { a: 1 }, true],
  [{ a: 1 }, { a: 1, b: undefined }, true],
  [{ a: 1 }, { a: 1, b: 2 }, false],
  [{ a: { b: 1, c: 2 } }, { a: { b: 1 } }, true],
  [{ a: { b: 1 } }, { a: { b: 2 } }, false],
  [[1, 2], [1, 2], true],
  [[1, 2, 3], [1, 2], false],
  [[{ a: 1, b: 2 }], [{ a: 1 }], true],
  [Buffer.of(1, 2), Uint8Array.of(1, 2), true],
  [Buffer.of(1, 2), Uint8Array.of(1, 3), false],
  ['01', Uint8Array.of(48, 49), false],
  [undefined, { a: 1 }, false],
  [null, {}, false],
  [5, 5, true],
])('%o includes %o: %s', (actual, expected, answer) => {
  expect(includes(actual, expected)).toBe(answer)
})
