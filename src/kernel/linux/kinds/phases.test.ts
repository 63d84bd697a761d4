import { expect, it } from 'vitest'
import { participants } from './kinds.ts'
import { type Phase, phases } from './phases.ts'

/** Its place in the order. */
function at(phase: Phase): number {
  return phases.findIndex(([name]) => name === phase)
}

it('has each phase once', () => {
  expect(new Set(phases.map(([name]) => name)).size).toBe(phases.length)
})

it('opens the way to nothing before its firewall is there, nor for longer', () => {
  const coming: Phase[] = ['firewall', 'make namespaces', 'make links', 'set', 'bring up']
  expect(coming.map(at)).toEqual(coming.map(at).sort((a, b) => a - b))
  const going: Phase[] = ['leave', 'retire', 'restore', 'firewall', 'unreserve', 'drop']
  expect(going.map(at)).toEqual(going.map(at).sort((a, b) => a - b))
})

it('has work for every kind in every phase it is in, and in no other', () => {
  const rows = phases.flatMap(([phase, ...names]) => names.map((name) => `${name} ${phase}`))
  const work = Object.entries(participants).flatMap(([name, { apply }]) =>
    Object.keys(apply).map((phase) => `${name} ${phase}`),
  )
  expect(rows.sort()).toEqual(work.sort())
})
