import { Code, HEADER_BYTES, Type } from '../message/constants.ts'
import { afterLabel, MOST_NAME_BYTES } from '../message/name.ts'
import type { View } from '../view/view.ts'
import { A_BYTES, AAAA_BYTES, OUR_TTL } from './address-records.ts'
import { firstOf, writeNothing } from './answer-records.ts'
import type { Member } from './known-name.ts'
import type { ReplyWriter } from './reply-writer.ts'
import { providers, readServiceName } from './service-name.ts'

const RECORD_BYTES = 12

/**
 * Where a service of a name is. Answers with the code; undefined for what is no service, or of a name that
 * isn't known here.
 */
export function writeService(
  view: View,
  reply: ReplyWriter,
  key: string,
  type: number,
): number | undefined {
  const service = readServiceName(key)
  const known = service === undefined ? undefined : view.find(service.host)
  if (service === undefined || known === undefined) return undefined
  const zone = view.zoneBehind(key)
  const members = providers(known, service)
  const own = zone === '' ? undefined : key.length - zone.length
  if (members.length === 0) return writeNothing(reply, Code.NXDOMAIN, own ?? afterLabel(key, 0))
  if (service.port === undefined || (type !== Type.SRV && type !== Type.ANY)) {
    return writeNothing(reply, Code.NOERROR, own ?? 0)
  }
  writeProviders(view, reply, members, service.port, zone)
  return Code.NOERROR
}

function writeProviders(
  view: View,
  reply: ReplyWriter,
  members: readonly Member[],
  port: number,
  zone: string,
): void {
  const targets = new Map<string, Member>()
  for (const member of members) {
    const target = (member.target ?? '') + zone
    if (target !== zone && target.length < MOST_NAME_BYTES) targets.set(target, member)
  }
  const all = [...targets]
  const bytes = all.reduce((sum, [target]) => sum + RECORD_BYTES + 7 + target.length, 0)
  if (!reply.fits(bytes)) {
    reply.truncate()
    return
  }
  const first = firstOf(view, all.length)
  const turned = [...all.slice(first), ...all.slice(0, first)]
  for (const [target] of turned) {
    const data = Buffer.from(`${'\0'.repeat(6)}${target}\0`, 'latin1')
    data.writeUInt16BE(port, 4)
    reply.answer(HEADER_BYTES, Type.SRV, OUR_TTL, data)
  }
  // They save a question, and aren't part of the answer: those that don't fit are left out.
  for (const [target, { records }] of turned) {
    writeMore(reply, target, records.a, A_BYTES)
    writeMore(reply, target, records.aaaa, AAAA_BYTES)
  }
}

function writeMore(reply: ReplyWriter, target: string, records: Uint8Array, size: number): void {
  const bytes = (records.length / size) * (size - 2 + target.length + 1)
  if (reply.fits(bytes)) reply.additionals(target, records, size)
}
