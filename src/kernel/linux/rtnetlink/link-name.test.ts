import { expect, it } from 'vitest'
import type { MacAddress } from '../../../address/address.ts'
import { readLinkName } from './link-name.ts'
import { linkBody } from './link-schema.ts'

it('reads of a link what it is called, and whose it is', () => {
  const mac = '02:00:00:00:00:01' as MacAddress
  const attributes = { mac, name: 'veth0', mtu: 1500, group: 77, alias: 'another' }
  const body = linkBody.encode({ family: 7, index: 70_000 }, attributes)
  expect(readLinkName(body)).toEqual({ family: 7, index: 70_000, name: 'veth0', group: 77 })
})

it('refuses what is no link', () => {
  expect(() => readLinkName(Buffer.alloc(15))).toThrow('a link in 15 bytes')
})
