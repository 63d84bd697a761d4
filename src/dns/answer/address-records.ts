import { addressBytes, familyOf, type IpAddress } from '../../address/address.ts'
import { CLASS_IN, Type } from '../message/constants.ts'

/**
 * For how long, in seconds, others may remember what we say. A client that has kept an answer for its
 * whole time is wrong for a second at most when a name has moved; and with 0 none would keep
 * anything, so that a burst of connections were a burst of queries.
 */
export const OUR_TTL = 1

/** A record: pointer to the question's name, type, class, TTL, length, and so many bytes. */
export const A_BYTES = 16
export const AAAA_BYTES = 28

const HEAD_BYTES = 12

/** Addresses as they go behind a question: whole records, owned by the question's name. */
export class AddressRecords {
  readonly a: Uint8Array
  readonly aaaa: Uint8Array

  constructor(addresses: readonly IpAddress[]) {
    const all = [...new Set(addresses)]
    this.a = records(all, 4, Type.A, A_BYTES)
    this.aaaa = records(all, 6, Type.AAAA, AAAA_BYTES)
  }
}

function records(all: readonly IpAddress[], family: 4 | 6, type: number, size: number): Uint8Array {
  const addresses = all.filter((address) => familyOf(address) === family)
  const bytes = new Uint8Array(addresses.length * size)
  const head = [0xc0, 12, 0, type, 0, CLASS_IN, 0, 0, 0, OUR_TTL, 0, size - HEAD_BYTES]
  for (const [index, address] of addresses.entries()) {
    bytes.set(head, index * size)
    bytes.set(addressBytes(address), index * size + HEAD_BYTES)
  }
  return bytes
}
