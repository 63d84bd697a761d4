import type { Link, LinkChange } from '../rtnetlink/link.ts'

/** What a port of a bridge of ours is told, other than whose it is. A change of the bridge undoes it. */
type PortSettings = Required<Pick<LinkChange, 'hairpin' | 'groupForwarding'>>

/**
 * What comes for 01:80:c2:00:00:00 to 0f goes the way of everything else, and meets the same rules. Else
 * the bridge would hand it to the host as from the port itself, which learns MACs from it, too. (Pauses,
 * 01, end in the bridge.)
 */
export const portSettings: PortSettings = { hairpin: true, groupForwarding: 0xfffd }

/** The same as it is on that port. */
export function portSettingsOf({
  hairpin,
  groupForwarding,
  learning,
}: Link): Pick<LinkChange, 'hairpin' | 'groupForwarding' | 'learning'> {
  return {
    ...(learning === undefined ? {} : { learning }),
    ...(hairpin === undefined ? {} : { hairpin }),
    ...(groupForwarding === undefined ? {} : { groupForwarding }),
  }
}
