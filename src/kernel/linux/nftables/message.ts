import type { Family } from '../../ruleset.ts'
import { be32, be64, bytes, string } from '../netlink/codec.ts'
import type { Message } from '../netlink/message.ts'
import { NFNL_SUBSYS_NFTABLES, nfgenmsg, nfnlType } from '../netlink/netfilter.ts'
import { body, listOf, schema } from '../netlink/schema.ts'
import { NFPROTO, NFTA_LIST_ELEM } from './constants.ts'
import { data, expression, expressions } from './rules/expression.ts'

/** The bodies of nf_tables' messages. Numbers are those of the NFTA_… enums in nf_tables.h. */

export const tableBody = body(
  nfgenmsg,
  schema({
    name: [1, string],
    flags: [2, be32],
    use: [3, be32],
    handle: [4, be64],
    userData: [6, bytes],
    owner: [7, be32],
  }),
)

const hook = schema({ number: [1, be32], priority: [2, be32], device: [3, string] })

export const chainBody = body(
  nfgenmsg,
  schema({
    table: [1, string],
    handle: [2, be64],
    name: [3, string],
    hook: [4, hook],
    policy: [5, be32],
    type: [7, string],
  }),
)

export const ruleBody = body(
  nfgenmsg,
  schema({
    table: [1, string],
    chain: [2, string],
    handle: [3, be64],
    expressions: [4, expressions],
    position: [6, be64],
    userData: [7, bytes],
  }),
)

const fields = listOf(NFTA_LIST_ELEM, schema({ length: [1, be32] }))

export const setBody = body(
  nfgenmsg,
  schema({
    table: [1, string],
    name: [2, string],
    flags: [3, be32],
    keyType: [4, be32],
    keyLength: [5, be32],
    dataType: [6, be32],
    dataLength: [7, be32],
    description: [9, schema({ size: [1, be32], fields: [2, fields] })],
    id: [10, be32],
    timeout: [11, be64],
    userData: [13, bytes],
    handle: [16, be64],
    expression: [17, expression],
  }),
)

export const elementEntry = schema({
  key: [1, data],
  data: [2, data],
  flags: [3, be32],
  timeout: [4, be64],
  userData: [6, bytes],
  expression: [7, expression],
  keyEnd: [10, data],
})

export const elementsBody = body(
  nfgenmsg,
  schema({
    table: [1, string],
    set: [2, string],
    setId: [4, be32],
    elements: [3, listOf(NFTA_LIST_ELEM, elementEntry)],
  }),
)

const NFT_MSG = {
  NFT_MSG_NEWTABLE: 0,
  NFT_MSG_GETTABLE: 1,
  NFT_MSG_DELTABLE: 2,
  NFT_MSG_NEWCHAIN: 3,
  NFT_MSG_GETCHAIN: 4,
  NFT_MSG_DELCHAIN: 5,
  NFT_MSG_NEWRULE: 6,
  NFT_MSG_GETRULE: 7,
  NFT_MSG_DELRULE: 8,
  NFT_MSG_NEWSET: 9,
  NFT_MSG_GETSET: 10,
  NFT_MSG_DELSET: 11,
  NFT_MSG_NEWSETELEM: 12,
  NFT_MSG_GETSETELEM: 13,
  NFT_MSG_DELSETELEM: 14,
  NFT_MSG_GETGEN: 16,
} as const

export type Operation = keyof typeof NFT_MSG

export function nftMessage(
  operation: Operation,
  flags: number,
  body: Uint8Array,
  target?: string,
): Message {
  const type = nfnlType(NFNL_SUBSYS_NFTABLES, NFT_MSG[operation])
  return { operation, type, flags, body, ...(target === undefined ? {} : { target }) }
}

export function familyHeader(family: Family | undefined): { family: number } {
  return { family: family === undefined ? 0 : NFPROTO[family] }
}

const families = new Map<number, Family>(
  Object.entries(NFPROTO).map(([name, number]) => [number, name as Family]),
)

/** undefined: a family this library has no name for. */
export function familyName(number: number): Family | undefined {
  return families.get(number)
}
