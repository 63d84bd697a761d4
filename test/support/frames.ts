import { addressBytes, parseAddress } from '#dist/address/address.js'
import { type MacAddress, macBytes } from '#dist/address/mac.js'
import { close } from '#dist/kernel/linux/ffi/file.js'
import { interfaceIndex } from '#dist/kernel/linux/ffi/interface.js'
import { bind, recv, SOCK_RAW, send, socket } from '#dist/kernel/linux/ffi/socket.js'
import { inNamespace } from './echo.ts'

// Frames as root in a sandbox can make them, byte by byte. Each carries a number by which it is known again,
// where nothing looks at it: IPv4's identification, IPv6's flow label, the target of an ARP packet.

export const EVERYBODY = 'ff:ff:ff:ff:ff:ff'
const FLOW_LABELS = 0xc0000

const TYPE = { ip: 0x0800, arp: 0x0806, ip6: 0x86dd } as const
const TAGS = new Set([0x8100, 0x88a8, 0x9100])

/** Any six bytes. */
const mac = (text: string) => macBytes(text as MacAddress)
const ip = (text: string) => addressBytes(parseAddress(text))

/** What is inside of a frame. */
export interface Content {
  readonly type: number
  readonly bytes: (number: number) => Uint8Array
}

export interface Frame extends Content {
  readonly from: string
  /** Absent: all. */
  readonly to?: string
  /** Types of VLAN tags, all with the number 0. */
  readonly tags?: readonly number[]
}

function frameBytes(frame: Frame, number: number): Buffer {
  const { from, to = EVERYBODY, tags = [], type, bytes } = frame
  const types = Buffer.alloc(tags.length * 4 + 2)
  for (const [index, tag] of tags.entries()) types.writeUInt16BE(tag, index * 4)
  types.writeUInt16BE(type, tags.length * 4)
  const whole = Buffer.concat([mac(to), mac(from), types, bytes(number)])
  return Buffer.concat([whole, Buffer.alloc(Math.max(0, 60 - whole.length))])
}

/** "`ip` is at `at`": a request or reply, or (to itself) gratuitous. */
export function arp(address: string, at: string, operation: 1 | 2 = 2): Content {
  const bytes = (number: number) => {
    const head = Buffer.from([0, 1, 8, 0, 6, 4, 0, operation])
    const target = [198, 18, number >> 8, number & 0xff]
    return Buffer.concat([head, mac(at), ip(address), Buffer.alloc(6), Uint8Array.from(target)])
  }
  return { type: TYPE.arp, bytes }
}

/** `fragment`: flags and offset of a part, as they are in the header. */
export function ipv4(
  from: string,
  to: string,
  protocol: number,
  body: Uint8Array,
  fragment = 0,
): Content {
  const bytes = (number: number) => {
    const head = Buffer.alloc(20)
    head.set([0x45, 0])
    head.writeUInt16BE(20 + body.length, 2)
    head.writeUInt16BE(number, 4)
    head.writeUInt16BE(fragment, 6)
    head.set([64, protocol], 8)
    head.set(ip(from), 12)
    head.set(ip(to), 16)
    head.writeUInt16BE(checksum(head), 10)
    return Buffer.concat([head, body])
  }
  return { type: TYPE.ip, bytes }
}

export function udp4(from: string, to: string, port = 9): Content {
  return ipv4(from, to, 17, udpBytes(port))
}

function udpBytes(port: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeUInt16BE(68, 0)
  bytes.writeUInt16BE(port, 2)
  bytes.writeUInt16BE(8, 4)
  return bytes
}

export function ipv6(from: string, to: string, next: number, body: Uint8Array): Content {
  const bytes = (number: number) => {
    const head = Buffer.alloc(40)
    head.writeUInt32BE(0x60000000 + FLOW_LABELS + number, 0)
    head.writeUInt16BE(body.length, 4)
    head.set([next, 255], 6)
    head.set(ip(from), 8)
    head.set(ip(to), 24)
    return Buffer.concat([head, body])
  }
  return { type: TYPE.ip6, bytes }
}

