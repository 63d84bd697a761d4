import { crc32 } from 'node:zlib'
import type { Json } from '../store.ts'

/** What a journal begins with: the number is that of the format. */
export const firstLine = 'cnm records 3\n'

/** `@ <bytes> <checksum of them> <checksum of this line so far>` and the end of a line. */
const shape = '@ 000000000 00000000 00000000\n'
export const HEADER_BYTES = shape.length
const PROMISE_BYTES = 20

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
  /** Bytes of the body, which follows. */
  readonly length: number
  readonly checksum: number
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
  if (lines.length > MOST_BODY_BYTES) {
    throw Object.assign(new Error(`${lines.length} bytes at once are too many`), { code: 'E2BIG' })
  }
  const entry = Buffer.allocUnsafe(HEADER_BYTES + lines.length)
  entry.write(lines, HEADER_BYTES, 'latin1')
  const sum = hex(crc32(entry.subarray(HEADER_BYTES)))
  const promise = `@ ${`${lines.length}`.padStart(9, '0')} ${sum}`
  entry.write(`${promise} ${hex(crc32(promise))}\n`, 0, 'latin1')
  return entry
}

/** The header that these bytes begin with; undefined: it is none, or damaged. */
export function headerOf(bytes: Buffer): Header | undefined {
  // Most places in which one is looked for have none.
  if (bytes.length < HEADER_BYTES || bytes[0] !== shape.charCodeAt(0)) return undefined
  const text = bytes.toString('latin1', 0, HEADER_BYTES)
  const promise = text.slice(0, PROMISE_BYTES)
  if (text.slice(PROMISE_BYTES) !== ` ${hex(crc32(promise))}\n`) return undefined
  const length = Number(promise.slice(2, 11))
  const checksum = Number.parseInt(promise.slice(12), 16)
  return length <= MOST_BODY_BYTES ? { length, checksum } : undefined
}

/** Whether these bytes, the last of a file, are the beginning of a header. */
export function isCutHeader(bytes: Buffer): boolean {
  if (bytes.length >= HEADER_BYTES) return false
  const text = bytes.toString('latin1')
  return text.replace(/[0-9a-f]/g, '0') === shape.slice(0, text.length)
}

/** The lines of an entry that has been verified. Their JSON is not looked at: most of it counts no more. */
export function linesOf(entry: Buffer): FoundLine[] {
  const lines: FoundLine[] = []
  for (let start = HEADER_BYTES; start < entry.length; ) {
    const end = entry.indexOf('\n', start) + 1 || entry.length
    const key = endOfWord(entry, start, end)
    const version = endOfWord(entry, key + 1, end)
    lines.push({
      key: entry.toString('latin1', start, key),
      // NaN, if it is none of ours.
      version: Number(entry.toString('latin1', key + 1, version) || Number.NaN),
      start,
      end,
      text: version + 1,
    })
    start = end
  }
  return lines
}

/** The keys that lines of a damaged text begin with. */
export function keysIn(text: string): string[] {
  return [...text.matchAll(/^([a-z]{1,20}\/[\w.:-]{1,200}) \d/gm)].map(([, key]) => key!)
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
