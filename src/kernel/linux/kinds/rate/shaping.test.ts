import { expect, it } from 'vitest'
import { tbfFor } from './shaping.ts'

it('lets frames of any size pass at any rate, and never waits for long at a usual one', () => {
  for (const mtu of [1280, 1500, 9000, 65535]) {
    for (let rate = 8e3; rate <= 1e11; rate *= 10) {
      const { burst, limit } = tbfFor(rate, mtu)
      expect(burst).toBeGreaterThanOrEqual(mtu + 18)
      expect(limit - burst).toBeGreaterThanOrEqual(mtu + 18)
      expect(limit).toBeLessThan(2 ** 32)
    }
  }
  for (const rate of [1e7, 1e8, 1e9]) {
    expect((tbfFor(rate, 1500).limit * 8) / rate).toBeLessThan(0.1)
  }
})

it('counts in whole bytes', () => {
  expect(tbfFor(8_000_001, 1500)).toEqual({ rate: 8e6, burst: 10_000, limit: 85_000 })
})
