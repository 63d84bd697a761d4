import { addressFromBytes } from '../../address/address.ts'
import { Code, HEADER_BYTES, Type } from '../message/constants.ts'
import { afterLabel } from '../message/name.ts'
import type { View } from '../view/view.ts'
import { OUR_TTL } from './address-records.ts'
import { firstOf, writeNothing } from './answer-records.ts'
import type { ReplyWriter } from './reply-writer.ts'
import { isAddress, readReverseName } from './reverse-name.ts'

const RECORD_BYTES = 12

/**
 * What an address is called. Of addresses in subnets of ours, no other server knows anything. Answers with
 * the code; undefined for what is no address of ours, and no part of such.
 */
export function writeReverse(
  view: View,
  reply: ReplyWriter,
  key: string,
  type: number,
): number | undefined {
  const reverse = readReverseName(key)
  if (reverse === undefined) return undefined
  if (isAddress(reverse)) {
    const owners = view.owners(addressFromBytes(reverse.bytes))
    if (owners !== undefined) return writeOwners(view, reply, owners, type)
  }
  if (!view.covers(reverse)) return undefined
  // A part of the tree is there for what is below it.
  const there = !isAddress(reverse) && !reverse.below
  return there
    ? writeNothing(reply, Code.NOERROR, 0)
    : writeNothing(reply, Code.NXDOMAIN, afterLabel(key, 0))
}

function writeOwners(
  view: View,
  reply: ReplyWriter,
  owners: readonly string[],
  type: number,
): number {
  const names = [...new Set(owners)].map((owner) => Buffer.from(`${owner}\0`, 'latin1'))
  if (names.length === 0 || (type !== Type.PTR && type !== Type.ANY)) {
    return writeNothing(reply, Code.NOERROR, 0)
  }
  const bytes = names.reduce((sum, name) => sum + RECORD_BYTES + name.length, 0)
  if (!reply.fits(bytes)) {
    reply.truncate()
    return Code.NOERROR
  }
  const first = firstOf(view, names.length)
  for (const name of [...names.slice(first), ...names.slice(0, first)]) {
    reply.answer(HEADER_BYTES, Type.PTR, OUR_TTL, name)
  }
  return Code.NOERROR
}
