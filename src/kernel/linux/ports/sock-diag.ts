import { addressFromBytes, type IpAddress } from '../../../address/address.ts'
import type { PortRange, Protocol } from '../../../address/port.ts'
import { isKernelError } from '../../../base/errors.ts'
import { be16, bytes, type FixedCodec, u8, u32, u64 } from '../netlink/codec.ts'
import type { Message } from '../netlink/message.ts'
import { NETLINK_SOCK_DIAG, NetlinkSocket } from '../netlink/netlink-socket.ts'
import { body, padding, schema, struct, type ValueOf } from '../netlink/schema.ts'
import { familyNumber } from '../rtnetlink/family.ts'

// linux/sock_diag.h and linux/inet_diag.h

const SOCK_DIAG_BY_FAMILY = 20
const INET_DIAG_REQ_BYTECODE = 1
const INET_DIAG_SKV6ONLY = 11

const INET_DIAG_BC_JMP = 1
const INET_DIAG_BC_S_GE = 2
const INET_DIAG_BC_S_LE = 3
const OPERATION = 4
const COMPARISON = 8

const TCP_CLOSE = 7
const TCP_LISTEN = 10
// Since Linux 6.8; before, sockets that are bound and don't listen can't be seen.
const TCP_BOUND_INACTIVE = 13

const numbers = { tcp: 6, udp: 17, sctp: 132 } as const
const states = {
  tcp: (1 << TCP_LISTEN) | (1 << TCP_BOUND_INACTIVE),
  // Those of UDP are closed as long as they aren't connected: then they hear any sender.
  udp: 1 << TCP_CLOSE,
  sctp: 1 << TCP_LISTEN,
} as const

const ADDRESS = 16
const addressField: FixedCodec<Uint8Array> = {
  size: ADDRESS,
  write: (writer, value) => writer.bytes(value),
  read: (buffer, start, end) => Buffer.from(buffer.subarray(start, end)),
}

const socketId = {
  port: be16,
  peerPort: be16,
  address: addressField,
  peer: addressField,
  link: u32,
  cookie: u64,
}

const request = body(
  struct({
    family: u8,
    protocol: u8,
    extensions: u8,
    padding: padding(1),
    states: u32,
    ...socketId,
  }),
  schema({ filter: [INET_DIAG_REQ_BYTECODE, bytes] }),
)

const answer = body(
  struct({
    family: u8,
    state: u8,
    timer: u8,
    retransmissions: u8,
    ...socketId,
    expires: u32,
    received: u32,
    sent: u32,
    uid: u32,
    inode: u32,
  }),
  schema({ ipv6Only: [INET_DIAG_SKV6ONLY, u8] }),
)

/** A socket that gets what arrives at a port, from any sender. */
export interface BoundSocket {
  readonly protocol: Protocol
  readonly address: IpAddress
  readonly port: number
  readonly ipv6Only: boolean
  /** 0: it is no process's. */
  readonly inode: number
}

/**
 * Sockets that listen, or have been bound for that, at one of these ports, in the namespace the calling
 * thread is in; some at other ports may be among them. None where the kernel has no way to ask.
 * Equivalent to: `ss -Hna sport ge FROM and sport le TO or …`
 */
export function listBoundSockets(
  family: 4 | 6,
  protocol: Protocol,
  ports: readonly PortRange[],
): BoundSocket[] {
  using socket = new NetlinkSocket(NETLINK_SOCK_DIAG)
  const message: Message = {
    operation: 'SOCK_DIAG_BY_FAMILY',
    type: SOCK_DIAG_BY_FAMILY,
    flags: 0,
    body: request.encode(
      { family: familyNumber(family), protocol: numbers[protocol], states: states[protocol] },
      { filter: portFilter(ports) },
    ),
  }
  try {
    return socket.dump(message, answer).map((found) => boundSocket(family, protocol, found))
  } catch (error) {
    if (isKernelError(error, 'ENOENT') || isKernelError(error, 'EOPNOTSUPP')) return []
    throw error
  }
}

function boundSocket(
  family: 4 | 6,
  protocol: Protocol,
  { header, attributes }: ValueOf<typeof answer>,
): BoundSocket {
  const { address, port, inode } = header
  const bytes = family === 4 || isMapped(address) ? ipv4Part(family, address) : address
  return {
    protocol,
    address: addressFromBytes(bytes),
    port,
    ipv6Only: attributes.ipv6Only === 1,
    inode,
  }
}

/** `::ffff:a.b.c.d` */
function isMapped(address: Uint8Array): boolean {
  const prefix = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff)
  return prefix.every((byte, at) => byte === address[at])
}

function ipv4Part(family: 4 | 6, address: Uint8Array): Uint8Array {
  return family === 4 ? address.subarray(0, 4) : address.subarray(12)
}

// The kernel checks each jump by walking to it.
const MAX_CONDITIONS = 32

/**
 * `from ≤ port ≤ to`, for one range or the other. A socket is accepted by jumping right behind the last
 * operation, and refused by jumping further. Of many ranges: from the first port to the last.
 */
export function portFilter(ports: readonly PortRange[]): Uint8Array {
  const ranges = ports.length > MAX_CONDITIONS ? [hull(ports)] : ports
  const size = 2 * COMPARISON + OPERATION
  const filter = Buffer.alloc(ranges.length * size)
  for (const [index, { from, to }] of ranges.entries()) {
    const at = index * size
    const left = filter.length - at
    const isLast = index === ranges.length - 1
    // With the last range a miss is the end of it.
    const next = (passed: number) => (isLast ? left - passed + OPERATION : size - passed)
    writeOperation(filter, at, INET_DIAG_BC_S_GE, COMPARISON, next(0))
    filter.writeUInt16LE(from, at + 6)
    writeOperation(filter, at + COMPARISON, INET_DIAG_BC_S_LE, COMPARISON, next(COMPARISON))
    filter.writeUInt16LE(to, at + COMPARISON + 6)
    const passed = 2 * COMPARISON
    writeOperation(filter, at + passed, INET_DIAG_BC_JMP, OPERATION, left - passed)
  }
  return filter
}

function writeOperation(filter: Buffer, at: number, code: number, yes: number, no: number): void {
  filter.writeUInt8(code, at)
  filter.writeUInt8(yes, at + 1)
  filter.writeUInt16LE(no, at + 2)
}

function hull(ports: readonly PortRange[]): PortRange {
  let [from, to] = [65535, 0]
  for (const range of ports) {
    from = Math.min(from, range.from)
    to = Math.max(to, range.to)
  }
  return { from, to }
}
