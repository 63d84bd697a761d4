import type { Difference } from '../kernel.ts'
import type { ConsentResource } from '../resource.ts'
import { type Message, NLM_F_CREATE } from './netlink/message.ts'
import type { NetlinkSocket } from './netlink/netlink-socket.ts'
import { NFT_REG_1 } from './nftables/constants.ts'
import { bitwise, cmp, type Expression, metaLoad, verdict } from './nftables/expression.ts'
import { includes } from './nftables/includes.ts'
import { type ListedRule, listRules } from './nftables/list.ts'
import { familyHeader, nftMessage, ruleBody } from './nftables/message.ts'
import { MARK_KEY } from './nftables/selector.ts'
import { valueType } from './nftables/value-type.ts'

/**
 * DOCKER-USER is the chain of iptables in which Docker leaves room for the rules of others. What we
 * write there has the form in which iptables-nft writes it itself, so that `iptables -S` shows it and
 * `iptables -D` deletes it.
 */
export const USER_CHAIN = 'DOCKER-USER'
const TABLE = 'filter'
const COMMENT = 'cnm'

// linux/netfilter/xt_comment.h
const XT_MAX_COMMENT_LEN = 256

type Family = ConsentResource['family']

/** Families whose forwarded packets come by the chain. */
export function dockerUserFamilies(socket: NetlinkSocket): Family[] {
  return (['ip', 'ip6'] as const).filter((family) =>
    listRules(socket, { family, name: TABLE }, 'FORWARD').some(leadsThere),
  )
}

/** The accepts of ours there, the first one first. */
export function findConsents(socket: NetlinkSocket, consent: ConsentResource): ListedRule[] {
  const wanted = consentExpressions(consent.mark)
  return listRules(socket, { family: consent.family, name: TABLE }, USER_CHAIN).filter(
    ({ expressions }) => includes(expressions, wanted),
  )
}

/** Where nobody has to be asked, nothing is missing. */
export function compareConsent(
  socket: NetlinkSocket,
  consent: ConsentResource,
): Omit<Difference, 'resource'> | undefined {
  const count = findConsents(socket, consent).length
  if (count === 1 || !dockerUserFamilies(socket).includes(consent.family)) return undefined
  const place = consentTarget(consent.family)
  if (count === 0) return { state: 'missing', detail: `no accept of ours in ${place}` }
  return { state: 'different', detail: `${place} has our accept ${count} times` }
}

/** Equivalent to: `iptables -I DOCKER-USER …`. */
export function insertConsent({ family, mark }: ConsentResource): Message {
  const expressions = consentExpressions(mark)
  const rule = { table: TABLE, chain: USER_CHAIN, expressions }
  const body = ruleBody.encode(familyHeader(family), rule)
  return nftMessage('NFT_MSG_NEWRULE', NLM_F_CREATE, body, consentTarget(family))
}

/** Equivalent to: `iptables -D DOCKER-USER …`. */
export function deleteConsent({ family }: ConsentResource, handle: bigint): Message {
  const body = ruleBody.encode(familyHeader(family), { table: TABLE, chain: USER_CHAIN, handle })
  return nftMessage('NFT_MSG_DELRULE', 0, body, consentTarget(family))
}

function consentTarget(family: Family): string {
  return `chain ${family} ${TABLE} ${USER_CHAIN}`
}

function consentExpressions(mark: number): Expression[] {
  const bits = valueType('mark').parse(String(mark))
  const info = Buffer.alloc(XT_MAX_COMMENT_LEN)
  info.write(COMMENT)
  return [
    metaLoad(MARK_KEY, NFT_REG_1),
    bitwise(NFT_REG_1, bits, new Uint8Array(bits.length)),
    cmp('eq', NFT_REG_1, bits),
    { is: { kind: 'match', data: { name: 'comment', revision: 0, info } } },
    { is: { kind: 'counter' } },
    verdict('accept'),
  ]
}

/** Not only under a condition, or others' packets come by and ours may not. */
function leadsThere({ expressions }: ListedRule): boolean {
  const [jump, ...conditions] = expressions.filter(({ is }) => is?.kind !== 'counter').reverse()
  const to = jump?.is?.kind === 'immediate' ? jump.is.data?.data?.verdict?.chain : undefined
  return to === USER_CHAIN && conditions.length === 0
}
