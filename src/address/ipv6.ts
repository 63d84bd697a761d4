import { readIpv4 } from './ipv4.ts'

/**
 * An IPv6 address as text ⇄ eight groups of 16 bits. Reading answers with the groups, or with what is
 * wrong as the end of a sentence. Writing is RFC 5952: lower case, no leading zeros, the longest (of
 * equals the first) run of two or more zero groups as `::`.
 */
export function readIpv6(text: string): readonly number[] | string {
  const [front = '', back, ...more] = text.split('::')
  if (more.length > 0) return '"::" may stand only once'
  const head = readGroups(front, back === undefined)
  if (typeof head === 'string') return head
  if (back === undefined) return head.length === 8 ? head : 'it does not have eight groups'
  const tail = readGroups(back, true)
  if (typeof tail === 'string') return tail
  const missing = 8 - head.length - tail.length
  if (missing < 1) return 'it has too many groups'
  return [...head, ...new Array<number>(missing).fill(0), ...tail]
}

/** The groups on one side of `::`; only the last part of an address may be dotted IPv4. */
function readGroups(text: string, last: boolean): number[] | string {
  if (text === '') return []
  const parts = text.split(':')
  const groups: number[] = []
  for (const [index, part] of parts.entries()) {
    if (/^[0-9a-fA-F]{1,4}$/.test(part)) {
      groups.push(Number.parseInt(part, 16))
    } else if (last && index === parts.length - 1 && part.includes('.')) {
      const value = readIpv4(part)
      if (typeof value === 'string') return value
      groups.push(value >>> 16, value & 0xffff)
    } else {
      return `"${part}" is not a group of one to four hexadecimal digits`
    }
  }
  return groups
}

export function writeIpv6(groups: readonly number[]): string {
  const { start, length } = longestZeroRun(groups)
  const hex = groups.map((group) => group.toString(16))
  if (length < 2) return hex.join(':')
  return `${hex.slice(0, start).join(':')}::${hex.slice(start + length).join(':')}`
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 }
  let start = 0
  for (let index = 0; index < groups.length; index++) {
    if (groups[index] !== 0) start = index + 1
    else if (index + 1 - start > best.length) best = { start, length: index + 1 - start }
  }
  return best
}

/** `::ffff:0:0/96`: an IPv4 address in the clothes of an IPv6 one. */
export function isIpv4Mapped(groups: readonly number[]): boolean {
  return groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0)
}
