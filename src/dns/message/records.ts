import { Type } from './constants.ts'
import { MOST_LABEL_BYTES, MOST_NAME_BYTES } from './name.ts'

/** A record of a message, by where it is in there. */
export interface RecordPlace {
  readonly section: 'answer' | 'authority' | 'additional'
  readonly start: number
  readonly type: number
  readonly class: number
  readonly ttlAt: number
  readonly dataAt: number
  readonly end: number
}

const sections = ['answer', 'authority', 'additional'] as const

const COUNTS_AT = 6
/** A name has no more labels than this, so honest pointers don't follow one another for longer. */
const MOST_POINTERS = 127

/**
 * Finds all records behind the question of a message, and checks that each can be read: its name, its
 * length, and the names and addresses it carries. undefined: one can't be.
 */
export function findRecords(message: Buffer, questionEnd: number): RecordPlace[] | undefined {
  const found: RecordPlace[] = []
  let at = questionEnd
  for (const [index, section] of sections.entries()) {
    let count = message.readUInt16BE(COUNTS_AT + 2 * index)
    for (; count > 0; count -= 1) {
      const record = recordAt(message, at, section)
      if (record === undefined) return undefined
      found.push(record)
      at = record.end
    }
  }
  return found
}

function recordAt(
  message: Buffer,
  start: number,
  section: RecordPlace['section'],
): RecordPlace | undefined {
  const nameEnd = endOfName(message, start)
  if (nameEnd === undefined || nameEnd + 10 > message.length) return undefined
  const type = message.readUInt16BE(nameEnd)
  const dataAt = nameEnd + 10
  const end = dataAt + message.readUInt16BE(nameEnd + 8)
  if (end > message.length || !isSound(message, type, dataAt, end)) return undefined
  return {
    section,
    start,
    type,
    class: message.readUInt16BE(nameEnd + 2),
    ttlAt: nameEnd + 4,
    dataAt,
    end,
  }
}

/** Where the bytes of a name end that begins here; undefined if it can't be read. */
function endOfName(message: Buffer, start: number): number | undefined {
  let at = start
  let end: number | undefined
  let length = 0
  let pointers = 0
  for (;;) {
    const byte = message[at]
    if (byte === undefined) return undefined
    if (byte >= 0xc0) {
      if (at + 1 >= message.length) return undefined
      const target = message.readUInt16BE(at) & 0x3fff
      pointers += 1
      // Only backwards, or it may go round in circles.
      if (target >= at || pointers > MOST_POINTERS) return undefined
      end ??= at + 2
      at = target
    } else if (byte > MOST_LABEL_BYTES) return undefined
    else {
      length += byte + 1
      if (length > MOST_NAME_BYTES || at + byte + 1 > message.length) return undefined
      at += byte + 1
      if (byte === 0) return end ?? at
    }
  }
}

/** What comes before and behind the names in a record's data, for types whose names may be shortened. */
const named: Readonly<Record<number, { before: number; names: number; behind: number }>> = {
  [Type.NS]: { before: 0, names: 1, behind: 0 },
  [Type.CNAME]: { before: 0, names: 1, behind: 0 },
  [Type.SOA]: { before: 0, names: 2, behind: 20 },
  [Type.PTR]: { before: 0, names: 1, behind: 0 },
  [Type.MX]: { before: 2, names: 1, behind: 0 },
  [Type.SRV]: { before: 6, names: 1, behind: 0 },
  [Type.DNAME]: { before: 0, names: 1, behind: 0 },
}

function isSound(message: Buffer, type: number, dataAt: number, end: number): boolean {
  if (type === Type.A) return end - dataAt === 4
  if (type === Type.AAAA) return end - dataAt === 16
  const shape = named[type]
  if (shape === undefined) return true
  let at: number | undefined = dataAt + shape.before
  for (let left = shape.names; left > 0 && at !== undefined; left -= 1) at = endOfName(message, at)
  return at !== undefined && at + shape.behind === end
}
