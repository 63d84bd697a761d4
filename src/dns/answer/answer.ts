import type { AnswerSource } from '../../kernel/kernel.ts'
import { CLASS_IN, Code, HEADER_BYTES, Type } from '../message/constants.ts'
import { lowerKey } from '../message/name.ts'
import { QuestionScan } from '../message/question-scan.ts'
import type { View } from '../view/view.ts'
import { writeAddresses, writeAuthority, writeNothing } from './answer-records.ts'
import { writeReverse } from './answer-reverse.ts'
import { writeService } from './answer-service.ts'
import type { Known } from './known-name.ts'
import { type ExtendedError, ReplyWriter } from './reply-writer.ts'

/** Nothing is sent: what came was no query. */
export const DROPPED = 0
/** Nothing is known of it here: others have to be asked. The query is as it was. */
export const FORWARD = -1

/** What the last answer said, and where it came from; of no meaning after FORWARD. */
export const lastAnswer: { source: AnswerSource; code: number } = {
  source: 'local',
  code: Code.NOERROR,
}

// All of it is done before the next query comes, so one of each is enough.
const query = new QuestionScan()
const reply = new ReplyWriter()

/**
 * Answers the query at buffer[start, start+length) in its place, if it can be answered from what is known
 * here. `room`: bytes from start that may be written. Over UDP an answer is cut to what the client takes
 * (512 bytes, or what its EDNS says); over TCP only to the room. Returns the answer's length, DROPPED or
 * FORWARD. Never throws, whatever the bytes.
 */
export function answer(
  view: View,
  buffer: Buffer,
  start: number,
  length: number,
  room: number,
  transport: 'udp' | 'tcp',
): number {
  const most = buffer.length - start
  const end = start + Math.min(length, most)
  const isQuery = end - start >= HEADER_BYTES && (buffer[start + 2]! & 0x80) === 0
  const readable = isQuery && isOne(buffer, start) && query.question(buffer, start, end)
  const problem = isQuery ? problemOf(buffer, start, end, readable) : Code.FORMERR
  const asked = readable ? query : undefined
  if (!isQuery || !reply.open(buffer, start, Math.min(room, most), asked, transport)) {
    lastAnswer.source = 'malformed'
    lastAnswer.code = Code.FORMERR
    return DROPPED
  }
  if (problem === Code.NOERROR) return answerQuestion(view, buffer, start)
  return close(problem === Code.REFUSED ? 'refused' : 'malformed', problem, asked)
}

/** Refuses the query that was to be forwarded last, in its place. Returns the answer's length. */
export function refuse(why: ExtendedError): number {
  return close('refused', Code.REFUSED, query, why)
}

function isOne(buffer: Buffer, start: number): boolean {
  return buffer[start + 4] === 0 && buffer[start + 5] === 1
}

/** The code of an answer that isn't about names. */
function problemOf(buffer: Buffer, start: number, end: number, readable: boolean): number {
  const whole = readable && query.rest(buffer, start, end)
  const isStandard = (buffer[start + 2]! & 0x78) === 0
  if (!isStandard) return Code.NOTIMP
  if (!whole) return Code.FORMERR
  if (query.edns && query.version > 0) return Code.BADVERS
  const { type } = query
  if (type === 0 || type === Type.OPT) return Code.FORMERR
  // Between 128 and 255 are no types of records, but transfers and the like.
  const isMeta = type >= 128 && type < Type.ANY
  return query.class !== CLASS_IN || isMeta ? Code.REFUSED : Code.NOERROR
}

function answerQuestion(view: View, buffer: Buffer, start: number): number {
  const asked = buffer.toString('latin1', start + HEADER_BYTES, query.nameEnd - 1)
  let known = view.find(asked)
  if (known !== undefined) return answerKnown(view, asked, known)
  // Few ask in capitals, so it isn't looked for first.
  const key = lowerKey(asked)
  if (key !== asked) known = view.find(key)
  return known === undefined ? answerUnknown(view, key) : answerKnown(view, key, known)
}

function answerKnown(view: View, key: string, { records }: Known): number {
  const zone = view.zoneBehind(key)
  const owner = zone === '' ? 0 : key.length - zone.length
  return close('local', writeAddresses(view, reply, records, query.type, owner), query)
}

function answerUnknown(view: View, key: string): number {
  const { type } = query
  const code = writeReverse(view, reply, key, type) ?? writeService(view, reply, key, type)
  if (code !== undefined) return close('local', code, query)
  const verdict = view.verdict(key, type)
  switch (verdict.say) {
    case 'forward':
      return FORWARD
    case 'refused':
      return close('refused', Code.REFUSED, query, verdict.why)
    case 'authority':
      return close('local', writeAuthority(reply), query)
    case 'no-data':
      return close('local', writeNothing(reply, Code.NOERROR, verdict.owner), query)
    case 'no-name':
      return close('local', writeNothing(reply, Code.NXDOMAIN, verdict.owner), query)
  }
}

function close(
  source: AnswerSource,
  code: number,
  asked: QuestionScan | undefined,
  extended?: ExtendedError,
): number {
  lastAnswer.source = source
  lastAnswer.code = code
  return reply.close(asked, code, source === 'local', extended)
}
