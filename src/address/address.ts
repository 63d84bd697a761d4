import { CnmError } from '../base/errors.ts'
import { readIpv4, writeIpv4 } from './ipv4.ts'
import { isIpv4Mapped, readIpv6, writeIpv6 } from './ipv6.ts'

/**
 * Addresses and prefixes are strings in canonical text (IPv6: RFC 5952), so they are JSON and two of
 * them mean the same exactly if they are ===. Only the parsers make them from foreign text; whatever
 * takes an IpAddress, Prefix or Cidr trusts it.
 */
export type IpAddress = string & { readonly [brand]: 'IpAddress' }
/** `10.7.0.0/24`: a block of addresses, no host bits set. */
export type Prefix = string & { readonly [brand]: 'Prefix' }
/** `10.7.0.2/24`: an address of an interface with the length of the prefix it is in. */
export type Cidr = string & { readonly [brand]: 'Cidr' }
/** `02:0a:1b:2c:3d:4e`: of a link; lower case with colons. */
export type MacAddress = string & { readonly [brand]: 'MacAddress' }

declare const brand: unique symbol

export type IpFamily = 4 | 6

/**
 * Errors: INVALID_ADDRESS (not an address, leading zeros, a zone like `%eth0`, an IPv4-mapped IPv6
 * address).
 */
export function parseAddress(text: string): IpAddress {
  if (!text.includes(':')) {
    const value = readIpv4(text)
    if (typeof value === 'string') {
      const what = text.includes('.') ? 'an IPv4 address' : 'an IP address'
      throw invalid(text, `is not ${what}: ${value}`)
    }
    return writeIpv4(value) as IpAddress
  }
  const zone = text.indexOf('%')
  if (zone >= 0) {
    throw invalid(text, 'has a zone, which is not supported', `leave out "${text.slice(zone)}"`)
  }
  const groups = readIpv6(text)
  if (typeof groups === 'string') throw invalid(text, `is not an IPv6 address: ${groups}`)
  if (isIpv4Mapped(groups)) {
    const plain = writeIpv4(groups[6]! * 0x10000 + groups[7]!)
    throw invalid(text, 'is an IPv4-mapped IPv6 address', `write ${plain}`)
  }
  return writeIpv6(groups) as IpAddress
}

/** Errors: INVALID_ADDRESS (no or a bad length, host bits set, or as parseAddress). */
export function parsePrefix(text: string): Prefix {
  const { address, length } = parseParts(text)
  const prefix = prefixOf(address, length)
  if (prefixAddress(prefix) !== address) {
    const what = `has bits set beyond its length of ${length}`
    throw invalid(text, what, `write ${prefix}`)
  }
  return prefix
}

/** Errors: INVALID_ADDRESS (no or a bad length, or as parseAddress). */
export function parseCidr(text: string): Cidr {
  const { address, length } = parseParts(text)
  return cidrOf(address, length)
}

function parseParts(text: string): { address: IpAddress; length: number } {
  const slash = text.indexOf('/')
  const address = parseAddress(text.slice(0, slash < 0 ? undefined : slash))
  if (slash < 0) throw invalid(text, 'has no length', `write it as ${text}/LENGTH`)
  const digits = text.slice(slash + 1)
  const length = Number(digits)
  const most = bitsOf(familyOf(address))
  if (!/^(0|[1-9][0-9]{0,2})$/.test(digits) || length > most) {
    throw invalid(text, `has a length that is not a number from 0 to ${most}`)
  }
  return { address, length }
}

function invalid(text: string, problem: string, hint?: string): CnmError {
  return new CnmError('INVALID_ADDRESS', `${JSON.stringify(text)} ${problem}`, {
    details: { text },
    ...(hint === undefined ? {} : { hint }),
  })
}

export function familyOf(value: IpAddress | Prefix | Cidr): IpFamily {
  return value.includes(':') ? 6 : 4
}

/** Whether it is `0.0.0.0` or `::`, which stand for all addresses of their family, or for any. */
export function isUnspecified(address: IpAddress): boolean {
  return address === '0.0.0.0' || address === '::'
}

/** As it stands before a port: `10.7.0.2`, `[fd00::2]`. */
export function bracketed(address: IpAddress): string {
  return familyOf(address) === 6 ? `[${address}]` : address
}

/** `10.7.0.2:53`, `[fd00::2]:53`. */
export function socketText(socket: { readonly address: IpAddress; readonly port: number }): string {
  return `${bracketed(socket.address)}:${socket.port}`
}

/** How many bits an address of this family has. */
export function bitsOf(family: IpFamily): 32 | 128 {
  return family === 4 ? 32 : 128
}

/** 4 or 16 bytes, in network order. */
export function addressBytes(address: IpAddress): Uint8Array {
  if (familyOf(address) === 4) return ipv4Bytes(address)
  const bytes = new Uint8Array(16)
  for (const [index, group] of groupsOf(address).entries()) {
    bytes[2 * index] = group >>> 8
    bytes[2 * index + 1] = group & 255
  }
  return bytes
}

