/** Elements of sets and maps: as bytes (here), as runs of many, looked for, changed, and remembered. */

import { CnmError } from '../../../../base/errors.ts'
import type { Family, RateLimit, TableDefinition } from '../../../ruleset.ts'
import type { ValueOf } from '../../netlink/schema.ts'
import { NFT_SET_ELEM_INTERVAL_END, VERDICTS } from '../constants.ts'
import type { elementEntry } from '../message.ts'
import { limitOf, limitOver, verdictData } from '../rules/expression.ts'
import { type SetShape, setShape } from '../set.ts'
import { decodeParts, encodeParts } from '../values/layout.ts'
import type { Span } from '../values/span.ts'
import { commentOf, encodeComment, encodeUserData } from '../values/user-data.ts'

/** An element of a set or map, as in `nft add element FAMILY TABLE SET { KEY : VALUE }`. */
export interface Element {
  readonly family: Family
  readonly table: string
  readonly set: string
  /** One text for each part of a concatenation; prefixes and ranges in interval sets. */
  readonly key: readonly string[]
  /** Maps only: a verdict (`jump nat4`), or one text for each part of the value. */
  readonly value?: readonly string[]
  /**
   * This many elements instead of one: the last part of the key is a port that goes up by one from each
   * to the next, and so is the last part of the value. Not for sets of intervals.
   */
  readonly run?: number
  /** Only in sets with limits. Default: the set's. */
  readonly limit?: RateLimit
  /** Whose it is; `nft` shows it as the element's comment. */
  readonly owner?: string
  readonly timeoutMs?: number
}

export interface ElementChange {
  readonly remove: readonly Element[]
  readonly add: readonly Element[]
}

/** One entry of the kernel's list; an element of a plain interval set has two. */
export type Entry = ValueOf<typeof elementEntry>

/** `element inet cnm masquerade4 { "br-x" . 10.7.0.0/24 }`: for messages. */
export function elementTarget(shape: SetShape, { family, table, set, key }: Element): string {
  const parts = key.map((text, index) =>
    shape.key.types[index]?.name === 'ifname' ? JSON.stringify(text) : text,
  )
  return `element ${family} ${table} ${set} { ${parts.join(' . ')} }`
}

/** The set an element is or would be in. */
export type Place = Pick<Element, 'family' | 'table' | 'set'>

export function shapeFor(tables: readonly TableDefinition[], place: Place): SetShape {
  const { family, table, set } = place
  const definition = tables
    .find((candidate) => candidate.name === table && candidate.family === family)
    ?.sets.find((candidate) => candidate.name === set)
  if (definition === undefined) {
    throw new CnmError('INVALID_ARGUMENT', `no set ${family} ${table} ${set} is defined`)
  }
  return setShape(definition)
}

/** What the kernel is told to add. */
export function encodeElement(shape: SetShape, element: Element): Entry[] {
  const { value, owner, timeoutMs, limit = shape.limit } = element
  return withKey(shape, element, {
    ...(shape.value === undefined ? {} : { data: encodeValue(shape.value, value ?? []) }),
    ...(timeoutMs === undefined ? {} : { timeout: BigInt(timeoutMs) }),
    ...(limit === undefined ? {} : { expression: limitOver(limit) }),
    ...(owner === undefined ? {} : { userData: ownerData(owner) }),
  })
}

let lastOwner: { readonly owner: string; readonly data: Uint8Array } | undefined

/** Elements of one owner follow one another. */
function ownerData(owner: string): Uint8Array {
  if (lastOwner?.owner !== owner) {
    lastOwner = { owner, data: encodeUserData([encodeComment(owner)]) }
  }
  return lastOwner.data
}

/** What names the element, to get or delete it. */
export function encodeKey(shape: SetShape, element: Element): Entry[] {
  return withKey(shape, element, {})
}

function withKey(shape: SetShape, { key }: Element, rest: Entry): Entry[] {
  const { start, end } = encodeParts(shape.key, key)
  if (shape.interval === 'concatenated') {
    return [{ key: { value: start }, keyEnd: { value: end }, ...rest }]
  }
  if (shape.interval === 'plain') {
    const beyond = successor(end)
    const first = { key: { value: start }, ...rest }
    if (beyond === undefined) return [first]
    return [first, { key: { value: beyond }, flags: NFT_SET_ELEM_INTERVAL_END }]
  }
  if (start !== end) {
    throw new CnmError(
      'INVALID_ARGUMENT',
      `${key.join(' . ')} is a range, but the set has no intervals`,
    )
  }
  return [{ key: { value: start }, ...rest }]
}

