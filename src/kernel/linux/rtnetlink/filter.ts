import { bytes, i32, u32 } from '../netlink/codec.ts'
import { type Message, NLM_F_CREATE, NLM_F_EXCL } from '../netlink/message.ts'
import type { NetlinkSocket } from '../netlink/netlink-socket.ts'
import { body, padding, schema, struct, type ValueOf, variant } from '../netlink/schema.ts'
import { TCA_KIND, TCA_OPTIONS, tcmsg } from './qdisc.ts'

// linux/rtnetlink.h, linux/pkt_cls.h, linux/tc_act/tc_mirred.h

const RTM_NEWTFILTER = 44
const RTM_DELTFILTER = 45
const RTM_GETTFILTER = 46

const TCA_U32_SEL = 5
const TCA_U32_ACT = 7
const TC_U32_TERMINAL = 1
const TCA_ACT_KIND = 1
const TCA_ACT_OPTIONS = 2
const TCA_MIRRED_PARMS = 2
const TCA_EGRESS_REDIR = 1
const TC_ACT_STOLEN = 4

/** ETH_P_ALL in network order. */
const EVERY_PROTOCOL = 0x0300

/** The places of a `clsact` for filters; the first is also that of an `ingress`. */
const parents = { ingress: 0xfffffff2, egress: 0xfffffff3 } as const

type Direction = keyof typeof parents

const mirred = struct({
  index: u32,
  capabilities: padding(4),
  action: i32,
  counts: padding(8),
  what: i32,
  link: u32,
})

const action = schema({
  action: variant(TCA_ACT_KIND, TCA_ACT_OPTIONS, {
    mirred: schema({ parameters: [TCA_MIRRED_PARMS, mirred] }),
  }),
})

/** RTM_…TFILTER */
export const filterBody = body(
  tcmsg,
  schema({
    filter: variant(TCA_KIND, TCA_OPTIONS, {
      u32: schema({
        selector: [TCA_U32_SEL, bytes],
        // There can be more; this is the first.
        actions: [TCA_U32_ACT, schema({ first: [1, action] })],
      }),
    }),
  }),
)

type FilterBody = ValueOf<typeof filterBody>

/** `struct tc_u32_sel` and one key, of which no bit is compared. */
const everyPacket = Buffer.alloc(32)
everyPacket[0] = TC_U32_TERMINAL
everyPacket[2] = 1

/**
 * Sends all that comes in on a link out of another one. Equivalent to: `tc filter add dev LINK ingress
 * protocol all pref PRIORITY u32 match u32 0 0 action mirred egress redirect dev OTHER`. Adding it
 * twice makes two. Refused with EINVAL if the link has neither `clsact` nor `ingress`.
 */
export function newRedirect(link: number, priority: number, other: number): Message {
  const parameters = { action: TC_ACT_STOLEN, what: TCA_EGRESS_REDIR, link: other }
  const first = { action: { kind: 'mirred', data: { parameters } } } as const
  const data = { selector: everyPacket, actions: { first } }
  return message('RTM_NEWTFILTER', NLM_F_CREATE | NLM_F_EXCL, link, priority, {
    filter: { kind: 'u32', data },
  })
}

/** All of that priority. Equivalent to: `tc filter delete dev LINK ingress pref PRIORITY`. */
export function deleteRedirect(link: number, priority: number): Message {
  return message('RTM_DELTFILTER', 0, link, priority, { filter: { kind: 'u32' } })
}

interface Filter {
  readonly priority: number
  /** The index of the link that packets are redirected to; 0: of one that is gone. */
  readonly redirect: number | undefined
}

/** Equivalent to: `tc filter show dev LINK ingress|egress`. None where the link has no `clsact`. */
export function listFilters(socket: NetlinkSocket, link: number, direction: Direction): Filter[] {
  const request: Message = {
    operation: 'RTM_GETTFILTER',
    type: RTM_GETTFILTER,
    flags: 0,
    body: filterBody.encode({ link, parent: parents[direction] }, {}),
  }
  return socket.dump(request, filterBody).map(toFilter)
}

/** A filter from the body of RTM_NEWTFILTER. */
export function toFilter({ header, attributes: { filter } }: FilterBody): Filter {
  const first = filter?.kind === 'u32' ? filter.data?.actions?.first?.action : undefined
  const parameters = first?.kind === 'mirred' ? first.data?.parameters : undefined
  return {
    priority: header.info >>> 16,
    redirect: parameters?.what === TCA_EGRESS_REDIR ? parameters.link : undefined,
  }
}

const types = { RTM_NEWTFILTER, RTM_DELTFILTER }

function message(
  operation: keyof typeof types,
  flags: number,
  link: number,
  priority: number,
  attributes: FilterBody['attributes'],
): Message {
  const info = ((priority << 16) | EVERY_PROTOCOL) >>> 0
  return {
    operation,
    type: types[operation],
    flags,
    body: filterBody.encode({ link, parent: parents.ingress, info }, attributes),
    target: `filter ${priority} of link #${link}`,
  }
}
