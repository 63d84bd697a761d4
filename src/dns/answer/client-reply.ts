import {
  EXTENDED_ERROR,
  HEADER_BYTES,
  MOST_EDNS_BYTES,
  OUR_EDNS_BYTES,
  PLAIN_BYTES,
  Type,
} from '../message/constants.ts'
import type { Question } from '../message/message.ts'
import type { UpstreamAnswer } from '../upstream/upstream-answer.ts'
import { EDNS_BYTES, type ExtendedError } from './reply-writer.ts'

interface ReplyOptions {
  readonly transport: 'udp' | 'tcp'
  /** What becomes of TTLs (seconds). */
  readonly ttl: (asAnswered: number) => number
  /** Besides what the upstream says. Told first. */
  readonly extended?: ExtendedError
}

const QR = 0x8000
const TC = 0x0200
const RD = 0x0100
const RA = 0x0080
const AD = 0x0020
const CD = 0x0010
const DO = 0x8000
const MOST_TCP_BYTES = 65535

/**
 * An upstream's answer as that client gets it: with its own id, flags and way to write the name, EDNS if it
 * has it, and as many records as fit. It isn't ours, so it is never authoritative.
 */
export function clientReply(
  question: Question,
  answer: UpstreamAnswer,
  options: ReplyOptions,
): Buffer {
  const opt = optOf(question, answer, options.extended)
  const limit = limitOf(question, options.transport) - opt.length
  const fitting = cutAt(answer, limit)
  const reply = Buffer.allocUnsafe(fitting.end + opt.length)
  answer.message.copy(reply, 0, 0, fitting.end)
  writeHeader(reply, question, answer, fitting)
  question.wireName.copy(reply, HEADER_BYTES)
  for (const at of answer.echoes) if (at < fitting.end) question.wireName.copy(reply, at)
  for (const at of answer.ttls) {
    if (at >= fitting.end) break
    reply.writeUInt32BE(options.ttl(answer.message.readUInt32BE(at)), at)
  }
  if (opt.length > 0) {
    opt.copy(reply, fitting.end)
    reply.writeUInt16BE(reply.readUInt16BE(10) + 1, 10)
  }
  return reply
}

interface Fitting {
  readonly end: number
  readonly records: number
  readonly truncated: boolean
}

/** Who gets less than all of the first two sections is told so; the third is an extra. */
function cutAt({ message, starts, additionalFrom }: UpstreamAnswer, limit: number): Fitting {
  if (message.length <= limit) {
    return { end: message.length, records: starts.length, truncated: false }
  }
  // There is room for the question always: it has 271 bytes at most.
  let records = starts.findLastIndex((start) => start <= limit)
  if (records > additionalFrom) records = additionalFrom
  const end = records < 0 ? message.length : starts[records]!
  return { end, records: Math.max(records, 0), truncated: records < additionalFrom }
}

function writeHeader(
  reply: Buffer,
  { id, flags, edns }: Question,
  { code, message, additionalFrom }: UpstreamAnswer,
  { records, truncated }: Fitting,
): void {
  const wantsToKnow = (flags & AD) !== 0 || edns?.do === true
  const authentic = wantsToKnow ? message.readUInt16BE(2) & AD : 0
  reply.writeUInt16BE(id, 0)
  reply.writeUInt16BE(
    QR | RA | (flags & (RD | CD)) | authentic | (truncated ? TC : 0) | (code & 0xf),
    2,
  )
  const answers = message.readUInt16BE(6)
  reply.writeUInt16BE(Math.min(records, answers), 6)
  reply.writeUInt16BE(Math.max(0, Math.min(records, additionalFrom) - answers), 8)
  reply.writeUInt16BE(Math.max(0, records - additionalFrom), 10)
}

function limitOf({ edns }: Question, transport: 'udp' | 'tcp'): number {
  if (transport === 'tcp') return MOST_TCP_BYTES
  if (edns === undefined) return PLAIN_BYTES
  return Math.min(Math.max(edns.size, PLAIN_BYTES), MOST_EDNS_BYTES)
}

const nothing = Buffer.alloc(0)
/** More would only take the place of records. */
const MOST_TEXT_BYTES = 150

function optOf(
  { edns }: Question,
  answer: UpstreamAnswer,
  extended: ExtendedError | undefined,
): Buffer {
  if (edns === undefined) return nothing
  const errors = [...(extended === undefined ? [] : [extended]), ...answer.extended].slice(0, 2)
  const options = errors.map(({ code, text = '' }) => {
    const bytes = Buffer.from(text).subarray(0, MOST_TEXT_BYTES)
    const option = Buffer.alloc(6 + bytes.length)
    option.writeUInt16BE(EXTENDED_ERROR, 0)
    option.writeUInt16BE(2 + bytes.length, 2)
    option.writeUInt16BE(code, 4)
    bytes.copy(option, 6)
    return option
  })
  const head = Buffer.alloc(EDNS_BYTES)
  head.writeUInt16BE(Type.OPT, 1)
  head.writeUInt16BE(OUR_EDNS_BYTES, 3)
  head[5] = answer.code >> 4
  head.writeUInt16BE(edns.do ? DO : 0, 7)
  head.writeUInt16BE(
    options.reduce((sum, { length }) => sum + length, 0),
    9,
  )
  return Buffer.concat([head, ...options])
}
