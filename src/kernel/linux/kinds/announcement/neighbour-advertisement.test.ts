import { expect, it } from 'vitest'
import { parseAddress } from '../../../../address/address.ts'
import { parseMac } from '../../../../address/mac.ts'
import { neighbourAdvertisement } from './neighbour-advertisement.ts'

it('is what the kernel says when an address comes up on a link', () => {
  const bytes = neighbourAdvertisement(parseAddress('fd00:7::2'), parseMac('02:0a:1b:2c:3d:4e'))
  expect(Buffer.from(bytes).toString('hex')).toBe(
    `88000000 20000000 fd000007000000000000000000000002 0201 020a1b2c3d4e`.replaceAll(' ', ''),
  )
})
