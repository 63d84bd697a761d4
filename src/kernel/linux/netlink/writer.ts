import { KernelError } from '../../../base/errors.ts'

/**
 * Bytes under construction in one growing buffer. Numbers are little-endian, as on every machine this
 * library runs on; `be…` is for what netlink carries in network order.
 */
export class Writer {
  #buffer: Buffer
  #length = 0

  constructor(size = 4096) {
    this.#buffer = Buffer.allocUnsafe(size)
  }

  get length(): number {
    return this.#length
  }

  /** What was written so far is at its beginning. Valid until the next write. */
  get buffer(): Buffer {
    return this.#buffer
  }

  /** Forgets everything after a length seen before. */
  truncate(length: number): void {
    this.#length = length
  }

  /** A copy of what was written since. */
  copyFrom(start: number): Buffer {
    const copy = Buffer.allocUnsafe(this.#length - start)
    this.#buffer.copy(copy, 0, start, this.#length)
    return copy
  }

  u8(value: number): void {
    this.#buffer[this.#room(1)] = value
  }

  u16(value: number): void {
    const at = this.#room(2)
    this.#buffer[at] = value
    this.#buffer[at + 1] = value >>> 8
  }

  u32(value: number): void {
    const at = this.#room(4)
    this.#store32(at, value)
  }

  u64(value: bigint): void {
    const at = this.#room(8)
    this.#buffer.writeBigUInt64LE(value, at)
  }

  be16(value: number): void {
    const at = this.#room(2)
    this.#buffer[at] = value >>> 8
    this.#buffer[at + 1] = value
  }

  be32(value: number): void {
    const at = this.#room(4)
    this.#buffer[at] = value >>> 24
    this.#buffer[at + 1] = value >>> 16
    this.#buffer[at + 2] = value >>> 8
    this.#buffer[at + 3] = value
  }

  be64(value: bigint): void {
    const at = this.#room(8)
    this.#buffer.writeBigUInt64BE(value, at)
  }

  bytes(value: Uint8Array): void {
    const at = this.#room(value.length)
    this.#buffer.set(value, at)
  }

  zeros(count: number): void {
    const at = this.#room(count)
    // Few, mostly: this loop is cheaper than Buffer.fill.
    for (let index = at; index < at + count; index++) this.#buffer[index] = 0
  }

  /** Text and a NUL behind it. */
  text(value: string): void {
    if (value.includes('\0')) {
      throw new KernelError('netlink', 'EINVAL', { message: 'a text contains a NUL character' })
    }
    const at = this.#room(value.length * 3 + 1)
    // Names are short ASCII: this loop is several times cheaper than Buffer.write.
    let end = at
    for (let index = 0; index < value.length; index++) {
      const code = value.charCodeAt(index)
      if (code > 127) {
        end = at + this.#buffer.write(value, at)
        break
      }
      this.#buffer[end++] = code
    }
    this.#buffer[end] = 0
    this.#length = end + 1
  }

  /** Pads to a multiple of four. */
  align(): void {
    while ((this.#length & 3) !== 0) this.u8(0)
  }

  /** Begins an attribute; its place is what `close` needs. */
  open(type: number): number {
    const at = this.#room(4)
    this.#buffer[at + 2] = type
    this.#buffer[at + 3] = type >>> 8
    return at
  }

  close(at: number): void {
    const length = this.#length - at
    if (length > 0xffff) {
      throw new KernelError('netlink', 'EMSGSIZE', {
        message: `an attribute of ${length} bytes; 65535 is the most`,
      })
    }
    this.#buffer[at] = length
    this.#buffer[at + 1] = length >>> 8
    this.align()
  }

  /** Overwrites what was written before. */
  patch32(at: number, value: number): void {
    this.#store32(at, value)
  }

  patch16(at: number, value: number): void {
    this.#buffer[at] = value
    this.#buffer[at + 1] = value >>> 8
  }

  #store32(at: number, value: number): void {
    this.#buffer[at] = value
    this.#buffer[at + 1] = value >>> 8
    this.#buffer[at + 2] = value >>> 16
    this.#buffer[at + 3] = value >>> 24
  }

  #room(count: number): number {
    const at = this.#length
    const end = at + count
    if (end > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(end, this.#buffer.length * 2))
      this.#buffer.copy(larger, 0, 0, at)
      this.#buffer = larger
    }
    this.#length = end
    return at
  }
}
