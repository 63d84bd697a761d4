import { DELETING_GROUP, isPortGroup, LINK_GROUP, RETIRED_GROUP } from '../link-groups.ts'

/**
 * The marks by which our things are told from other people's. Random numbers: no other program has them,
 * and they must stay the same for ever, since links outlive the engine that made them. Those of links
 * are in `kernel/link-groups.ts`.
 */

/** What earlier versions had for links that go, and for those of them that are being deleted. */
const EARLIER_RETIRED_GROUP = 0x2d7fa84e
const EARLIER_DELETING_GROUP = 0x5ac81b37

const going: ReadonlySet<number> = new Set([
  RETIRED_GROUP,
  DELETING_GROUP,
  EARLIER_RETIRED_GROUP,
  EARLIER_DELETING_GROUP,
])

interface Grouped {
  readonly group: number
}

/** Not one of ours that has no effect any more. */
export function isAlive({ group }: Grouped): boolean {
  return !going.has(group)
}

/**
 * A link of ours that has an effect. Earlier versions had ports in the group of the bridges; there they
 * stay until the start, or `doctor`, finds them.
 */
export function isOurs({ group }: Grouped): boolean {
  return group === LINK_GROUP || (isPortGroup(group) && !going.has(group))
}

/** rtm_protocol of our routes; iproute2 and the routing daemons have no name for it. */
export const ROUTE_PROTOCOL = 0xd3

/** The major number of our queueing disciplines, and the priority of our filters. */
export const TC_MARK = 0x6b3e

/** A name for a link that keeps its real one from another link; no two links have one index. */
export function retiredName(index: number): string {
  return `gone${index}`
}
