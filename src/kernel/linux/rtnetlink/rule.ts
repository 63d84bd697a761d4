import { type Prefix, prefixAddress, prefixLength } from '../../../address/address.ts'
import { ipAddress, string, u8, u32 } from '../netlink/codec.ts'
import { type Message, NLM_F_CREATE, NLM_F_EXCL } from '../netlink/message.ts'
import type { NetlinkSocket } from '../netlink/netlink-socket.ts'
import { body, padding, schema, struct, type ValueOf } from '../netlink/schema.ts'
import { type AddressFamily, familyNumber, prefixFrom } from './family.ts'

// linux/fib_rules.h

export const RTM_NEWRULE = 32
export const RTM_DELRULE = 33
export const RTM_GETRULE = 34

const FRA_DST = 1
const FRA_SRC = 2
const FRA_IIFNAME = 3
const FRA_PRIORITY = 6
const FRA_FWMARK = 10
const FRA_TABLE = 15
const FRA_FWMASK = 16
const FRA_OIFNAME = 17
const FR_ACT_TO_TBL = 1

const ruleHeader = struct({
  family: u8,
  toLength: u8,
  fromLength: u8,
  tos: u8,
  table: u8,
  reserved: padding(2),
  action: u8,
  flags: u32,
})

/** RTM_…RULE */
export const ruleBody = body(
  ruleHeader,
  schema({
    to: [FRA_DST, ipAddress],
    from: [FRA_SRC, ipAddress],
    inputLink: [FRA_IIFNAME, string],
    outputLink: [FRA_OIFNAME, string],
    priority: [FRA_PRIORITY, u32],
    mark: [FRA_FWMARK, u32],
    markMask: [FRA_FWMASK, u32],
    table: [FRA_TABLE, u32],
  }),
)

/** Which packets are routed by which table. */
export interface Rule {
  readonly family: AddressFamily
  readonly priority: number
  readonly table: number
  readonly from?: Prefix
  readonly to?: Prefix
  /** By name: the link need not exist. */
  readonly inputLink?: string
  readonly outputLink?: string
  readonly mark?: number
  readonly markMask?: number
}

/**
 * Equivalent to: `ip rule add priority P [from PREFIX] [to PREFIX] [iif NAME] [oif NAME]
 * [fwmark MARK/MASK] lookup TABLE`. Refused with EEXIST if there is one just so.
 */
export function newRule(rule: Rule): Message {
  return message('RTM_NEWRULE', NLM_F_CREATE | NLM_F_EXCL, rule)
}

/** Equivalent to: `ip rule delete …`. Refused with ENOENT if there is none. */
export function deleteRule(rule: Rule): Message {
  return message('RTM_DELRULE', 0, rule)
}

function message(operation: 'RTM_NEWRULE' | 'RTM_DELRULE', flags: number, rule: Rule): Message {
  const { family, from, to, ...attributes } = rule
  const header = {
    family: familyNumber(family),
    fromLength: from === undefined ? 0 : prefixLength(from),
    toLength: to === undefined ? 0 : prefixLength(to),
    action: FR_ACT_TO_TBL,
  }
  return {
    operation,
    type: operation === 'RTM_NEWRULE' ? RTM_NEWRULE : RTM_DELRULE,
    flags,
    body: ruleBody.encode(header, {
      ...attributes,
      from: from === undefined ? undefined : prefixAddress(from),
      to: to === undefined ? undefined : prefixAddress(to),
    }),
    target: `rule ${rule.priority} lookup ${rule.table}`,
  }
}

/** Equivalent to: `ip rule show`, those that look up a table. */
export function listRules(socket: NetlinkSocket, family: AddressFamily): Rule[] {
  const request: Message = {
    operation: 'RTM_GETRULE',
    type: RTM_GETRULE,
    flags: 0,
    body: ruleBody.encode({ family: familyNumber(family) }, {}),
  }
  return socket
    .dump(request, ruleBody)
    .filter(({ header }) => header.action === FR_ACT_TO_TBL)
    .map((rule) => toRule(rule, family))
}

function toRule({ header, attributes }: ValueOf<typeof ruleBody>, family: AddressFamily): Rule {
  const { from, to, priority, table, inputLink, outputLink, mark, markMask } = attributes
  return {
    family,
    priority: priority ?? 0,
    table: table ?? header.table,
    ...(from && { from: prefixFrom(from, header.fromLength, header.family) }),
    ...(to && { to: prefixFrom(to, header.toLength, header.family) }),
    ...(inputLink !== undefined && { inputLink }),
    ...(outputLink !== undefined && { outputLink }),
    ...(mark !== undefined && { mark }),
    ...(markMask !== undefined && { markMask }),
  }
}
