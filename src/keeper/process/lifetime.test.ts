import { describe, expect, it } from 'vitest'
import { Lifetime } from './lifetime.ts'

const alone = { connected: false, needed: false }

/** How long one goes on by itself, asked as often as it wants to be; undefined: for an hour. */
function lifeOf(isFound: (time: number) => boolean, stays = false, needed = false) {
  let time = 0
  const lifetime = new Lifetime(
    () => isFound(time),
    stays,
    () => time,
  )
  while (time < 3_600_000) {
    const wait = lifetime.step({ connected: false, needed })
    if (wait === 0) return time
    time += wait
  }
  return undefined
}

describe('a keeper', () => {
  it('ends some seconds after there is nothing to serve any more', () => {
    expect(lifeOf(() => true)).toBe(10_000)
  })

  it('goes on for what needs it', () => {
    expect(lifeOf(() => true, false, true)).toBeUndefined()
  })

  it('goes on without anything to serve where it stays', () => {
    expect(lifeOf(() => true, true)).toBeUndefined()
  })

  it('ends when it would not be found any more, though it stays, or is needed', () => {
    expect(lifeOf((time) => time < 60_000, true, true)).toBe(60_000)
  })

  it('goes on for an engine, and begins to count when that has gone', () => {
    let time = 0
    const lifetime = new Lifetime(
      () => true,
      false,
      () => time,
    )
    lifetime.step(alone)
    time = 9_999
    expect(lifetime.step({ connected: true, needed: false })).toBe(-1)
    time = 20_000
    expect(lifetime.step(alone)).toBe(1000)
    time = 29_999
    expect(lifetime.step(alone)).toBeGreaterThan(0)
    time = 31_000
    expect(lifetime.step(alone)).toBe(0)
  })
})