/** With its checksum, without which it isn't taken. */
export function udp6(from: string, to = 'ff02::1', port = 9): Content {
  return ipv6(from, to, 17, summed(17, 6, from, to, udpBytes(port)))
}

/** "Are you there?" */
export function icmpv4(from: string, to: string): Content {
  const message = Buffer.from([8, 0, 0, 0, 0x42, 0x42, 0, 1])
  message.writeUInt16BE(checksum(message), 2)
  return ipv4(from, to, 1, message)
}

/** An ICMPv6 message with its checksum. */
export function icmpv6(from: string, to: string, message: Uint8Array): Content {
  return ipv6(from, to, 58, summed(58, 2, from, to, message))
}

/** The same behind an extension header: of hops (0) or for the destination (60). */
export function icmpv6Behind(header: 0 | 60, from: string, to: string, message: Uint8Array) {
  const extension = Buffer.from([58, 0, 1, 4, 0, 0, 0, 0])
  return ipv6(from, to, header, Buffer.concat([extension, summed(58, 2, from, to, message)]))
}

/** A message of that protocol over IPv6, its checksum at `at`. */
function summed(
  protocol: number,
  at: number,
  from: string,
  to: string,
  message: Uint8Array,
): Uint8Array {
  const pseudo = Buffer.alloc(8)
  pseudo.writeUInt32BE(message.length, 0)
  pseudo[7] = protocol
  const copy = Buffer.from(message)
  copy.writeUInt16BE(checksum(Buffer.concat([ip(from), ip(to), pseudo, copy])), at)
  return copy
}

