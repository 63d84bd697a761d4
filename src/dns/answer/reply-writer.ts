import {
  CLASS_IN,
  EXTENDED_ERROR,
  HEADER_BYTES,
  MOST_EDNS_BYTES,
  OUR_EDNS_BYTES,
  PLAIN_BYTES,
  Type,
} from '../message/constants.ts'
import type { QuestionScan } from '../message/question-scan.ts'

/** What an OPT record without options needs. */
export const EDNS_BYTES = 11

const POINTER = 0xc000

/** Why an answer is as it is (RFC 8914). */
export interface ExtendedError {
  readonly code: number
  readonly text?: string
}

/**
 * Makes a reply of the query that is in its place: the question stays, records go behind it, the header
 * is last. It is used again and again, and makes nothing but bytes.
 */
export class ReplyWriter {
  #bytes: Buffer = Buffer.alloc(0)
  #start = 0
  #at = 0
  /** Where records end at the latest; behind it is room for EDNS. */
  #limit = 0
  /** Where everything ends. */
  #end = 0
  #questions = 0
  #answers = 0
  #authorities = 0
  #additionals = 0
  #truncated = false

  /**
   * `query` is undefined where it has no question that can be read. `room`: bytes that may be written from
   * `start`. false: not even the question fits.
   */
  open(
    bytes: Buffer,
    start: number,
    room: number,
    query: QuestionScan | undefined,
    transport: 'udp' | 'tcp',
  ): boolean {
    const edns = query?.edns === true
    const size = edns ? Math.min(Math.max(query.size, PLAIN_BYTES), MOST_EDNS_BYTES) : PLAIN_BYTES
    this.#bytes = bytes
    this.#start = start
    this.#at = query?.end ?? start + HEADER_BYTES
    this.#end = start + (transport === 'tcp' ? room : Math.min(room, size))
    this.#limit = edns ? this.#end - EDNS_BYTES : this.#end
    this.#questions = query === undefined ? 0 : 1
    this.#answers = 0
    this.#authorities = 0
    this.#additionals = 0
    this.#truncated = false
    return this.#at <= this.#limit
  }

  /** Whether so many bytes more can be written. If they belong to the answer and can't, say `truncate`. */
  fits(bytes: number): boolean {
    return this.#at + bytes <= this.#limit
  }

  truncate(): void {
    this.#truncated = true
  }

  /**
   * Whole records of `size` bytes each, as answers; those from number `first` on are the first. What
   * doesn't fit of them is left out, and the reply is truncated then.
   */
  answers(records: Uint8Array, size: number, first: number): void {
    const all = records.length / size
    const count = Math.min(all, Math.floor((this.#limit - this.#at) / size))
    if (count < all) this.#truncated = true
    const last = first + count
    this.#copy(records, first * size, Math.min(last, all) * size)
    this.#copy(records, 0, Math.max(0, last - all) * size)
    this.#answers += count
  }

  /** A record owned by the name that begins there, from the start of the message. */
  answer(owner: number, type: number, ttl: number, data: Uint8Array): void {
    this.#record(owner, type, ttl, data)
    this.#answers += 1
  }

  authority(owner: number, type: number, ttl: number, data: Uint8Array): void {
    this.#record(owner, type, ttl, data)
    this.#authorities += 1
  }

  /** Records of `size` bytes each whose first two are a pointer to the question, for another owner. */
  additionals(owner: string, records: Uint8Array, size: number): void {
    for (let at = 0; at < records.length; at += size) {
      this.#at += this.#bytes.write(`${owner}\0`, this.#at, 'latin1')
      this.#copy(records, at + 2, at + size)
      this.#additionals += 1
    }
  }

  /** Writes EDNS if it was asked with it, and the header; answers with the length of the whole. */
  close(
    query: QuestionScan | undefined,
    code: number,
    authoritative: boolean,
    extended?: ExtendedError,
  ): number {
    const bytes = this.#bytes
    const start = this.#start
    if (query?.edns === true) this.#edns(query, code, extended)
    const flags = bytes[start + 2]!
    // The kind of query and RD are repeated; RA is always there; AD is ours to say, and we don't; CD is repeated.
    bytes[start + 2] =
      0x80 | (flags & 0x79) | (authoritative ? 0x04 : 0) | (this.#truncated ? 0x02 : 0)
    bytes[start + 3] = 0x80 | (bytes[start + 3]! & 0x10) | (code & 0x0f)
    this.#number(start + 4, this.#questions)
    this.#number(start + 6, this.#answers)
    this.#number(start + 8, this.#authorities)
    this.#number(start + 10, this.#additionals)
    return this.#at - start
  }

  #edns(query: QuestionScan, code: number, extended: ExtendedError | undefined): void {
    const bytes = this.#bytes
    const at = this.#at
    bytes[at] = 0
    this.#number(at + 1, Type.OPT)
    this.#number(at + 3, OUR_EDNS_BYTES)
    bytes[at + 5] = code >> 4
    bytes[at + 6] = 0
    this.#number(at + 7, query.signed ? 0x8000 : 0)
    this.#number(at + 9, 0)
    this.#at += EDNS_BYTES
    this.#additionals += 1
    if (extended !== undefined) this.#extendedError(at + 9, extended)
  }

  #extendedError(lengthAt: number, { code, text = '' }: ExtendedError): void {
    const at = this.#at
    const length = 2 + Buffer.byteLength(text)
    if (at + 4 + length > this.#end) return
    this.#number(lengthAt, 4 + length)
    this.#number(at, EXTENDED_ERROR)
    this.#number(at + 2, length)
    this.#number(at + 4, code)
    this.#bytes.write(text, at + 6)
    this.#at += 4 + length
  }

  #record(owner: number, type: number, ttl: number, data: Uint8Array): void {
    const at = this.#at
    this.#number(at, POINTER | owner)
    this.#number(at + 2, type)
    this.#number(at + 4, CLASS_IN)
    this.#number(at + 6, ttl >>> 16)
    this.#number(at + 8, ttl & 0xffff)
    this.#number(at + 10, data.length)
    this.#at += 12
    this.#copy(data, 0, data.length)
  }

  /** Records are short, and a loop is faster than a call for them. */
  #copy(from: Uint8Array, begin: number, end: number): void {
    const bytes = this.#bytes
    let at = this.#at
    for (let index = begin; index < end; index++) bytes[at++] = from[index]!
    this.#at = at
  }

  #number(at: number, value: number): void {
    this.#bytes[at] = value >> 8
    this.#bytes[at + 1] = value & 0xff
  }
}
