import { CnmError } from '../../../../base/errors.ts'
import { formatSpan, parseSpan, type Span } from './span.ts'
import { type ValueType, type ValueTypeName, valueType, valueTypeById } from './value-type.ts'

/** How the parts of a key or value lie in memory: each begins at a multiple of four bytes. */
export interface Layout {
  readonly types: readonly ValueType[]
  readonly offsets: readonly number[]
  readonly bytes: number
}

/** The kernel's registers hold 64 bytes together. */
const MAX_BYTES = 64

export function layoutOf(names: readonly ValueTypeName[]): Layout {
  const types = names.map(valueType)
  const [first] = types
  if (first === undefined) throw new CnmError('INVALID_ARGUMENT', 'a key needs at least one type')
  if (types.length === 1) return { types, offsets: [0], bytes: first.bytes }
  const offsets: number[] = []
  let bytes = 0
  for (const type of types) {
    offsets.push(bytes)
    bytes += padded(type.bytes)
  }
  if (bytes > MAX_BYTES) {
    const what = names.join(' . ')
    throw new CnmError('INVALID_ARGUMENT', `${what} is longer than ${MAX_BYTES} bytes`)
  }
  return { types, offsets, bytes }
}

function padded(bytes: number): number {
  return (bytes + 3) & ~3
}

/** The number under which nft knows the type of a whole key: six bits for each part. */
export function typeNumber({ types }: Layout): number {
  return types.reduce((number, type) => number * 64 + type.id, 0)
}

/** The way back; undefined where a type has no name here. */
export function typeNames(number: number): ValueTypeName[] | undefined {
  const names: ValueTypeName[] = []
  for (let rest = number; rest > 0; rest = Math.floor(rest / 64)) {
    const type = valueTypeById(rest % 64)
    if (type === undefined) return undefined
    names.unshift(type.name)
  }
  return names.length === 0 ? undefined : names
}

/** The bytes of the first and the last key that these texts mean. */
export function encodeParts(layout: Layout, texts: readonly string[]): Span {
  if (texts.length !== layout.types.length) {
    const names = layout.types.map((type) => type.name).join(' . ')
    throw new CnmError('INVALID_ARGUMENT', `${texts.join(' . ')} is not of the form ${names}`)
  }
  const start = new Uint8Array(layout.bytes)
  let end = start
  for (const [index, type] of layout.types.entries()) {
    const span = parseSpan(type, texts[index]!)
    const offset = layout.offsets[index]!
    if (span.start !== span.end && end === start) end = start.slice()
    start.set(span.start, offset)
    if (end !== start) end.set(span.end, offset)
  }
  return { start, end }
}

export function decodeParts(layout: Layout, { start, end }: Span): string[] {
  return layout.types.map((type, index) => {
    const from = layout.offsets[index]!
    const to = from + type.bytes
    return formatSpan(type, { start: start.subarray(from, to), end: end.subarray(from, to) })
  })
}
