import { expect, it } from 'vitest'
import { didYouMean, nearest } from './did-you-mean.ts'

const known = ['subnets', 'internal', 'ipv4', 'ipv6', 'mtu', 'icc', 'labels']

it.each([
  ['subnet', 'subnets'],
  ['internla', 'internal'],
  ['Labels', 'labels'],
  ['lables', 'labels'],
  ['mut', 'mtu'],
  ['ipv5', 'ipv4'],
  ['IPV6', 'ipv6'],
])('%s is %s', (word, meant) => {
  expect(nearest(word, known)).toBe(meant)
})

it.each(['', 'x', 'gateway', 'sub'])('%j is nothing that is known', (word) => {
  expect(nearest(word, known)).toBeUndefined()
  expect(didYouMean(word, known)).toBeUndefined()
})

it('is asked as a question', () => {
  expect(didYouMean('mtuu', known)).toBe('did you mean "mtu"?')
})
