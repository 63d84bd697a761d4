import koffi from 'koffi'
import { check, declare, lastErrno } from './libc.ts'

const MSG_DONTWAIT = 0x40
const MSG_NOSIGNAL = 0x4000

/** `struct mmsghdr`, in 32-bit words: the fields that change. */
const HEADER_BYTES = 64
const HEADER_WORDS = HEADER_BYTES / 4
const NAME_LENGTH = 2
const MESSAGE_LENGTH = 14
/** `struct iovec`. */
const VECTOR_BYTES = 16
const VECTOR_WORDS = VECTOR_BYTES / 4
const VECTOR_LENGTH = 2
/** Room for a `struct sockaddr_in6`, which is the longest. */
const ADDRESS_BYTES = 28
const ADDRESS_STRIDE = 32

const c = {
  recvmmsg: declare<
    (fd: number, messages: Uint8Array, count: number, flags: number, timeout: null) => number
  >('int recvmmsg(int, void *, unsigned int, int, void *)'),
  sendmmsg: declare<(fd: number, messages: Uint8Array, count: number, flags: number) => number>(
    'int sendmmsg(int, void *, unsigned int, int)',
  ),
  sendto: declare<
    (
      fd: number,
      bytes: Uint8Array,
      length: number,
      flags: number,
      address: Uint8Array,
      addressLength: number,
    ) => number
  >('intptr_t sendto(int, const void *, size_t, int, const void *, uint32_t)'),
}

/**
 * Room for some datagrams, which are received with one call and, when something else has been written
 * in their place, sent back with one more to where they came from.
 */
export class DatagramSlots {
  /** All of them, one after the other: the n-th begins at n × `size`. */
  readonly bytes: Buffer
  readonly count: number
  readonly size: number
  readonly #addresses: Buffer
  readonly #headers: Buffer
  readonly #headerWords: Uint32Array
  readonly #vectorWords: Uint32Array
  /** The headers from the n-th on. */
  readonly #from: readonly Buffer[]
  /** So many of the first slots are not as they have to be for receiving. */
  #used: number

  constructor(count: number, size: number) {
    this.count = count
    this.size = size
    this.bytes = Buffer.alloc(count * size)
    this.#addresses = Buffer.alloc(count * ADDRESS_STRIDE)
    this.#headers = Buffer.alloc(count * HEADER_BYTES)
    const vectors = Buffer.alloc(count * VECTOR_BYTES)
    this.#headerWords = wordsOf(this.#headers)
    this.#vectorWords = wordsOf(vectors)
    for (let slot = 0; slot < count; slot++) {
      const header = slot * HEADER_BYTES
      const vector = slot * VECTOR_BYTES
      vectors.writeBigUInt64LE(addressOf(this.bytes, slot * size), vector)
      this.#headers.writeBigUInt64LE(addressOf(this.#addresses, slot * ADDRESS_STRIDE), header)
      this.#headers.writeBigUInt64LE(addressOf(vectors, vector), header + 16)
      this.#headers.writeBigUInt64LE(1n, header + 24)
    }
    this.#used = count
    this.#from = Array.from({ length: count }, (_, slot) =>
      this.#headers.subarray(slot * HEADER_BYTES),
    )
  }

  /**
   * Receives what is there, without waiting, into the first slots. Answers with how many came; those
   * that are longer than a slot are cut off.
   */
  receive(fd: number): number {
    for (let slot = 0; slot < this.#used; slot++) {
      this.#vectorWords[slot * VECTOR_WORDS + VECTOR_LENGTH] = this.size
      this.#headerWords[slot * HEADER_WORDS + NAME_LENGTH] = ADDRESS_BYTES
    }
    const came = c.recvmmsg(fd, this.#headers, this.count, MSG_DONTWAIT, null)
    this.#used = Math.max(came, 0)
    for (let slot = 0; slot < came; slot++) this.reply(slot, 0)
    if (came >= 0) return came
    const errno = lastErrno()
    if (errno === 'EAGAIN' || errno === 'EINTR') return 0
    return check(came, 'recvmmsg')
  }

  /** How long the datagram is that was received in that slot. */
  lengthOf(slot: number): number {
    return Math.min(this.#headerWords[slot * HEADER_WORDS + MESSAGE_LENGTH]!, this.size)
  }

  /** `struct sockaddr` of its sender: a copy. */
  senderOf(slot: number): Buffer {
    const start = slot * ADDRESS_STRIDE
    const length = this.#headerWords[slot * HEADER_WORDS + NAME_LENGTH]!
    return Buffer.from(this.#addresses.subarray(start, start + Math.min(length, ADDRESS_BYTES)))
  }

  /** From the start of that slot, so many bytes are to be sent; 0: nothing. */
  reply(slot: number, length: number): void {
    if (!(length >= 0 && length <= this.size)) throw new RangeError(`${length} bytes in a slot`)
    this.#vectorWords[slot * VECTOR_WORDS + VECTOR_LENGTH] = length
  }

  /**
   * Sends what `reply` was told of, for each of the first `count` slots. What the kernel doesn't take,
   * or not at once, is lost, as datagrams are. Answers with how many it took.
   */
  send(fd: number, count: number): number {
    let sent = 0
    let at = 0
    while (at < count) {
      const end = this.#endOfRun(at, count)
      if (end === at) {
        at += 1
        continue
      }
      const taken = c.sendmmsg(fd, this.#from[at]!, end - at, MSG_DONTWAIT | MSG_NOSIGNAL)
      if (taken > 0) sent += taken
      // Only the error of the first is told: that one isn't tried again.
      if (taken <= 0 && lastErrno() === 'EAGAIN') break
      at += Math.max(taken, 1)
    }
    return sent
  }

  /** Where those from `start` on end of which there is something to send. */
  #endOfRun(start: number, count: number): number {
    let end = start
    while (end < count && this.#vectorWords[end * VECTOR_WORDS + VECTOR_LENGTH] !== 0) end += 1
    return end
  }
}

/** Sends a datagram, if that is possible without waiting. `to`: a `struct sockaddr`. */
export function sendTo(fd: number, bytes: Uint8Array, to: Uint8Array): boolean {
  const flags = MSG_DONTWAIT | MSG_NOSIGNAL
  return c.sendto(fd, bytes, bytes.length, flags, to, to.length) >= 0
}

function addressOf(buffer: Buffer, offset: number): bigint {
  return koffi.address(buffer) + BigInt(offset)
}

function wordsOf(buffer: Buffer): Uint32Array {
  return new Uint32Array(buffer.buffer, buffer.byteOffset, buffer.length / 4)
}
