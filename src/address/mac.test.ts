import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { addressFromBytes, parseAddress } from './address.ts'
import { macBytes, macFor, macFromBytes, parseMac } from './mac.ts'

const address = fc.uint8Array({ minLength: 4, maxLength: 4 }).map(addressFromBytes)
const networkId = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => {
  return Buffer.from(bytes).toString('hex')
})

describe('parseMac', () => {
  it('accepts colons and dashes and writes lower case with colons', () => {
    expect(parseMac('02:0A:1b:2C:3d:4E')).toBe('02:0a:1b:2c:3d:4e')
    expect(parseMac('02-0A-1b-2C-3d-4E')).toBe('02:0a:1b:2c:3d:4e')
  })

  it.each([
    ['', 'is not a MAC address'],
    ['02:0a:1b:2c:3d', 'is not a MAC address'],
    ['02:0a:1b:2c:3d:4e:5f', 'is not a MAC address'],
    ['2:0a:1b:2c:3d:4e', 'is not a MAC address'],
    ['02:0a-1b:2c:3d:4e', 'is not a MAC address'],
    ['020a.1b2c.3d4e', 'is not a MAC address'],
    ['01:00:5e:00:00:01', 'is a multicast MAC address'],
    ['ff:ff:ff:ff:ff:ff', 'is a multicast MAC address'],
    ['00:00:00:00:00:00', 'is no address of a link'],
  ])('refuses %j', (text, message) => {
    expect(() => parseMac(text)).toThrow(
      expect.objectContaining({ code: 'INVALID_ADDRESS', message: `"${text}" ${message}` }),
    )
  })
})

it('comes back from bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 6, maxLength: 6 }), (bytes) => {
      expect(macBytes(macFromBytes(bytes))).toEqual(bytes)
    }),
  )
  expect(() => macFromBytes(new Uint8Array(5))).toThrow('a MAC address has 6 bytes, not 5')
})

describe('macFor', () => {
  it('is a locally administered unicast address that parseMac accepts', () => {
    fc.assert(
      fc.property(networkId, address, (network, ip) => {
        const mac = macFor(network, ip)
        expect(macBytes(mac)[0]! & 3).toBe(2)
        expect(parseMac(mac)).toBe(mac)
        expect(macFor(network, ip)).toBe(mac)
      }),
    )
  })

  it('differs by network and by address', () => {
    const macs = ['a', 'b'].flatMap((network) =>
      ['10.7.0.2', '10.7.0.3', 'fd00::2'].map((text) => macFor(network, parseAddress(text))),
    )
    expect(new Set(macs).size).toBe(6)
  })
})
