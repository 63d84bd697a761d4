import { Code, HEADER_BYTES, Type } from '../message/constants.ts'
import type { View } from '../view/view.ts'
import { A_BYTES, AAAA_BYTES, type AddressRecords, OUR_TTL } from './address-records.ts'
import type { ReplyWriter } from './reply-writer.ts'

/** Serial, refresh, retry, expire, and for how long others may remember that there is nothing. */
const TIMES = [1, 3600, 1200, 604_800, OUR_TTL]

/** What we say is neither transferred nor updated, so it names no server. */
const AUTHORITY = Buffer.concat([
  Buffer.from('\x09localhost\0\x06nobody\x07invalid\0', 'latin1'),
  ...TIMES.map((time) => {
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32BE(time)
    return bytes
  }),
])
const AUTHORITY_BYTES = 12 + AUTHORITY.length

/** Writes what was asked for of these records; without any, that there is no data. Answers with the code. */
export function writeAddresses(
  view: View,
  reply: ReplyWriter,
  records: AddressRecords,
  type: number,
  owner: number,
): number {
  const all = type === Type.ANY
  const a = all || type === Type.A ? records.a.length : 0
  const aaaa = all || type === Type.AAAA ? records.aaaa.length : 0
  if (a + aaaa === 0) return writeNothing(reply, Code.NOERROR, owner)
  if (a > 0) writeSet(view, reply, records.a, A_BYTES)
  if (aaaa > 0) writeSet(view, reply, records.aaaa, AAAA_BYTES)
  return Code.NOERROR
}

/**
 * The records of a set, each as likely to be the first. As many as fit, as there are resolvers that don't ask
 * again over TCP and make do with those (musl before 1.2.4).
 */
function writeSet(view: View, reply: ReplyWriter, records: Uint8Array, size: number): void {
  reply.answers(records, size, firstOf(view, records.length / size))
}

/** Which of so many is the first. */
export function firstOf(view: View, count: number): number {
  return count < 2 ? 0 : Math.floor(view.random() * count) % count
}

/**
 * There is no such name, or not with such data: with our SOA, by which others know for how long.
 * `owner`: where the name of the zone begins in the question's name.
 */
export function writeNothing(reply: ReplyWriter, code: number, owner: number): number {
  if (reply.fits(AUTHORITY_BYTES)) {
    reply.authority(HEADER_BYTES + owner, Type.SOA, OUR_TTL, AUTHORITY)
  }
  return code
}

/** The SOA itself was asked for. */
export function writeAuthority(reply: ReplyWriter): number {
  if (reply.fits(AUTHORITY_BYTES)) reply.answer(HEADER_BYTES, Type.SOA, OUR_TTL, AUTHORITY)
  else reply.truncate()
  return Code.NOERROR
}
