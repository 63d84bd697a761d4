import { type ExtendedError, ReplyWriter } from '../answer/reply-writer.ts'
import { HEADER_BYTES } from './constants.ts'
import { keyText, lowerKey } from './name.ts'
import { QuestionScan } from './question-scan.ts'

export { Code, codeName, ExtendedCode, Type, typeName } from './constants.ts'

/** What a message asks, or answers. */
export interface Question {
  readonly id: number
  /** The two bytes behind the id. */
  readonly flags: number
  /** In lower case, with a dot at its end; bytes that are no plain letters as `\DDD`. */
  readonly name: string
  /** As it was asked, with the zero at its end. */
  readonly wireName: Buffer
  readonly type: number
  readonly class: number
  readonly edns?: { readonly size: number; readonly do: boolean; readonly version: number }
  /** Where the question ends. */
  readonly end: number
}

const scan = new QuestionScan()
const reply = new ReplyWriter()

/** Undefined if it hasn't exactly one question, or that can't be read. `edns` needs the rest to be whole. */
export function readQuestion(message: Uint8Array): Question | undefined {
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.length)
  if (!hasOneQuestion(bytes)) return undefined
  scan.rest(bytes, 0, bytes.length)
  const wireName = Buffer.from(bytes.subarray(HEADER_BYTES, scan.nameEnd))
  return {
    id: bytes.readUInt16BE(0),
    flags: bytes.readUInt16BE(2),
    name: keyText(lowerKey(wireName.toString('latin1', 0, wireName.length - 1))),
    wireName,
    type: scan.type,
    class: scan.class,
    ...(scan.edns ? { edns: { size: scan.size, do: scan.signed, version: scan.version } } : {}),
    end: scan.end,
  }
}

/**
 * A reply without records: with the question if it can be read, with EDNS if the query has it, and then
 * with an extended error, if given.
 */
export function emptyReply(query: Uint8Array, code: number, extended?: ExtendedError): Buffer {
  const bytes = Buffer.from(query.buffer, query.byteOffset, query.length)
  const readable = hasOneQuestion(bytes)
  if (readable) scan.rest(bytes, 0, bytes.length)
  const asked = readable ? scan : undefined
  const kept = Math.min(asked?.end ?? HEADER_BYTES, bytes.length)
  const text = extended?.text ?? ''
  const answer = Buffer.alloc(HEADER_BYTES + kept + 32 + Buffer.byteLength(text))
  bytes.copy(answer, 0, 0, kept)
  reply.open(answer, 0, answer.length, asked, 'tcp')
  return answer.subarray(0, reply.close(asked, code, false, extended))
}

function hasOneQuestion(bytes: Buffer): boolean {
  return (
    bytes.length >= HEADER_BYTES &&
    bytes.readUInt16BE(4) === 1 &&
    scan.question(bytes, 0, bytes.length)
  )
}
