import { expect, it } from 'vitest'
import { Backlog } from './backlog.ts'

const MOST_OF_ONE = 512

function backlog(taken = 0) {
  const count = Int32Array.of(taken)
  const fill = (endpoint: number, tries = 10_000) => {
    let given = 0
    for (; given < tries && log.add(endpoint); given += 1);
    return given
  }
  const log = new Backlog(count)
  return { log, count, fill }
}

it('gives no more of one endpoint than main can take soon', () => {
  const { count, fill, log } = backlog()
  expect(fill(1)).toBe(MOST_OF_ONE)
  expect(log.add(2)).toBe(true)
  Atomics.add(count, 0, 3)
  expect(fill(1)).toBe(3)
})

it('leaves something to others, however many ask for all they can get', () => {
  const { fill } = backlog()
  for (let endpoint = 0; endpoint < 20; endpoint += 1) fill(endpoint)
  expect(fill(21)).toBeGreaterThan(10)
})

it('counts for each what is still there of it, for ever', () => {
  const { count, fill, log } = backlog()
  expect(fill(2, 10)).toBe(10)
  // More than it remembers at a time.
  for (let round = 0; round < 10_000; round += 1) {
    expect(log.add(1)).toBe(true)
    Atomics.add(count, 0, 1)
  }
  // Ten of them are still to be taken, and those are of 1.
  expect(fill(2)).toBe(MOST_OF_ONE)
  expect(fill(1)).toBe(MOST_OF_ONE - 10)
})

it('goes on when the number that is shared starts again', () => {
  const { count, log } = backlog()
  for (let round = 0; round < 1000; round += 1) {
    expect(log.add(1)).toBe(true)
    Atomics.add(count, 0, 1)
  }
  count[0] = 1000
  expect(log.add(1)).toBe(true)
})
