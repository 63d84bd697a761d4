/**
 * The link groups (IFLA_GROUP) by which links of ours are told, in the host's namespace. Links outlive
 * the engine that made them: these numbers are random, no other program has them, and they never change.
 */

/** Bridges of ours, and the devices on which rates are kept. Never an adopted bridge. */
export const LINK_GROUP = 0x6b3e91c5

/**
 * Ports of bridges: the host's ends of endpoints' links, from the message that makes them to their end.
 * The high half says that it is one, the low half which network's, or one of the numbers below.
 */
export const PORT_GROUPS = 0x32180000
export const PORT_GROUPS_MASK = 0xffff0000

/** What a network's number can be. */
export const NETWORK_NUMBERS = { first: 1, last: 0xfeff }

/** Links that have no effect any more and wait to be deleted: ports, so that they stay ports, and all others. */
export const RETIRED_GROUP = PORT_GROUPS + 0xff01

/** The few of them that are being deleted right now, in one request. */
export const DELETING_GROUP = PORT_GROUPS + 0xff02

/** Ports that are made in advance and belong to no network yet. */
export const POOLED_GROUP = PORT_GROUPS + 0xff03

/** The group of a network's ports. */
export function portGroup(network: number): number {
  return PORT_GROUPS + network
}

/** The number of the network whose ports are in that group. */
export function networkOf(group: number): number {
  return group - PORT_GROUPS
}

/** Whether a link in this group is a port, also one that has no effect any more. */
export function isPortGroup(group: number): boolean {
  return (group & PORT_GROUPS_MASK) === PORT_GROUPS
}
