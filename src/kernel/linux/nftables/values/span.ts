import { parsePrefix, prefixLength } from '../../../../address/address.ts'
import { notA, type ValueType } from './value-type.ts'

/** The values from `start` to `end`, both included; the same where it is a single one. */
export interface Span {
  readonly start: Uint8Array
  readonly end: Uint8Array
}

/** Only these have prefixes and ranges; in others `/` and `-` are letters like any. */
function hasSpans(type: ValueType): boolean {
  return type.name === 'ipv4_addr' || type.name === 'ipv6_addr' || type.name === 'inet_service'
}

/** Whether the text is a prefix or a range, not a single value. */
export function isSpan(type: ValueType, text: string): boolean {
  return hasSpans(type) && /[/-]/.test(text)
}

/** `10.7.0.0/24`, `10.7.0.1-10.7.0.9`, `1000-1999`, or a single value. */
export function parseSpan(type: ValueType, text: string): Span {
  if (hasSpans(type)) {
    if (text.includes('/')) return prefixSpan(type, text)
    const dash = text.indexOf('-')
    if (dash > 0) {
      const start = type.parse(text.slice(0, dash))
      const end = type.parse(text.slice(dash + 1))
      if (Buffer.compare(start, end) > 0) throw notA(type.name, text)
      return { start, end }
    }
  }
  const value = type.parse(text)
  return { start: value, end: value }
}

function prefixSpan(type: ValueType, text: string): Span {
  if (type.name === 'inet_service') throw notA(type.name, text)
  const prefix = parsePrefix(text)
  const start = type.parse(prefix.slice(0, prefix.indexOf('/')))
  return { start, end: lastOf(start, prefixLength(prefix)) }
}

/** The last value of the prefix of that length that begins with `start`. */
function lastOf(start: Uint8Array, length: number): Uint8Array {
  return start.map((byte, index) => byte | (0xff >> Math.min(8, Math.max(0, length - 8 * index))))
}

/** The network mask of a prefix length, as bytes. */
export function prefixMask(bytes: number, length: number): Uint8Array {
  return lastOf(new Uint8Array(bytes), length).map((byte) => ~byte)
}

/** The shortest text that `parseSpan` reads as this. */
export function formatSpan(type: ValueType, { start, end }: Span): string {
  if (Buffer.compare(start, end) === 0) return type.format(start)
  if (type.name !== 'inet_service') {
    const length = commonBits(start, end)
    const isPrefix = start.every(
      (byte, index) => (byte & prefixMask(start.length, length)[index]!) === byte,
    )
    if (isPrefix && Buffer.compare(lastOf(start, length), end) === 0) {
      return `${type.format(start)}/${length}`
    }
  }
  return `${type.format(start)}-${type.format(end)}`
}

function commonBits(a: Uint8Array, b: Uint8Array): number {
  for (let index = 0; index < a.length; index++) {
    const difference = a[index]! ^ b[index]!
    if (difference !== 0) return 8 * index + Math.clz32(difference) - 24
  }
  return 8 * a.length
}
