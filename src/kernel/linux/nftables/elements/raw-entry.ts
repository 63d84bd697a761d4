import { isKernelError } from '../../../../base/errors.ts'
import { bytes } from '../../netlink/codec.ts'
import type { NetlinkSocket } from '../../netlink/netlink-socket.ts'
import { attributeEnd, findAttribute, forEachAttribute } from '../../netlink/schema.ts'
import { NFTA_LIST_ELEM, NFTA_SET_ELEM_LIST_ELEMENTS } from '../constants.ts'
import { elementEntry, elementsBody, familyHeader, nftMessage } from '../message.ts'
import type { SetShape } from '../set.ts'
import type { Element, Place } from './element.ts'
import { decodeElements } from './element.ts'

// Numbers of linux/netfilter/nf_tables.h.
const NFTA_SET_ELEM_KEY = 1
const NFTA_SET_ELEM_DATA = 2
const NFTA_SET_ELEM_USERDATA = 6
const NFTA_SET_ELEM_KEY_END = 10
const NFTA_DATA_VALUE = 1
const NFGENMSG_BYTES = 4

/** An entry of a listing as it came. Of ten thousand, most are only compared, and need not be read. */
export interface RawEntry {
  readonly buffer: Buffer
  readonly start: number
  readonly end: number
}

/** A piece of an entry, as its place in the entry's buffer. */
export interface Piece {
  readonly from: number
  readonly to: number
}

/**
 * As `listElements`; nothing where the set or its table isn't there. Of a set that is growing some are
 * listed twice, and others not at all (see `untilWhole`).
 */
export function listRawEntries(socket: NetlinkSocket, { family, table, set }: Place): RawEntry[] {
  const body = elementsBody.encode(familyHeader(family), { table, set })
  const message = nftMessage('NFT_MSG_GETSETELEM', 0, body, `set ${family} ${table} ${set}`)
  try {
    return socket.dump(message, bytes).flatMap((part) => entriesIn(part as Buffer))
  } catch (error) {
    if (isKernelError(error, 'ENOENT')) return []
    throw error
  }
}

function entriesIn(buffer: Buffer): RawEntry[] {
  const entries: RawEntry[] = []
  const list = findAttribute(buffer, NFGENMSG_BYTES, buffer.length, NFTA_SET_ELEM_LIST_ELEMENTS)
  if (list < 0) return entries
  forEachAttribute(buffer, list, attributeEnd(buffer, list), (type, start, end) => {
    if (type === NFTA_LIST_ELEM) entries.push({ buffer, start, end })
  })
  return entries
}

/** undefined: the catch-all element of a set that is not ours, which has no key. */
export function rawKey(entry: RawEntry): Piece | undefined {
  return valueIn(entry, NFTA_SET_ELEM_KEY)
}

/** Behind the last key of an element of a concatenation with intervals; of others there is none. */
export function rawKeyEnd(entry: RawEntry): Piece | undefined {
  return valueIn(entry, NFTA_SET_ELEM_KEY_END)
}

/** Of a map; undefined where it is a verdict. */
export function rawValue(entry: RawEntry): Piece | undefined {
  return valueIn(entry, NFTA_SET_ELEM_DATA)
}

export function rawUserData({ buffer, start, end }: RawEntry): Piece | undefined {
  return pieceAt(buffer, findAttribute(buffer, start, end, NFTA_SET_ELEM_USERDATA))
}

export function rawText({ buffer }: RawEntry, { from, to }: Piece): string {
  return buffer.toString('latin1', from, to)
}

/** Whether a piece is just these bytes, or both are none. */
export function isPiece(
  { buffer }: RawEntry,
  piece: Piece | undefined,
  wanted: Uint8Array | undefined,
): boolean {
  if (piece === undefined || wanted === undefined) return piece === wanted
  const { from, to } = piece
  return buffer.compare(wanted, 0, wanted.length, from, to) === 0
}

/** Of any set but one of plain intervals, whose elements have two entries. */
export function decodeRaw(
  shape: SetShape,
  { family, table, set }: Place,
  { buffer, start, end }: RawEntry,
): Element | undefined {
  const entry = elementEntry.decode(buffer.subarray(start, end))
  return decodeElements(shape, { family, table, set }, [entry])[0]
}

function valueIn({ buffer, start, end }: RawEntry, attribute: number): Piece | undefined {
  const data = findAttribute(buffer, start, end, attribute)
  if (data < 0) return undefined
  return pieceAt(buffer, findAttribute(buffer, data, attributeEnd(buffer, data), NFTA_DATA_VALUE))
}

function pieceAt(buffer: Buffer, from: number): Piece | undefined {
  return from < 0 ? undefined : { from, to: attributeEnd(buffer, from) }
}
