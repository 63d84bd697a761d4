import { i32, u8 } from '../netlink/codec.ts'
import { body, schema, struct, type ValueOf } from '../netlink/schema.ts'
import { type AddressFamily, familyNumber } from './family.ts'

// linux/netconf.h, linux/rtnetlink.h

export const RTM_NEWNETCONF = 80
export const RTNLGRP_IPV4_NETCONF = 24
export const RTNLGRP_IPV6_NETCONF = 25

const NETCONFA_IFINDEX = 1
const NETCONFA_FORWARDING = 2
const NETCONFA_MC_FORWARDING = 4
const NETCONFA_FORCE_FORWARDING = 9

/** RTM_NEWNETCONF */
export const netconfBody = body(
  struct({ family: u8 }),
  schema({
    link: [NETCONFA_IFINDEX, i32],
    forwarding: [NETCONFA_FORWARDING, i32],
    multicastForwarding: [NETCONFA_MC_FORWARDING, i32],
    forceForwarding: [NETCONFA_FORCE_FORWARDING, i32],
  }),
)

interface ForwardingChange {
  readonly family: AddressFamily
  /** An index. */
  readonly link: number
  /** undefined: the message doesn't say; `force_forwarding` tells. */
  readonly on: boolean | undefined
}

/**
 * What a message says of a link's forwarding. undefined: it says something else, or is about no link
 * (`all` and `default` have negative indexes), or is the one that comes with a new link.
 */
export function toForwardingChange(
  message: ValueOf<typeof netconfBody>,
): ForwardingChange | undefined {
  const { link, forwarding, forceForwarding, multicastForwarding } = message.attributes
  if (link === undefined || link <= 0) return undefined
  const family = message.header.family === familyNumber(4) ? 4 : 6
  // Linux 6.17 and 6.18 tell of force_forwarding and forget to say it.
  if (Reflect.ownKeys(message.attributes).length === 1) return { family, link, on: undefined }
  const value = forwarding ?? forceForwarding
  // Only a new link says everything at once.
  if (value === undefined || multicastForwarding !== undefined) return undefined
  return { family, link, on: value !== 0 }
}
