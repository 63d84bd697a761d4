import { isKernelError } from '../../../base/errors.ts'
import { bytes, i32, u8, u16, u32, u64 } from '../netlink/codec.ts'
import {
  type Message,
  NLM_F_CREATE,
  NLM_F_ECHO,
  NLM_F_EXCL,
  NLM_F_REPLACE,
} from '../netlink/message.ts'
import type { NetlinkSocket } from '../netlink/netlink-socket.ts'
import { body, padding, schema, struct, type ValueOf, variant } from '../netlink/schema.ts'

// linux/rtnetlink.h, linux/pkt_sched.h

const RTM_NEWQDISC = 36
const RTM_DELQDISC = 37
const RTM_GETQDISC = 38

export const TCA_KIND = 1
export const TCA_OPTIONS = 2

const TCA_TBF_PARMS = 1
const TCA_TBF_RATE64 = 4
const TCA_TBF_BURST = 6

const TC_H_ROOT = 0xffffffff
const TC_H_CLSACT = 0xfffffff1
const CLSACT_HANDLE = 0xffff0000
const TC_LINKLAYER_ETHERNET = 1
const NS_PER_TICK = 64

/** A link, and where on it: major and minor numbers of 16 bits each. */
export const tcmsg = struct({
  family: u8,
  pad: padding(3),
  link: i32,
  handle: u32,
  parent: u32,
  info: u32,
})

const tbfParameters = struct({
  cellLog: u8,
  linkLayer: u8,
  overhead: u16,
  cellAlign: u16,
  leastSize: u16,
  /** Bytes per second. */
  rate: u32,
  peakRate: padding(12),
  limit: u32,
  /** In ticks: what the kernel makes of the burst. */
  buffer: u32,
  mtu: u32,
})

const tbfOptions = schema({
  parameters: [TCA_TBF_PARMS, tbfParameters],
  rate64: [TCA_TBF_RATE64, u64],
  burst: [TCA_TBF_BURST, u32],
})

/** RTM_…QDISC */
export const qdiscBody = body(
  tcmsg,
  schema({
    qdisc: variant(TCA_KIND, TCA_OPTIONS, {
      tbf: tbfOptions,
      bfifo: struct({ limit: u32 }),
      clsact: bytes,
    }),
  }),
)

type QdiscBody = ValueOf<typeof qdiscBody>

/** A token bucket. */
export interface Tbf {
  /** Bits per second, in whole bytes. */
  readonly rate: number
  /** How many bytes may leave at once after a pause. Packets larger than that are cut up, or dropped. */
  readonly burst: number
  /** How many bytes may wait. */
  readonly limit: number
}

/**
 * Equivalent to: `tc qdisc add dev LINK root handle MAJOR: tbf rate RATE burst BURST limit LIMIT`.
 * Refused with EEXIST if there is any already.
 */
export function newTbf(link: number, major: number, tbf: Tbf): Message {
  return tbfMessage(link, major, NLM_F_CREATE | NLM_F_EXCL, tbf)
}

/**
 * Equivalent to: `tc qdisc change dev LINK root handle MAJOR: tbf …`. What waits goes on waiting; a
 * packet among it that is larger than the new burst would do so for ever, and all others behind it.
 */
export function changeTbf(link: number, major: number, tbf: Tbf): Message {
  return tbfMessage(link, major, 0, tbf)
}

/**
 * Drops what waits. Equivalent to: `tc qdisc replace dev LINK parent MAJOR:1 bfifo limit LIMIT`.
 */
export function replaceTbfQueue(link: number, major: number, limit: number): Message {
  const header = { link, parent: ((major << 16) | 1) >>> 0 }
  const qdisc = { kind: 'bfifo', data: { limit } } as const
  return message('RTM_NEWQDISC', NLM_F_CREATE | NLM_F_REPLACE, header, { qdisc })
}

