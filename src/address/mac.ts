import { hash } from 'node:crypto'
import { CnmError } from '../base/errors.ts'
import type { IpAddress, MacAddress } from './address.ts'

export type { MacAddress } from './address.ts'

/**
 * An address for a link: six bytes with colons or dashes. Errors: INVALID_ADDRESS (not such text,
 * multicast, all zero).
 */
export function parseMac(text: string): MacAddress {
  if (!/^[0-9a-f]{2}([:-])(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}$/i.test(text)) {
    throw invalid(text, 'is not a MAC address', 'write it as 02:0a:1b:2c:3d:4e')
  }
  const mac = text.toLowerCase().replaceAll('-', ':') as MacAddress
  if (macBytes(mac)[0]! & 1) {
    throw invalid(text, 'is a multicast MAC address', 'its first byte must be even')
  }
  if (mac === '00:00:00:00:00:00') throw invalid(text, 'is no address of a link')
  return mac
}

function invalid(text: string, problem: string, hint?: string): CnmError {
  return new CnmError('INVALID_ADDRESS', `${JSON.stringify(text)} ${problem}`, {
    details: { text },
    ...(hint === undefined ? {} : { hint }),
  })
}

export function macBytes(mac: MacAddress): Uint8Array {
  const bytes = new Uint8Array(6)
  for (let at = 0; at < 6; at++) bytes[at] = Number.parseInt(mac.slice(3 * at, 3 * at + 2), 16)
  return bytes
}

/** Any six bytes: what the kernel says is not judged. */
export function macFromBytes(bytes: Uint8Array): MacAddress {
  if (bytes.length !== 6) {
    throw new CnmError('INVALID_ADDRESS', `a MAC address has 6 bytes, not ${bytes.length}`)
  }
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(':') as MacAddress
}

/**
 * The MAC of the endpoint with this address on this network: locally administered, unicast, and a
 * function of both, so that an address taken again needs no update of its neighbours' caches.
 */
export function macFor(networkId: string, address: IpAddress): MacAddress {
  const bytes = hash('sha256', `${networkId} ${address}`, 'buffer').subarray(0, 6)
  bytes[0] = (bytes[0]! & 0xfc) | 0x02
  return macFromBytes(bytes)
}
