import { Code, HEADER_BYTES, OUR_EDNS_BYTES, Type } from '../message/constants.ts'

/** What an upstream is asked, besides how. */
export interface UpstreamQuestion {
  /** As it goes over, with the zero at its end. */
  readonly wireName: Buffer
  readonly type: number
  readonly class: number
  readonly recursionDesired: boolean
  readonly checkingDisabled: boolean
  /** DNSSEC records are wanted. */
  readonly dnssec: boolean
}

/** A query as it is sent. */
export interface UpstreamQuery {
  readonly bytes: Buffer
  /** Behind its question. */
  readonly questionEnd: number
}

const QR = 0x8000
const OPCODE = 0x7800
const RD = 0x0100
const AD = 0x0020
const CD = 0x0010
const DO = 0x8000

/**
 * A query with our own EDNS record (unless the server can't stand it). It always asks whether the answer
 * is authentic: who doesn't want to know isn't told, and all can share one answer. Format: RFC 1035, 6891.
 */
export function upstreamQuery(
  question: UpstreamQuestion,
  { id, edns }: { readonly id: number; readonly edns: boolean },
): UpstreamQuery {
  const { wireName } = question
  const questionEnd = HEADER_BYTES + wireName.length + 4
  const bytes = Buffer.alloc(questionEnd + (edns ? 11 : 0))
  const flags = (question.recursionDesired ? RD : 0) | AD | (question.checkingDisabled ? CD : 0)
  bytes.writeUInt16BE(id, 0)
  bytes.writeUInt16BE(flags, 2)
  bytes.writeUInt16BE(1, 4)
  wireName.copy(bytes, HEADER_BYTES)
  bytes.writeUInt16BE(question.type, questionEnd - 4)
  bytes.writeUInt16BE(question.class, questionEnd - 2)
  if (edns) {
    bytes.writeUInt16BE(1, 10)
    bytes.writeUInt16BE(Type.OPT, questionEnd + 1)
    bytes.writeUInt16BE(OUR_EDNS_BYTES, questionEnd + 3)
    bytes.writeUInt16BE(question.dnssec ? DO : 0, questionEnd + 7)
  }
  return { bytes, questionEnd }
}

/**
 * The name with letters in upper and lower case at random: servers send it back just so, and who can't see
 * the query has to guess that too (draft-vixie-dnsext-dns0x20). `random`: at least 32 random bytes.
 */
export function mixedCase(wireName: Buffer, random: Uint8Array): Buffer {
  const mixed = Buffer.from(wireName)
  for (let at = 0; at < mixed.length; at += 1) {
    // Lengths of labels are below all letters.
    const bit = (random[(at >> 3) % random.length]! >> (at & 7)) & 1
    if (isLetter(mixed[at]!) && bit === 1) mixed[at] = mixed[at]! ^ 0x20
  }
  return mixed
}

/**
 * Whether a message answers a query. `no`: another id or question, or it is no answer at all. `case`: only
 * the name is written otherwise. `bare`: an error that doesn't repeat the question.
 */
export function fitOf(message: Buffer, query: UpstreamQuery): 'yes' | 'case' | 'bare' | 'no' {
  if (message.length < HEADER_BYTES) return 'no'
  const flags = message.readUInt16BE(2)
  if (message.readUInt16BE(0) !== query.bytes.readUInt16BE(0)) return 'no'
  if ((flags & (QR | OPCODE)) !== QR) return 'no'
  const questions = message.readUInt16BE(4)
  if (questions === 0) return isError(flags & 0xf) ? 'bare' : 'no'
  if (questions !== 1 || message.length < query.questionEnd) return 'no'
  const asked = query.bytes.subarray(HEADER_BYTES, query.questionEnd)
  const told = message.subarray(HEADER_BYTES, query.questionEnd)
  if (asked.equals(told)) return 'yes'
  // What follows the name has no case.
  const nameLength = asked.length - 4
  if (!asked.subarray(nameLength).equals(told.subarray(nameLength))) return 'no'
  for (let at = 0; at < nameLength; at += 1) if (lower(asked[at]!) !== lower(told[at]!)) return 'no'
  return 'case'
}

/** Something is wrong with the query or the server, and nothing is said of the name. */
function isError(code: number): boolean {
  return code !== Code.NOERROR && code !== Code.NXDOMAIN
}

function isLetter(byte: number): boolean {
  const low = byte | 0x20
  return low >= 0x61 && low <= 0x7a
}

function lower(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte
}