/** Equivalent to: `tc qdisc delete dev LINK root handle MAJOR:`. */
export function deleteRootQdisc(link: number, major: number): Message {
  return message('RTM_DELQDISC', 0, { link, handle: handleOf(major), parent: TC_H_ROOT }, {})
}

/** Equivalent to: `tc qdisc add dev LINK clsact`. Refused with EEXIST if it has one, or an `ingress`. */
export function newClsact(link: number): Message {
  return message('RTM_NEWQDISC', NLM_F_CREATE | NLM_F_EXCL, clsactHeader(link), {
    qdisc: { kind: 'clsact' },
  })
}

/** With all filters. Equivalent to: `tc qdisc delete dev LINK clsact`. */
export function deleteClsact(link: number): Message {
  return message('RTM_DELQDISC', 0, clsactHeader(link), { qdisc: { kind: 'clsact' } })
}

export interface RootQdisc {
  readonly kind: string
  /** The major number; 0: the kernel's own choice. */
  readonly major: number
  readonly tbf: Tbf | undefined
}

/** Equivalent to: `tc qdisc show dev LINK root`. */
export function rootQdisc(socket: NetlinkSocket, link: number): RootQdisc {
  // Without the flag only those who listen to RTNLGRP_TC are told.
  const header = { link, parent: TC_H_ROOT }
  try {
    return toRoot(socket.get(message('RTM_GETQDISC', NLM_F_ECHO, header, {}), qdiscBody))
  } catch (error) {
    // As long as a link hasn't been up, there is nothing to tell; nor once another process has deleted it.
    if (isKernelError(error, 'ENODATA') || isKernelError(error, 'ENODEV')) {
      return { kind: 'noop', major: 0, tbf: undefined }
    }
    throw error
  }
}

/** A qdisc from the body of RTM_NEWQDISC. */
export function toRoot({ header, attributes: { qdisc } }: QdiscBody): RootQdisc {
  return {
    kind: qdisc?.kind === 'other' ? qdisc.name : (qdisc?.kind ?? ''),
    major: header.handle >>> 16,
    tbf: qdisc?.kind === 'tbf' ? tbfFrom(qdisc.data) : undefined,
  }
}

function tbfFrom(options: ValueOf<typeof tbfOptions> | undefined): Tbf | undefined {
  const { parameters, rate64 } = options ?? {}
  if (parameters === undefined) return undefined
  const { buffer = 0, limit = 0 } = parameters
  const rate = Number(rate64 ?? parameters.rate)
  return { rate: rate * 8, burst: Math.round((buffer * NS_PER_TICK * rate) / 1e9), limit }
}

function tbfMessage(link: number, major: number, flags: number, tbf: Tbf): Message {
  const rate = Math.floor(tbf.rate / 8)
  // With the link layer given, kernels since 3.10 need no table of how long which size takes.
  const parameters = {
    linkLayer: TC_LINKLAYER_ETHERNET,
    rate: Math.min(rate, 0xffffffff),
    limit: tbf.limit,
  }
  const rate64 = rate > 0xffffffff ? BigInt(rate) : undefined
  const data = { parameters, rate64, burst: tbf.burst }
  const header = { link, handle: handleOf(major), parent: TC_H_ROOT }
  return message('RTM_NEWQDISC', flags, header, { qdisc: { kind: 'tbf', data } })
}

function handleOf(major: number): number {
  return (major << 16) >>> 0
}

function clsactHeader(link: number): Partial<QdiscBody['header']> {
  return { link, handle: CLSACT_HANDLE, parent: TC_H_CLSACT }
}

const types = { RTM_NEWQDISC, RTM_DELQDISC, RTM_GETQDISC }

function message(
  operation: keyof typeof types,
  flags: number,
  header: Partial<QdiscBody['header']>,
  attributes: QdiscBody['attributes'],
): Message {
  const kind = attributes.qdisc === undefined ? '' : ` ${attributes.qdisc.kind}`
  return {
    operation,
    type: types[operation],
    flags,
    body: qdiscBody.encode(header, attributes),
    target: `qdisc${kind} of link #${header.link}`,
  }
}