function checksum(bytes: Uint8Array): number {
  let sum = 0
  for (let index = 0; index < bytes.length; index += 2) {
    sum += (bytes[index]! << 8) | (bytes[index + 1] ?? 0)
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}

/** RFC 4861, 4.6: one that tells a MAC (1: the sender's, 2: the target's), or (14) a number. */
export const option = (type: number, address: string) => Buffer.from([type, 1, ...mac(address)])

/** "Who is `target`?" */
export function solicitation(target: string, ...options: Uint8Array[]): Uint8Array {
  return Buffer.concat([Buffer.from([135, 0, 0, 0, 0, 0, 0, 0]), ip(target), ...options])
}

/** "`target` is here, believe no other." */
export function advertisement(target: string, ...options: Uint8Array[]): Uint8Array {
  return Buffer.concat([Buffer.from([136, 0, 0, 0, 0x20, 0, 0, 0]), ip(target), ...options])
}

export function routerSolicitation(...options: Uint8Array[]): Uint8Array {
  return Buffer.concat([Buffer.from([133, 0, 0, 0, 0, 0, 0, 0]), ...options])
}

/** "I am a router", for half an hour, and where it says so: "this /64 is here, make yourself an address". */
export function routerAdvertisement(prefix?: string): Uint8Array {
  const router = Buffer.from([134, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0])
  if (prefix === undefined) return router
  const times = Buffer.from([0, 0, 7, 8, 0, 0, 7, 8, 0, 0, 0, 0])
  return Buffer.concat([router, Buffer.from([3, 4, 64, 0xc0]), times, ip(prefix)])
}

/** "There is a better way to `target`: by me." */
export function redirect(target: string): Uint8Array {
  return Buffer.concat([Buffer.from([137, 0, 0, 0, 0, 0, 0, 0]), ip(target), ip(target)])
}

/** "Who is in which group?", as a router asks: IGMPv3, RFC 3376. */
const igmpQuery = Buffer.from([0x11, 1, 0xee, 0xfe, 0, 0, 0, 0, 0, 0, 0, 0])

/** The same by MLDv2, RFC 3810. What isn't behind a router alert is no such message. */
function mldQuery(from: string): Content {
  const message = Buffer.alloc(28)
  message.set([130, 0, 0, 0, 0, 1])
  const alert = Buffer.from([58, 0, 5, 2, 0, 0, 1, 0])
  const body = Buffer.concat([alert, summed(58, 2, from, 'ff02::1', message)])
  const packet = ipv6(from, 'ff02::1', 0, body)
  const bytes = (number: number) => {
    const once = Buffer.from(packet.bytes(number))
    once[7] = 1
    return once
  }
  return { type: packet.type, bytes }
}

/** What a router of groups asks. A bridge believes parts, too. */
export function groupQueries(ip4: string, link6: string) {
  const igmp = (part = 0) => ({
    ...ipv4(ip4, '224.0.0.1', 2, igmpQuery, part),
    to: '01:00:5e:00:00:01',
  })
  return {
    'a query of groups': igmp(),
    'a query of groups that says it is a part': igmp(0x2000),
    'a query of groups that says it is the last part': igmp(0x0100),
    'a query of IPv6 groups': { ...mldQuery(link6), to: '33:33:00:00:00:01' },
  } satisfies Record<string, Content & { readonly to: string }>
}

/** What is no IP at all. */
export function other(type: number): Content {
  return { type, bytes: (number) => Uint8Array.from([number >> 8, number & 0xff]) }
}

/** Sends all of them from the link of the namespace at that path, numbered from `first`. */
export function sendFrames(path: string, link: string, frames: readonly Frame[], first = 0): void {
  inNamespace(path, () => {
    const fd = socket(AF_PACKET, SOCK_RAW, 0)
    try {
      bind(fd, linkAddress(interfaceIndex(fd, link) ?? 0, 0))
      for (const [index, frame] of frames.entries()) {
        const bytes = frameBytes(frame, first + index)
        send(fd, bytes, bytes.length)
      }
    } finally {
      close(fd)
    }
  })
}

const AF_PACKET = 17
const ETH_P_ALL = 0x0003

function linkAddress(link: number, protocol: number): Uint8Array {
  const address = Buffer.alloc(20)
  address.writeUInt16LE(AF_PACKET, 0)
  address.writeUInt16BE(protocol, 2)
  address.writeInt32LE(link, 4)
  return address
}

/** Sees all that comes to a link of the namespace at that path, from now on. */
export class FrameWatch implements Disposable {
  readonly #fd: number
  readonly #numbers = new Set<number>()

  constructor(path: string, link: string) {
    this.#fd = inNamespace(path, () => {
      const fd = socket(AF_PACKET, SOCK_RAW, 0)
      bind(fd, linkAddress(interfaceIndex(fd, link) ?? 0, ETH_P_ALL))
      return fd
    })
  }

  /** The numbers of what has come so far. */
  numbers(): ReadonlySet<number> {
    const buffer = Buffer.alloc(2048)
    for (;;) {
      const length = recv(this.#fd, buffer)
      if (length === undefined) return this.#numbers
      const number = numberOf(buffer.subarray(0, Math.min(length, buffer.length)))
      if (number !== undefined) this.#numbers.add(number)
    }
  }

  [Symbol.dispose](): void {
    close(this.#fd)
  }
}

function numberOf(frame: Buffer): number | undefined {
  let at = 12
  while (TAGS.has(frame.readUInt16BE(at))) at += 4
  const type = frame.readUInt16BE(at)
  const body = frame.subarray(at + 2)
  if (type === TYPE.ip) return body.readUInt16BE(4)
  if (type === TYPE.arp) return body[24] === 198 ? body.readUInt16BE(26) : undefined
  if (type !== TYPE.ip6) return body.readUInt16BE(0)
  const label = body.readUInt32BE(0) & 0xfffff
  return label >= FLOW_LABELS ? label - FLOW_LABELS : undefined
}
