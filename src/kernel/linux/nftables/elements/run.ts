import { CnmError } from '../../../../base/errors.ts'
import { forEachAttribute } from '../../netlink/schema.ts'
import { NFTA_LIST_ELEM, NFTA_SET_ELEM_LIST_ELEMENTS } from '../constants.ts'
import { elementsBody, familyHeader } from '../message.ts'
import type { SetShape } from '../set.ts'
import type { Layout } from '../values/layout.ts'
import { type Element, type Entry, elementTarget } from './element.ts'

const NFTA_SET_ELEM_KEY = 1
const NFTA_SET_ELEM_DATA = 2
const NFTA_DATA_VALUE = 1
const NFGENMSG_BYTES = 4
const MAX_PORT = 65535

/** Some elements of a run, as the body of a message. */
interface RunPart {
  readonly body: Uint8Array
  /** How many there are in the parts before. */
  readonly first: number
}

/** Whether there are runs of any kind in such a set. */
export function hasRuns({ key, value, interval }: SetShape): boolean {
  const endsWithPort = ({ types }: Layout) => types.at(-1)?.name === 'inet_service'
  if (interval !== undefined || value === 'verdict' || !endsWithPort(key)) return false
  return value === undefined || endsWithPort(value)
}

/** Errors: INVALID_ARGUMENT, where a set can't have such a run. */
export function assertRun(shape: SetShape, element: Element): void {
  const { run, key, value } = element
  if (run === undefined) return
  const refuse = (why: string): never => {
    throw new CnmError(
      'INVALID_ARGUMENT',
      `${elementTarget(shape, element)} can't be a run: ${why}`,
    )
  }
  if (!Number.isInteger(run) || run < 1) refuse(`${run} is no number of elements`)
  if (shape.interval !== undefined) refuse('the set has intervals')
  if (shape.value === 'verdict') refuse('its value is a verdict')
  for (const [layout, texts] of [
    [shape.key, key],
    [shape.value, value],
  ] as const) {
    if (layout === undefined || layout === 'verdict') continue
    const last = texts?.at(-1) ?? ''
    if (layout.types.at(-1)?.name !== 'inet_service') refuse('it does not end with a port')
    if (!/^\d+$/.test(last)) refuse(`${last} is no port`)
    if (Number(last) + run - 1 > MAX_PORT) refuse(`there is no port above ${MAX_PORT}`)
  }
}

/**
 * The messages for all elements of a run. Only the first one is written in the ordinary way; the others
 * are its bytes with other ports.
 */
export function* encodeRun(
  shape: SetShape,
  element: Element,
  entry: Entry,
  most: { readonly elements: number; readonly bytes: number },
): Generator<RunPart> {
  const { family, table, set, run = 1 } = element
  const one = elementsBody.encode(familyHeader(family), { table, set, elements: [entry] })
  const list = find(one, NFTA_SET_ELEM_LIST_ELEMENTS)
  const size = one.length - list
  const step = Math.min(most.elements, Math.floor(most.bytes / size))
  const ports = [
    portIn(one, NFTA_SET_ELEM_KEY, shape.key),
    entry.data === undefined ? undefined : portIn(one, NFTA_SET_ELEM_DATA, shape.value as Layout),
  ].filter((place) => place !== undefined)
  for (let first = 0; first < run; first += step) {
    const count = Math.min(step, run - first)
    const body = repeated(one, list, count)
    for (const place of ports) countUp(body, place, size, count, one.readUInt16BE(place) + first)
    yield { body, first }
  }
}

/** The body again, but with this many times the element in its list. */
function repeated(one: Buffer, list: number, count: number): Buffer {
  const size = one.length - list
  const body = Buffer.allocUnsafe(list + size * count)
  one.copy(body)
  for (let filled = size; filled < size * count; filled *= 2) {
    body.copyWithin(list + filled, list, list + Math.min(filled, size * count - filled))
  }
  const attributeHeader = 4
  body.writeUInt16LE(attributeHeader + size * count, list - attributeHeader)
  return body
}

function countUp(body: Buffer, place: number, size: number, count: number, from: number): void {
  for (let index = 0; index < count; index++) {
    const at = place + index * size
    body[at] = (from + index) >>> 8
    body[at + 1] = from + index
  }
}

/** Where the last part of the one element's key or value is. */
function portIn(body: Buffer, attribute: number, { offsets }: Layout): number {
  const path = [NFTA_SET_ELEM_LIST_ELEMENTS, NFTA_LIST_ELEM, attribute, NFTA_DATA_VALUE]
  return find(body, ...path) + offsets.at(-1)!
}

/** Where the content of an attribute inside of others begins. */
function find(body: Buffer, ...path: readonly number[]): number {
  let [start, end] = [NFGENMSG_BYTES, body.length]
  for (const wanted of path) {
    let found = start
    let foundEnd = end
    forEachAttribute(body, start, end, (type, from, to) => {
      if (type === wanted) [found, foundEnd] = [from, to]
    })
    ;[start, end] = [found, foundEnd]
  }
  return start
}
