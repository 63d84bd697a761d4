import { be16, be32, u8 } from './codec.ts'
import type { Message } from './message.ts'
import { body, schema, struct } from './schema.ts'

export const NFNL_SUBSYS_CTNETLINK = 1
export const NFNL_SUBSYS_NFTABLES = 10
export const NFNLGRP_NFTABLES = 7

const NFNL_MSG_BATCH_BEGIN = 0x10
const NFNL_MSG_BATCH_END = 0x11
const NFNL_BATCH_GENID = 1

/** `struct nfgenmsg`: what every body of NETLINK_NETFILTER begins with. */
export const nfgenmsg = struct({ family: u8, version: u8, resourceId: be16 })

/** The type of a message of a netfilter subsystem. */
export function nfnlType(subsystem: number, message: number): number {
  return (subsystem << 8) | message
}

const bracket = body(nfgenmsg, schema({ generation: [NFNL_BATCH_GENID, be32] }))

/** The brackets of a transaction; `generation`: of the transaction that has to be the last before it. */
export function batchBrackets(
  subsystem: number,
  generation?: number,
): {
  readonly begin: Message
  readonly end: Message
} {
  const operation = 'NFNL_MSG_BATCH_BEGIN'
  const header = { resourceId: subsystem }
  const first = bracket.encode(header, generation === undefined ? {} : { generation })
  const last = bracket.encode(header, {})
  return {
    begin: { operation, type: NFNL_MSG_BATCH_BEGIN, flags: 0, body: first },
    end: { operation: 'NFNL_MSG_BATCH_END', type: NFNL_MSG_BATCH_END, flags: 0, body: last },
  }
}
