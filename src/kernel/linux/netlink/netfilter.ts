import { be16, u8 } from './codec.ts'
import type { Message } from './message.ts'
import { struct } from './schema.ts'

export const NFNL_SUBSYS_CTNETLINK = 1
export const NFNL_SUBSYS_NFTABLES = 10
export const NFNLGRP_NFTABLES = 7

const NFNL_MSG_BATCH_BEGIN = 0x10
const NFNL_MSG_BATCH_END = 0x11

/** `struct nfgenmsg`: what every body of NETLINK_NETFILTER begins with. */
export const nfgenmsg = struct({ family: u8, version: u8, resourceId: be16 })

/** The type of a message of a netfilter subsystem. */
export function nfnlType(subsystem: number, message: number): number {
  return (subsystem << 8) | message
}

/** The brackets of a transaction. */
export function batchBrackets(subsystem: number): {
  readonly begin: Message
  readonly end: Message
} {
  // `struct nfgenmsg` by hand: unspecified family, version 0, the subsystem in network order.
  const body = Uint8Array.of(0, 0, subsystem >>> 8, subsystem)
  return {
    begin: { operation: 'NFNL_MSG_BATCH_BEGIN', type: NFNL_MSG_BATCH_BEGIN, flags: 0, body },
    end: { operation: 'NFNL_MSG_BATCH_END', type: NFNL_MSG_BATCH_END, flags: 0, body },
  }
}
