import type { ConsentResource } from '../../resource.ts'
import { type Message, NLM_F_APPEND, NLM_F_CREATE } from '../netlink/message.ts'
import type { NetlinkSocket } from '../netlink/netlink-socket.ts'
import { NFT_REG_1, VERDICTS } from '../nftables/constants.ts'
import { type ListedRule, listChains, listRules } from '../nftables/list.ts'
import { familyHeader, nftMessage, ruleBody } from '../nftables/message.ts'
import { bitwise, cmp, type Expression, metaLoad, verdict } from '../nftables/rules/expression.ts'
import { includes } from '../nftables/rules/includes.ts'
import { MARK_KEY } from '../nftables/rules/selector.ts'
import { valueType } from '../nftables/values/value-type.ts'

/**
 * DOCKER-USER is the chain of iptables in which Docker leaves room for the rules of others. What we
 * write there has the form in which iptables-nft writes it itself, so that `iptables -S` shows it and
 * `iptables -D` deletes it. It is told by its comment, whatever form another program has given it since.
 *
 * The administrator's own rules come first: ours is the last, or the last before an unconditional
 * RETURN, which Docker 20.10 puts at the end.
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

export function hasUserChain(socket: NetlinkSocket, family: Family): boolean {
  return listChains(socket, { family, name: TABLE }).some(({ name }) => name === USER_CHAIN)
}

/** All rules of the chain, in order. */
export function listUserRules(socket: NetlinkSocket, family: Family): ListedRule[] {
  const table = { family, name: TABLE }
  return listRules(socket, table, USER_CHAIN).filter(({ chain }) => chain === USER_CHAIN)
}

/** What makes it one rule in its place, or none, in one batch; nothing if it is so already. */
export function consentMessages(
  consent: ConsentResource,
  rules: readonly ListedRule[],
  wanted: boolean,
): Message[] {
  const ours = rules.filter(isConsent)
  const right = wanted ? ours.find((rule) => isAsWanted(consent, rules, rule)) : undefined
  const surplus = ours.filter((rule) => rule !== right)
  return [
    ...surplus.map(({ handle }) => deleteConsent(consent, handle)),
    ...(wanted && right === undefined ? [insertConsent(consent, nextRule(rules))] : []),
  ]
}

/** Equivalent to: `iptables -A DOCKER-USER …`, or `-I` with the number of that rule. */
function insertConsent({ family, mark }: ConsentResource, before: ListedRule | undefined): Message {
  const body = ruleBody.encode(familyHeader(family), {
    table: TABLE,
    chain: USER_CHAIN,
    expressions: consentExpressions(mark),
    position: before?.handle,
  })
  const flags = before === undefined ? NLM_F_CREATE | NLM_F_APPEND : NLM_F_CREATE
  return nftMessage('NFT_MSG_NEWRULE', flags, body, consentTarget(family))
}

/** Equivalent to: `iptables -D DOCKER-USER …`. */
function deleteConsent({ family }: ConsentResource, handle: bigint): Message {
  const body = ruleBody.encode(familyHeader(family), { table: TABLE, chain: USER_CHAIN, handle })
  return nftMessage('NFT_MSG_DELRULE', 0, body, consentTarget(family))
}

export function consentTarget(family: Family): string {
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

export function isAsWanted(
  { mark }: ConsentResource,
  rules: readonly ListedRule[],
  rule: ListedRule,
): boolean {
  const behind = rules.slice(rules.indexOf(rule) + 1).find((each) => !isConsent(each))
  return behind === nextRule(rules) && includes(rule.expressions, consentExpressions(mark))
}

/** The one of others before which ours belongs: what comes behind a RETURN is never reached. */
function nextRule(rules: readonly ListedRule[]): ListedRule | undefined {
  return rules.find((rule) => !isConsent(rule) && returnsAlways(rule))
}

/** One of ours, whatever its form and place. One that does anything but accept, others have called so. */
export function isConsent({ comment, expressions }: ListedRule): boolean {
  const isNamed = comment === COMMENT || expressions.some((each) => commentOf(each) === COMMENT)
  return isNamed && expressions.some(accepts)
}

function accepts({ is }: Expression): boolean {
  return is?.kind === 'immediate' && is.data?.data?.verdict?.code === VERDICTS.accept
}

function commentOf({ is }: Expression): string | undefined {
  if (is?.kind !== 'match' || is.data?.name !== 'comment') return undefined
  return Buffer.from(is.data.info ?? [])
    .toString('latin1')
    .replace(/\0.*$/s, '')
}

function returnsAlways(rule: ListedRule): boolean {
  const code = alwaysDone(rule)?.code
  return code !== undefined && (code | 0) === VERDICTS.return
}

/** Not only under a condition, or others' packets come by and ours may not. */
function leadsThere(rule: ListedRule): boolean {
  return alwaysDone(rule)?.chain === USER_CHAIN
}

/** The verdict of a rule without conditions. */
function alwaysDone({ expressions }: ListedRule) {
  const counts = (each: Expression) => each.is?.kind !== 'counter' && commentOf(each) === undefined
  const [last, ...conditions] = expressions.filter(counts).reverse()
  if (last?.is?.kind !== 'immediate' || conditions.length > 0) return undefined
  return last.is.data?.data?.verdict
}
