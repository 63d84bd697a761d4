import { addressBytes, type IpAddress } from '../../../../address/address.ts'
import { type MacAddress, macBytes } from '../../../../address/mac.ts'

const ND_NEIGHBOR_ADVERT = 136
const ND_NA_FLAG_OVERRIDE = 0x20
const ND_OPT_TARGET_LINKADDR = 2

/**
 * RFC 4861, 4.4 and 7.2.6: an unsolicited neighbour advertisement that overrides what others know of
 * an address, as an ICMPv6 message. Its checksum is left to the sender.
 */
export function neighbourAdvertisement(address: IpAddress, mac: MacAddress): Uint8Array {
  const bytes = new Uint8Array(32)
  bytes[0] = ND_NEIGHBOR_ADVERT
  bytes[4] = ND_NA_FLAG_OVERRIDE
  bytes.set(addressBytes(address), 8)
  bytes[24] = ND_OPT_TARGET_LINKADDR
  // In units of eight bytes.
  bytes[25] = 1
  bytes.set(macBytes(mac), 26)
  return bytes
}
