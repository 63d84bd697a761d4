import { expect, it } from 'vitest'
import { parseAddress } from '../../../../address/address.ts'
import { solicitedNodeGroup } from './neighbour-discovery.ts'

it.each([
  ['fd00:7::1', 'ff02::1:ff00:1'],
  ['4037::1:800:200e:8c6c', 'ff02::1:ff0e:8c6c'],
  ['2001:db8::abcd:ef01:2345', 'ff02::1:ff01:2345'],
])('whoever asks for %s asks %s', (address, group) => {
  expect(solicitedNodeGroup(parseAddress(address))).toBe(group)
})
