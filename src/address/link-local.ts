import { addressFromBytes, type IpAddress } from './address.ts'
import { type MacAddress, macBytes } from './mac.ts'

/** The IPv6 address that a link with this MAC gives itself (RFC 4291, appendix A): `fe80::42:aff:fe07:2`. */
export function linkLocalOf(mac: MacAddress): IpAddress {
  const [first = 0, second = 0, third = 0, ...rest] = macBytes(mac)
  const id = [first ^ 0x02, second, third, 0xff, 0xfe, ...rest]
  return addressFromBytes(Uint8Array.from([0xfe, 0x80, 0, 0, 0, 0, 0, 0, ...id]))
}
