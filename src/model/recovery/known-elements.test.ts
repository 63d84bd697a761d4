import { expect, it } from 'vitest'
import type { ElementResource } from '../../kernel/resource.ts'
import { KnownElements } from './known-elements.ts'

function element(key: readonly string[], run?: number): ElementResource {
  const place = { kind: 'element', family: 'inet', table: 'cnm', set: 's' } as const
  return { ...place, key, ...(run === undefined ? {} : { run }), owner: 'endpoint' }
}

const known = new KnownElements([
  element(['tcp', '80'], 10),
  element(['tcp', '90']),
  element(['tcp', '95'], 5),
  element(['br-x', '10.7.0.0/24']),
])

it.each([
  [element(['tcp', '80'], 10), []],
  [element(['tcp', '80'], 11), []],
  [element(['tcp', '89']), []],
  [element(['tcp', '91']), [element(['tcp', '91'])]],
  [element(['tcp', '92'], 2), [element(['tcp', '92'], 2)]],
  [element(['tcp', '85'], 20), [element(['tcp', '91'], 4), element(['tcp', '100'], 5)]],
  [element(['tcp', '79'], 12), [element(['tcp', '79'])]],
  [element(['udp', '80'], 10), [element(['udp', '80'], 10)]],
  [element(['br-x', '10.7.0.0/24']), []],
  [element(['br-x', '10.8.0.0/24']), [element(['br-x', '10.8.0.0/24'])]],
])('finds what of %j has no owner', (found, unknown) => {
  expect(known.unknownOf(found)).toEqual(unknown)
})

it('is about one set', () => {
  const elsewhere = { ...element(['tcp', '80']), set: 't' }
  expect(known.unknownOf(elsewhere)).toEqual([elsewhere])
})
