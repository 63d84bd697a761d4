import {
  addressBytes,
  addressFromBytes,
  type IpAddress,
  type MacAddress,
} from '../../../address/address.ts'
import { KernelError } from '../../../base/errors.ts'
import type { Writer } from './writer.ts'

/** How one value is written as the content of an attribute or a field, and read back. */
export interface Codec<T> {
  /** Set for containers of attributes: their type carries NLA_F_NESTED. */
  readonly nested?: true
  write(writer: Writer, value: T): void
  /** Reads exactly the slot from `start` to `end`; whatever doesn't fit there is EBADMSG. */
  read(buffer: Buffer, start: number, end: number): T
}

/** A codec whose values all have one size: only these can be fields of a struct. */
export interface FixedCodec<T> extends Codec<T> {
  readonly size: number
}

export function malformed(what: string): KernelError {
  return new KernelError('netlink', 'EBADMSG', { message: what })
}

function fixed<T>(
  size: number,
  write: (writer: Writer, value: T) => void,
  read: (buffer: Buffer, at: number) => T,
): FixedCodec<T> {
  return {
    size,
    write,
    read(buffer, start, end) {
      if (end - start !== size) throw malformed(`${end - start} bytes where ${size} belong`)
      return read(buffer, start)
    },
  }
}

export function load16(buffer: Buffer, at: number): number {
  return buffer[at]! | (buffer[at + 1]! << 8)
}

export function load32(buffer: Buffer, at: number): number {
  return (load16(buffer, at) | (load16(buffer, at + 2) << 16)) >>> 0
}

export const u8 = fixed<number>(
  1,
  (writer, value) => writer.u8(value),
  (buffer, at) => buffer[at]!,
)

export const u16 = fixed<number>(2, (writer, value) => writer.u16(value), load16)

export const u32 = fixed<number>(4, (writer, value) => writer.u32(value), load32)

export const i32 = fixed<number>(
  4,
  (writer, value) => writer.u32(value),
  (buffer, at) => load32(buffer, at) | 0,
)

export const u64 = fixed<bigint>(
  8,
  (writer, value) => writer.u64(value),
  (buffer, at) => buffer.readBigUInt64LE(at),
)

export const be16 = fixed<number>(
  2,
  (writer, value) => writer.be16(value),
  (buffer, at) => buffer.readUInt16BE(at),
)

export const be32 = fixed<number>(
  4,
  (writer, value) => writer.be32(value),
  (buffer, at) => buffer.readUInt32BE(at),
)

export const be64 = fixed<bigint>(
  8,
  (writer, value) => writer.be64(value),
  (buffer, at) => buffer.readBigUInt64BE(at),
)

/** A byte that is 0 or not. */
export const bool = fixed<boolean>(
  1,
  (writer, value) => writer.u8(value ? 1 : 0),
  (buffer, at) => buffer[at] !== 0,
)

/** Text with a NUL behind it; read to the first NUL or the end. */
export const string: Codec<string> = {
  write: (writer, value) => writer.text(value),
  read(buffer, start, end) {
    let stop = start
    while (stop < end && buffer[stop] !== 0) stop++
    return buffer.toString('utf8', start, stop)
  },
}

/** Anything; read as a copy. */
export const bytes: Codec<Uint8Array> = {
  write: (writer, value) => writer.bytes(value),
  read: (buffer, start, end) => Buffer.from(buffer.subarray(start, end)),
}

/** An attribute that says something by being there. */
export const flag: Codec<true> = {
  write() {},
  read: () => true,
}

/** 4 or 16 bytes, in network order. */
export const ipAddress: Codec<IpAddress> = {
  write: (writer, value) => writer.bytes(addressBytes(value)),
  read(buffer, start, end) {
    const size = end - start
    if (size !== 4 && size !== 16) throw malformed(`an address of ${size} bytes`)
    return addressFromBytes(buffer.subarray(start, end))
  },
}

const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/** A hardware address, of however many bytes: a tunnel's has four, a device without one has none. */
export const macAddress: Codec<MacAddress> = {
  write(writer, value) {
    for (let at = 0; at < value.length; at += 3) {
      writer.u8(Number.parseInt(value.slice(at, at + 2), 16))
    }
  },
  read(buffer, start, end) {
    let text = ''
    for (let at = start; at < end; at++) text += (at === start ? '' : ':') + hex[buffer[at]!]
    return text as MacAddress
  },
}
