/**
 * The marks by which our things are told from other people's. Random numbers: nobody else has them,
 * and they must stay the same for ever, since links outlive the engine that made them.
 */

export { LINK_GROUP } from '../link-groups.ts'

/** IFLA_GROUP of links that have no effect any more and wait to be deleted. */
export const CONDEMNED_GROUP = 0x2d7fa84e

/** IFLA_GROUP of the few that are being deleted right now, in one request. */
export const DYING_GROUP = 0x5ac81b37

/** rtm_protocol of our routes; iproute2 and the routing daemons have no name for it. */
export const ROUTE_PROTOCOL = 0xd3

/** The major number of our queueing disciplines, and the priority of our filters. */
export const TC_MARK = 0x6b3e

/** A name for a link that keeps its real one from somebody else; no two links have one index. */
export function condemnedName(index: number): string {
  return `gone${index}`
}
