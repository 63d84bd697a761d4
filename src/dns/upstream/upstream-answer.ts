import type { ExtendedError } from '../answer/reply-writer.ts'
import { Code, EXTENDED_ERROR, HEADER_BYTES, Type } from '../message/constants.ts'
import { findRecords, type RecordPlace } from '../message/records.ts'
import type { UpstreamQuery } from './upstream-query.ts'

/** What an upstream has answered, ready to be kept and handed out many times. */
export interface UpstreamAnswer {
  readonly code: number
  readonly truncated: boolean
  /** The upstream passes the query on to others, and knows nothing: it is not for us. */
  readonly referral: boolean
  /** As it came, without EDNS and what was behind it; no TTL is above a day. */
  readonly message: Buffer
  /** Where its records begin, those of the additional section from number `additionalFrom` on. */
  readonly starts: readonly number[]
  readonly additionalFrom: number
  /** Where its TTLs are. */
  readonly ttls: readonly number[]
  /** Where names are written just as we asked for them: with letters in our mixed case. */
  readonly echoes: readonly number[]
  readonly extended: readonly ExtendedError[]
  /** So long it may be kept. 0: not at all. */
  readonly lifetimeSeconds: number
}

const MOST_SECONDS = 24 * 60 * 60
/** That something isn't there is believed for a shorter time. */
const MOST_NEGATIVE_SECONDS = 5 * 60

const TC = 0x0200
const RA = 0x0080

/** Reads an answer whose id and question fit. undefined: it is damaged. */
export function readAnswer(message: Buffer, query: UpstreamQuery): UpstreamAnswer | undefined {
  const flags = message.readUInt16BE(2)
  // Without its question it is an error and no more (fitOf).
  const records = message.readUInt16BE(4) === 0 ? [] : findRecords(message, query.questionEnd)
  if (records === undefined) return undefined
  const optAt = records.findIndex(({ type }) => type === Type.OPT)
  const opt = records[optAt]
  if (opt !== undefined && opt.section !== 'additional') return undefined
  const kept = opt === undefined ? records : records.slice(0, optAt)
  const code = (flags & 0xf) | (opt === undefined ? 0 : message[opt.ttlAt]! << 4)
  const bytes = copyOf(message, kept, query)
  return {
    code,
    truncated: (flags & TC) !== 0,
    referral: code === Code.NOERROR && (flags & RA) === 0 && isReferral(kept),
    message: bytes,
    starts: kept.map(({ start }) => start),
    additionalFrom: kept.filter(({ section }) => section !== 'additional').length,
    ttls: kept.map(({ ttlAt }) => ttlAt),
    echoes: echoesIn(message, kept, query),
    extended: opt === undefined ? [] : extendedErrors(message, opt),
    lifetimeSeconds: lifetime(bytes, kept, code, query),
  }
}

/** Not from a pool: it may be kept for long, and the others of the pool with it. */
function copyOf(
  message: Buffer,
  records: readonly RecordPlace[],
  { questionEnd }: UpstreamQuery,
): Buffer {
  const length = records.at(-1)?.end ?? Math.min(questionEnd, message.length)
  const copy = Buffer.allocUnsafeSlow(length)
  message.copy(copy, 0, 0, length)
  const additional = records.filter(({ section }) => section === 'additional').length
  copy.writeUInt16BE(additional, 10)
  for (const { ttlAt } of records) {
    const seconds = copy.readUInt32BE(ttlAt)
    // With its first bit set it is none (RFC 2181).
    copy.writeUInt32BE(seconds > 0x7fffffff ? 0 : Math.min(seconds, MOST_SECONDS), ttlAt)
  }
  return copy
}

function echoesIn(
  message: Buffer,
  records: readonly RecordPlace[],
  { bytes, questionEnd }: UpstreamQuery,
): number[] {
  const name = bytes.subarray(HEADER_BYTES, questionEnd - 4)
  const isEcho = (at: number) => name.equals(message.subarray(at, at + name.length))
  return records.map(({ start }) => start).filter((at) => name.length > 1 && isEcho(at))
}

function isReferral(records: readonly RecordPlace[]): boolean {
  const authority = records.filter(({ section }) => section === 'authority')
  return (
    !records.some(({ section }) => section === 'answer') &&
    authority.some(({ type }) => type === Type.NS) &&
    !authority.some(({ type }) => type === Type.SOA)
  )
}

function lifetime(
  message: Buffer,
  records: readonly RecordPlace[],
  code: number,
  { bytes, questionEnd }: UpstreamQuery,
): number {
  if (code !== Code.NOERROR && code !== Code.NXDOMAIN) return 0
  const least = Math.min(
    MOST_SECONDS,
    ...new Set(records.map(({ ttlAt }) => message.readUInt32BE(ttlAt))),
  )
  const asked = bytes.readUInt16BE(questionEnd - 4)
  const answers = records.filter(({ section }) => section === 'answer')
  const isPositive = answers.some(({ type }) => type === asked || asked === Type.ANY)
  if (isPositive && code === Code.NOERROR) return least
  const soa = records.find(({ section, type }) => section === 'authority' && type === Type.SOA)
  // Only a SOA says for how long it isn't there (RFC 2308); a chain of CNAMEs has an end of its own.
  if (soa === undefined) return answers.length > 0 ? Math.min(least, MOST_NEGATIVE_SECONDS) : 0
  return Math.min(least, MOST_NEGATIVE_SECONDS, message.readUInt32BE(soa.end - 4))
}

function extendedErrors(message: Buffer, opt: RecordPlace): ExtendedError[] {
  const found: ExtendedError[] = []
  for (let at = opt.dataAt; at + 4 <= opt.end; ) {
    const end = at + 4 + message.readUInt16BE(at + 2)
    if (end > opt.end) break
    if (message.readUInt16BE(at) === EXTENDED_ERROR && end - at >= 6) {
      found.push({
        code: message.readUInt16BE(at + 4),
        text: message.toString('utf8', at + 6, end),
      })
    }
    at = end
  }
  return found
}