/** Every attach needs a dozen: this is several times cheaper than splitting the text. */
function ipv4Bytes(address: string): Uint8Array {
  const bytes = new Uint8Array(4)
  let part = 0
  for (let at = 0; at < address.length; at++) {
    const code = address.charCodeAt(at)
    if (code === 46) part += 1
    else bytes[part] = bytes[part]! * 10 + code - 48
  }
  return bytes
}

/** Any 4 or 16 bytes, whatever address that is: what the kernel says is not judged. */
export function addressFromBytes(bytes: Uint8Array): IpAddress {
  if (bytes.length === 4) return bytes.join('.') as IpAddress
  if (bytes.length !== 16) {
    throw new CnmError('INVALID_ADDRESS', `an address has 4 or 16 bytes, not ${bytes.length}`)
  }
  const groups: number[] = []
  for (let index = 0; index < 16; index += 2) {
    groups.push(bytes[index]! * 256 + bytes[index + 1]!)
  }
  return writeIpv6(groups) as IpAddress
}

export function addressToBigInt(address: IpAddress): bigint {
  if (familyOf(address) === 4) return BigInt(readIpv4(address))
  const [a, b, c, d, e, f, g, h] = groupsOf(address) as Groups
  // Parts of 48 bits and less are exact as numbers, which saves most of the slow bigint steps.
  const high = BigInt((a * 0x10000 + b) * 0x10000 + c)
  const middle = BigInt(d * 0x10000 + e)
  const low = BigInt((f * 0x10000 + g) * 0x10000 + h)
  return (high << 80n) | (middle << 48n) | low
}

/** Errors: INVALID_ADDRESS (the value is negative, or larger than an address of that family). */
export function addressFromBigInt(value: bigint, family: IpFamily): IpAddress {
  if (value < 0n || value >> BigInt(bitsOf(family)) !== 0n) {
    throw new CnmError('INVALID_ADDRESS', `${value} is not the value of an IPv${family} address`)
  }
  if (family === 4) return writeIpv4(Number(value)) as IpAddress
  const groups: number[] = []
  for (const shift of [96n, 64n, 32n, 0n]) {
    const word = Number((value >> shift) & 0xffffffffn)
    groups.push(word >>> 16, word & 0xffff)
  }
  return writeIpv6(groups) as IpAddress
}

export function prefixLength(value: Prefix | Cidr): number {
  return Number(value.slice(value.indexOf('/') + 1))
}

/** The first address of a prefix. */
export function prefixAddress(prefix: Prefix): IpAddress {
  return prefix.slice(0, prefix.indexOf('/')) as IpAddress
}

export function cidrAddress(cidr: Cidr): IpAddress {
  return cidr.slice(0, cidr.indexOf('/')) as IpAddress
}

export function cidrOf(address: IpAddress, length: number): Cidr {
  return `${address}/${length}` as Cidr
}

/** The prefix an interface with this address is in. */
export function cidrPrefix(cidr: Cidr): Prefix {
  return prefixOf(cidrAddress(cidr), prefixLength(cidr))
}

/** The prefix of that length around an address. */
export function prefixOf(address: IpAddress, length: number): Prefix {
  const family = familyOf(address)
  const shift = BigInt(bitsOf(family) - length)
  const first = (addressToBigInt(address) >> shift) << shift
  return `${addressFromBigInt(first, family)}/${length}` as Prefix
}

/** Whether all of an address or prefix lies in a prefix; never across families. */
export function contains(prefix: Prefix, inner: IpAddress | Prefix): boolean {
  const family = familyOf(prefix)
  if (familyOf(inner) !== family) return false
  const isPrefix = inner.includes('/')
  const length = prefixLength(prefix)
  if (isPrefix && prefixLength(inner as Prefix) < length) return false
  const address = isPrefix ? prefixAddress(inner as Prefix) : (inner as IpAddress)
  const shift = BigInt(bitsOf(family) - length)
  return addressToBigInt(prefixAddress(prefix)) >> shift === addressToBigInt(address) >> shift
}

export function overlaps(a: Prefix, b: Prefix): boolean {
  return contains(a, b) || contains(b, a)
}

/** The first and the last address of a prefix, as values. */
export function prefixRange(prefix: Prefix): { readonly first: bigint; readonly last: bigint } {
  const first = addressToBigInt(prefixAddress(prefix))
  const free = BigInt(bitsOf(familyOf(prefix)) - prefixLength(prefix))
  return { first, last: first + (1n << free) - 1n }
}

type Groups = [number, number, number, number, number, number, number, number]

function groupsOf(address: IpAddress): readonly number[] {
  return readIpv6(address) as readonly number[]
}
