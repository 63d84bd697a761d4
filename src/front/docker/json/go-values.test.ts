import { expect, it } from 'vitest'
import { parseGoDuration, parseGoTime, parseUnixTime } from './go-values.ts'

it.each([
  ['1h30m', 5_400_000],
  ['1.5s', 1500],
  ['.5s', 500],
  ['-10ms', -10],
  ['5', undefined],
  ['h', undefined],
  ['1d', undefined],
  ['', undefined],
])('the duration %s is %s ms', (text, ms) => {
  expect(parseGoDuration(text)).toBe(ms)
})

it.each([
  ['1795710981', 1_795_710_981_000_000_000n],
  ['1795710981.000000042', 1_795_710_981_000_000_042n],
  ['1795710981.5', 1_795_710_981_500_000_000n],
  ['0', 0n],
  ['1.1234567890', undefined],
  ['now', undefined],
])('the time %s is %s ns', (text, ns) => {
  expect(parseUnixTime(text)).toBe(ns)
})

it.each([
  ['1795710981', 1_795_710_981_000],
  ['10m', 400_000],
  ['2026-11-26', Date.UTC(2026, 10, 26)],
  ['2026-11-26T16:36:21Z', Date.UTC(2026, 10, 26, 16, 36, 21)],
  ['2026-11-26T16:36:21.395+01:00', Date.UTC(2026, 10, 26, 15, 36, 21, 395)],
  ['2026-11-26T16Z', Date.UTC(2026, 10, 26, 16)],
])('%s, said a quarter of an hour after the beginning, is %s', (text, ms) => {
  expect(parseGoTime(text, 1_000_000)).toBe(ms)
})

it('nonsense is refused', () => {
  for (const text of ['odd', '2026-13-99', '2026-11']) {
    expect(() => parseGoTime(text, 0)).toThrow('failed to parse value as time or duration')
  }
})
