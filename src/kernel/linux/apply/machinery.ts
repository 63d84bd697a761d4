import type { Hindrances } from '../files/hindrances.ts'
import type { Keeper } from '../keeper/keeper.ts'
import type { Announcer } from '../kinds/announcement/announcer.ts'
import type { Namespaces } from '../namespaces/namespace.ts'
import type { NetnsHandle } from '../namespaces/netns-handle.ts'
import type { NetnsPool } from '../namespaces/netns-pool.ts'
import type { OpenListeners } from '../ports/open-listeners.ts'
import type { PortReservations } from '../ports/port-reservations.ts'
import type { Ruleset } from '../ruleset/ruleset.ts'

/** What a change is made with: the parts of the kernel thread that outlive each change. */
export interface Machinery {
  readonly namespaces: Namespaces
  readonly pool: NetnsPool
  readonly host: NetnsHandle
  readonly ruleset: Ruleset
  readonly reservations: PortReservations
  readonly announcer: Announcer
  /** Where the keeper listens on the host. */
  readonly listeners: OpenListeners
  /** What keeps sandboxes' files from being written. */
  readonly hindrances: Hindrances
  /** undefined: nothing can be kept. */
  readonly keeper: Keeper | undefined
}
