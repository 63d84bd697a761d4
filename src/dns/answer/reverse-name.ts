import { addressBytes, type Prefix, prefixAddress, prefixLength } from '../../address/address.ts'
import { afterLabel, isWithin, labelAt } from '../message/name.ts'

/** What a name below `in-addr.arpa` or `ip6.arpa` stands for. */
export interface ReverseName {
  /** 4 or 16; those behind its length are 0. */
  readonly bytes: Uint8Array
  /** How many bits it says: all of them for an address, fewer for a part of the tree. */
  readonly bits: number
  /** It has labels below that, which are no part of an address. */
  readonly below: boolean
}

/** A prefix, for many comparisons. */
export interface Subnet {
  readonly bytes: Uint8Array
  readonly bits: number
}

const ARPA = '\x04arpa'
const V4 = '\x07in-addr\x04arpa'
const V6 = '\x03ip6\x04arpa'

/** Undefined for names that are none. */
export function readReverseName(key: string): ReverseName | undefined {
  if (!key.endsWith(ARPA)) return undefined
  if (isWithin(key, V4)) return read(key, V4, 4, decimal)
  return isWithin(key, V6) ? read(key, V6, 16, nibble) : undefined
}

export function isAddress({ bytes, bits, below }: ReverseName): boolean {
  return bits === bytes.length * 8 && !below
}

export function subnetOf(prefix: Prefix): Subnet {
  return { bytes: addressBytes(prefixAddress(prefix)), bits: prefixLength(prefix) }
}

/** Whether all the name stands for is inside. */
export function liesIn({ bytes, bits }: ReverseName, subnet: Subnet): boolean {
  if (bytes.length !== subnet.bytes.length || bits < subnet.bits) return false
  const whole = subnet.bits >> 3
  for (let at = 0; at < whole; at++) if (bytes[at] !== subnet.bytes[at]) return false
  const rest = 8 - (subnet.bits & 7)
  return rest === 8 || bytes[whole]! >> rest === subnet.bytes[whole]! >> rest
}

function read(
  key: string,
  suffix: string,
  length: 4 | 16,
  digit: (label: string) => number | undefined,
): ReverseName {
  const labels: string[] = []
  for (let at = 0; at < key.length - suffix.length; at = afterLabel(key, at)) {
    labels.push(labelAt(key, at))
  }
  const bytes = new Uint8Array(length)
  const step = length === 4 ? 8 : 4
  let bits = 0
  for (const label of labels.reverse()) {
    const value = digit(label)
    if (value === undefined || bits === length * 8) return { bytes, bits, below: true }
    bytes[bits >> 3]! |= value << (8 - step - (bits & 7))
    bits += step
  }
  return { bytes, bits, below: false }
}

function decimal(label: string): number | undefined {
  return /^(0|[1-9][0-9]{0,2})$/.test(label) && Number(label) < 256 ? Number(label) : undefined
}

function nibble(label: string): number | undefined {
  return /^[0-9a-f]$/.test(label) ? Number.parseInt(label, 16) : undefined
}