/** The next value; undefined behind the last. */
function successor(bytes: Uint8Array): Uint8Array | undefined {
  const next = bytes.slice()
  for (let index = next.length - 1; index >= 0; index--) {
    next[index]! += 1
    if (next[index] !== 0) return next
  }
  return undefined
}

function predecessor(bytes: Uint8Array): Uint8Array {
  const previous = bytes.slice()
  for (let index = previous.length - 1; index >= 0; index--) {
    previous[index]! -= 1
    if (previous[index] !== 0xff) break
  }
  return previous
}

function encodeValue(
  value: NonNullable<SetShape['value']>,
  texts: readonly string[],
): Entry['data'] {
  if (value !== 'verdict') return { value: encodeParts(value, texts).start }
  const [name = '', chain] = texts.length === 1 ? texts[0]!.split(' ') : []
  const jumps = name === 'jump' || name === 'goto'
  if (!Object.hasOwn(VERDICTS, name) || jumps !== (chain !== undefined)) {
    throw new CnmError('INVALID_ARGUMENT', `${JSON.stringify(texts.join(' '))} is not a verdict`)
  }
  return verdictData(name as keyof typeof VERDICTS, chain)
}

const verdictNames = new Map<number, string>(
  Object.entries(VERDICTS).map(([name, code]) => [code >>> 0, name]),
)

/** Reads a set's entries, in the kernel's order; those of plain intervals become whole again. */
export function decodeElements(
  shape: SetShape,
  place: Place,
  entries: readonly Entry[],
): Element[] {
  const whole = shape.interval === 'plain' ? joinIntervals(entries) : entries
  const elements: Element[] = []
  for (const { key, keyEnd, data, timeout, userData, expression } of whole) {
    const start = key?.value
    // The catch-all element of a set that is not ours has no key.
    if (start === undefined || start.length !== shape.key.bytes) continue
    const span: Span = { start, end: keyEnd?.value ?? start }
    const value = decodeValue(shape, data)
    const owner = userData === undefined ? undefined : commentOf(userData)
    const limit = limitOf(expression)
    elements.push({
      ...place,
      key: decodeParts(shape.key, span),
      ...(value === undefined ? {} : { value }),
      ...(owner === undefined ? {} : { owner }),
      ...(limit === undefined ? {} : { limit }),
      ...(timeout === undefined ? {} : { timeoutMs: Number(timeout) }),
    })
  }
  return elements
}

function decodeValue({ value }: SetShape, data: Entry['data']): string[] | undefined {
  if (value === undefined || data === undefined) return undefined
  if (value === 'verdict') {
    const name = verdictNames.get(data.verdict?.code ?? -1) ?? 'unknown'
    const chain = data.verdict?.chain
    return [chain === undefined ? name : `${name} ${chain}`]
  }
  const bytes = data.value
  if (bytes === undefined || bytes.length !== value.bytes) return undefined
  return decodeParts(value, { start: bytes, end: bytes })
}

/** Beginnings and ends come in any order; sorted, each beginning is followed by its end. */
function joinIntervals(entries: readonly Entry[]): Entry[] {
  const sorted = entries.filter((entry) => entry.key?.value !== undefined).sort(byKey)
  const joined: Entry[] = []
  for (const [index, entry] of sorted.entries()) {
    if (isEnd(entry)) continue
    const next = sorted[index + 1]?.key?.value
    const end = next === undefined ? entry.key!.value!.map(() => 0xff) : predecessor(next)
    joined.push({ ...entry, keyEnd: { value: end } })
  }
  return joined
}

function isEnd({ flags }: Entry): boolean {
  return ((flags ?? 0) & NFT_SET_ELEM_INTERVAL_END) !== 0
}

/** An end before a beginning at the same place. */
function byKey(a: Entry, b: Entry): number {
  return Buffer.compare(a.key!.value!, b.key!.value!) || Number(isEnd(b)) - Number(isEnd(a))
}
