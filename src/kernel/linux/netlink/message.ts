import { KernelError } from '../../../base/errors.ts'
import { load16, load32, malformed, string, u32 } from './codec.ts'
import { schema } from './schema.ts'
import type { Writer } from './writer.ts'

const NLM_F_REQUEST = 0x1
export const NLM_F_ACK = 0x4
export const NLM_F_ECHO = 0x8
export const NLM_F_DUMP_INTR = 0x10
const NLM_F_CAPPED = 0x100
const NLM_F_ACK_TLVS = 0x200
/** With requests that get something. */
export const NLM_F_DUMP = 0x300
/** With requests that make something. */
export const NLM_F_REPLACE = 0x100
export const NLM_F_EXCL = 0x200
export const NLM_F_CREATE = 0x400
export const NLM_F_APPEND = 0x800

export const NLMSG_NOOP = 1
export const NLMSG_ERROR = 2
export const NLMSG_DONE = 3

const NLMSG_HDRLEN = 16

/** A request as data. The socket adds NLM_F_REQUEST, the sequence number and the length. */
export interface Message {
  /** The constant's name, for errors and the trace: `RTM_NEWLINK`. */
  readonly operation: string
  readonly type: number
  readonly flags: number
  readonly body: Uint8Array
  /** The object it is about, for errors: `link eth0`. */
  readonly target?: string
}

export interface Header {
  readonly length: number
  readonly type: number
  readonly flags: number
  readonly sequence: number
  /** Of the netlink socket a notification is due to, among those of its namespace; 0 is the kernel itself. */
  readonly portId: number
}

export function writeMessage(
  writer: Writer,
  message: Message,
  flags: number,
  sequence: number,
): void {
  const { body } = message
  writer.u32(NLMSG_HDRLEN + body.length)
  writer.u16(message.type)
  writer.u16(message.flags | flags | NLM_F_REQUEST)
  writer.u32(sequence)
  writer.u32(0)
  writer.bytes(body)
  writer.align()
}

/** The messages of one datagram; `start` and `end` are those of the body. */
export function forEachMessage(
  buffer: Buffer,
  length: number,
  visit: (header: Header, start: number, end: number) => void,
): void {
  let at = 0
  while (at < length) {
    const size = at + NLMSG_HDRLEN <= length ? load32(buffer, at) : 0
    if (size < NLMSG_HDRLEN || at + size > length) {
      throw malformed(`a message of ${size} bytes where ${length - at} are left`)
    }
    const header = {
      length: size,
      type: load16(buffer, at + 4),
      flags: load16(buffer, at + 6),
      sequence: load32(buffer, at + 8),
      portId: load32(buffer, at + 12),
    }
    visit(header, at + NLMSG_HDRLEN, at + size)
    at += (size + 3) & ~3
  }
}

/** What NLMSG_ERROR and NLMSG_DONE say. */
interface Status {
  /** 0: done. */
  readonly errno: number
  /** The extended acknowledgement. */
  readonly text?: string
  /** The attribute the kernel points at, as its place in the request's body. */
  readonly offset?: number
}

const NLMSGERR_ATTR_MSG = 1
const NLMSGERR_ATTR_OFFS = 2
const NLMSGERR_ATTR_MISS_TYPE = 5

const extendedAck = schema({
  text: [NLMSGERR_ATTR_MSG, string],
  offset: [NLMSGERR_ATTR_OFFS, u32],
  missing: [NLMSGERR_ATTR_MISS_TYPE, u32],
})

export function readStatus(header: Header, buffer: Buffer, start: number, end: number): Status {
  // A DONE may be bare; an error always carries the header of the request.
  if (header.type === NLMSG_DONE && end - start < 4) return { errno: 0 }
  const isError = header.type === NLMSG_ERROR
  if (end - start < (isError ? 4 + NLMSG_HDRLEN : 4)) throw malformed('a status cut short')
  const errno = -(load32(buffer, start) | 0)
  if ((header.flags & NLM_F_ACK_TLVS) === 0) return { errno }
  let at = start + 4
  if (isError) {
    const whole = errno !== 0 && (header.flags & NLM_F_CAPPED) === 0
    at += whole ? (load32(buffer, at) + 3) & ~3 : NLMSG_HDRLEN
  }
  const { text, offset, missing } = extendedAck.read(buffer, Math.min(at, end), end)
  const said = text ?? (missing === undefined ? undefined : `attribute ${missing} is missing`)
  return {
    errno,
    ...(said === undefined ? {} : { text: said }),
    ...(offset === undefined ? {} : { offset: offset - NLMSG_HDRLEN }),
  }
}

export function statusError(message: Message, status: Status, errno: string): KernelError {
  const { text, offset } = status
  const pointer = offset === undefined ? undefined : `it points at byte ${offset} of the body`
  const said = text ?? pointer
  return new KernelError(message.operation, errno, {
    ...(said === undefined ? {} : { message: said }),
    ...(message.target === undefined ? {} : { target: message.target }),
  })
}
