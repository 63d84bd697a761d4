import { be32 } from '../netlink/codec.ts'
import { nfgenmsg } from '../netlink/netfilter.ts'
import type { NetlinkSocket } from '../netlink/netlink-socket.ts'
import { body, schema } from '../netlink/schema.ts'
import { familyHeader, nftMessage } from './message.ts'

const NFTA_GEN_ID = 1

const generationBody = body(nfgenmsg, schema({ id: [NFTA_GEN_ID, be32] }))

/** The number of the last transaction that has changed something, in the socket's namespace. */
export function generation(socket: NetlinkSocket): number {
  const question = generationBody.encode(familyHeader(undefined), {})
  const answer = socket.get(nftMessage('NFT_MSG_GETGEN', 0, question), generationBody)
  return answer.attributes.id ?? 0
}

/** That of the next. */
export function generationAfter(generation: number): number {
  // The kernel leaves out 0.
  return (generation + 1) >>> 0 || 1
}
