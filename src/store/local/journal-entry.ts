import { crc32 } from 'node:zlib'
import type { Json } from '../store.ts'

/** What a journal begins with: the number is that of the format. */
export const firstLine = 'cnm records 3\n'

/**
 * `@ <bytes> <lines> <checksum of the bytes>`, for each line ` <checksum of its key>`, then ` <checksum of this line so
 * far>` and the end of a line.
 */
const beginning = '@ 000000000 000000 00000000'
const FIELD_BYTES = ' 00000000'.length
/** Where the fields are. */
const LINES_AT = 12
const SUM_AT = 19
const MOST_LINES = 999_999

/** How long the header of an entry with so many lines is. */
function headerBytes(lines: number): number {
  return beginning.length + (lines + 1) * FIELD_BYTES + 1
}

/** Of an entry with one line. */
export const HEADER_BYTES = headerBytes(1)

const [at, space, lineEnd, zero] = Buffer.from('@ \n0') as unknown as [
  number,
  number,
  number,
  number,
]

/** No commit comes near it, and a damaged header can't ask for all memory there is. */
const MOST_BODY_BYTES = 256 * 1024 * 1024

/** Where a record is in an entry. */
export interface FoundLine {
  readonly key: string
  readonly version: number
  /** The line, its end included, in bytes of the entry. */
  readonly start: number
  readonly end: number
  /** Where its JSON begins. */
  readonly text: number
}

export interface Header {
  /** Its own bytes. */
  readonly size: number
  /** Bytes of the body, which follows. */
  readonly length: number
  readonly checksum: number
  /** Of the keys, in hexadecimal: with a damaged body they tell what was changed. */
  readonly keys: readonly string[]
}

/**
 * A record on a line of its own; version 0: it is deleted. In ASCII, so that characters are bytes, and without the end
 * of a line but its own.
 */
export function lineOf(key: string, version: number, value: Json): string {
  return `${key} ${version} ${JSON.stringify(value).replace(/[\u0080-\uffff]/g, escaped)}\n`
}

/** What deleting a record takes at most, in bytes of the journal. */
export function deleteBytes(key: string): number {
  return HEADER_BYTES + key.length + ' 0 null\n'.length
}

/** One entry: the lines of a commit, all of them or none. */
export function entryOf(lines: string): Buffer {
  const keys = keysOf(lines)
  if (lines.length > MOST_BODY_BYTES || keys.length > MOST_LINES) {
    throw Object.assign(new Error(`${lines.length} bytes at once are too many`), { code: 'E2BIG' })
  }
  const size = headerBytes(keys.length)
  const entry = Buffer.allocUnsafe(size + lines.length)
  entry.write(lines, size, 'latin1')
  const sum = hex(crc32(entry.subarray(size)))
  const sizes = `@ ${`${lines.length}`.padStart(9, '0')} ${`${keys.length}`.padStart(6, '0')}`
  const promise = [sizes, sum, ...keys.map(sumOf)].join(' ')
  entry.write(`${promise} ${hex(crc32(promise))}\n`, 0, 'latin1')
  return entry
}

/** The keys that lines begin with. */
function keysOf(lines: string): string[] {
  const keys: string[] = []
  for (let start = 0; start < lines.length; ) {
    const end = lines.indexOf('\n', start) + 1 || lines.length
    const line = lines.slice(start, end)
    keys.push(line.slice(0, Math.max(0, line.search(/[ \n]|$/))))
    start = end
  }
  return keys
}

/** As a header has it of a key. */
export function sumOf(key: string): string {
  return hex(crc32(key))
}

/** How long the header would be that these bytes begin with; undefined: they don't look like one. */
export function headerSize(bytes: Buffer): number | undefined {
  // Most places in which one is looked for have none.
  if (bytes.length < beginning.length || bytes[0] !== at || bytes[LINES_AT - 1] !== space) return
  if (bytes[SUM_AT - 1] !== space) return
  const lines = bytes.toString('latin1', LINES_AT, SUM_AT - 1)
  return /^\d{6}$/.test(lines) ? headerBytes(Number(lines)) : undefined
}

/** Where in these bytes a header may begin, were it only with the last of them. */
export function findBeginning(bytes: Buffer): number | undefined {
  for (let index = bytes.indexOf(at); index >= 0 && index < bytes.length; index++) {
    if (bytes[index] !== at || (bytes[index + 1] ?? space) !== space) continue
    const digit = bytes[index + 2] ?? zero
    if (digit >= zero && digit < zero + 10) return index
  }
  return undefined
}

/** The header that these bytes begin with; undefined: it is none, or damaged. */
export function headerOf(bytes: Buffer): Header | undefined {
  const size = headerSize(bytes)
  if (size === undefined || bytes.length < size || bytes[size - 1] !== lineEnd) return undefined
  const text = bytes.toString('latin1', 0, size)
  const promise = text.slice(0, -1 - FIELD_BYTES)
  if (text.slice(promise.length) !== ` ${hex(crc32(promise))}\n`) return undefined
  const length = Number(promise.slice(2, LINES_AT - 1))
  const [sum, ...keys] = promise.slice(SUM_AT).split(' ')
  const checksum = Number.parseInt(sum!, 16)
  return length <= MOST_BODY_BYTES ? { size, length, checksum, keys } : undefined
}

/** Whether these bytes, the last of a file, are the beginning of a header. */
export function isCutHeader(bytes: Buffer): boolean {
  const size = headerSize(bytes) ?? beginning.length
  if (bytes.length >= size) return false
  const shape = beginning + ' 00000000'.repeat((size - beginning.length) / FIELD_BYTES)
  const text = bytes.toString('latin1')
  return text.replace(/[0-9a-f]/g, '0') === shape.slice(0, text.length)
}

/** The lines of an entry that has been verified. Their JSON is not looked at: most of it counts no more. */
export function* linesOf(entry: Buffer): Generator<FoundLine, void> {
  for (let start = entry.indexOf('\n') + 1; start < entry.length; ) {
    const end = entry.indexOf('\n', start) + 1 || entry.length
    const key = endOfWord(entry, start, end)
    const version = endOfWord(entry, key + 1, end)
    yield {
      key: entry.toString('latin1', start, key),
      // NaN, if it is none of ours.
      version: Number(entry.toString('latin1', key + 1, version) || Number.NaN),
      start,
      end,
      text: version + 1,
    }
    start = end
  }
}

/**
 * The keys in an entry whose header is damaged, but so little that what is left of it vouches for them, by the checksum
 * of the body or by those of the keys; undefined: it does not.
 */
export function keysIn(text: string): readonly string[] | undefined {
  const size = text.indexOf('\n') + 1
  const body = text.slice(size)
  const keys = keysOf(body)
  if (!body.endsWith('\n') || size !== headerBytes(keys.length)) return undefined
  // Any of what is in between may be what is damaged.
  const field = (index: number) => {
    const start = SUM_AT + index * FIELD_BYTES
    return text.slice(start, start + FIELD_BYTES - 1)
  }
  const isSound = field(0) === hex(crc32(Buffer.from(body, 'latin1')))
  return isSound || keys.every((key, index) => field(index + 1) === sumOf(key)) ? keys : undefined
}

function endOfWord(bytes: Buffer, from: number, end: number): number {
  const space = bytes.indexOf(' ', from)
  return space < 0 || space >= end ? end : space
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

function hex(sum: number): string {
  return sum.toString(16).padStart(8, '0')
}
