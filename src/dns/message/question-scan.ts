import { HEADER_BYTES, PLAIN_BYTES, Type } from './constants.ts'
import { MOST_LABEL_BYTES, MOST_NAME_BYTES, skipName } from './name.ts'

const RECORD_BYTES = 10

/**
 * Where things are in a message with one question. It is used again and again, so that reading a query
 * makes nothing. All places are counted from the beginning of the bytes.
 */
export class QuestionScan {
  /** Behind the zero of the name; the name begins behind the header. */
  nameEnd = 0
  /** Behind the question. */
  end = 0
  type = 0
  class = 0
  /** Whether it has EDNS, and what that says. */
  edns = false
  size = PLAIN_BYTES
  version = 0
  /** It wants signatures (DO). */
  signed = false

  /** false: there is no question that can be read. */
  question(bytes: Uint8Array, start: number, end: number): boolean {
    const first = start + HEADER_BYTES
    this.edns = false
    let at = first
    for (;;) {
      if (at >= end) return false
      const length = bytes[at]!
      at += 1
      if (length === 0) break
      // Nothing is before the first name, so a pointer leads nowhere.
      if (length > MOST_LABEL_BYTES) return false
      at += length
    }
    if (at - first > MOST_NAME_BYTES || at + 4 > end) return false
    this.nameEnd = at
    this.type = (bytes[at]! << 8) | bytes[at + 1]!
    this.class = (bytes[at + 2]! << 8) | bytes[at + 3]!
    this.end = at + 4
    return true
  }

  /**
   * Reads on behind the question: false if what the header promises isn't there, or EDNS is in the wrong
   * place, or twice. What follows the last record is ignored.
   */
  rest(bytes: Uint8Array, start: number, end: number): boolean {
    const whole = this.#records(bytes, start, end)
    if (!whole) this.edns = false
    return whole
  }

  #records(bytes: Uint8Array, start: number, end: number): boolean {
    const others = count(bytes, start + 6) + count(bytes, start + 8)
    const all = others + count(bytes, start + 10)
    let at = this.end
    // Each has some bytes, so it is over soon, whatever the header promises.
    for (let index = 0; index < all; index++) {
      const owner = skipName(bytes, at, end)
      if (owner < 0 || owner + RECORD_BYTES > end) return false
      const next = owner + RECORD_BYTES + count(bytes, owner + 8)
      if (next > end) return false
      if (count(bytes, owner) === Type.OPT) {
        if (index < others || this.edns || owner !== at + 1) return false
        if (!optionsFit(bytes, owner + RECORD_BYTES, next)) return false
        this.#options(bytes, owner)
      }
      at = next
    }
    return true
  }

  #options(bytes: Uint8Array, at: number): void {
    this.edns = true
    this.size = count(bytes, at + 2)
    this.version = bytes[at + 5]!
    this.signed = (bytes[at + 6]! & 0x80) !== 0
  }
}

function optionsFit(bytes: Uint8Array, from: number, end: number): boolean {
  let at = from
  while (at < end) {
    if (at + 4 > end) return false
    at += 4 + count(bytes, at + 2)
  }
  return at === end
}

function count(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!
}
