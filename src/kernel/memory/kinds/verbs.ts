import type { Resource } from '../../resource.ts'
import type { Machine } from '../machine.ts'

/** What can be done with one kind of resource. */
export interface Verbs<Kind extends Resource> {
  /** Makes it just so, whatever of ours is there. Throws where Linux would refuse. */
  put(machine: Machine, resource: Kind): void
  /** Does nothing where it is gone or has another owner. */
  drop(machine: Machine, resource: Kind): void
  /** What is there under its key, in the same terms. */
  found(machine: Machine, resource: Kind): Kind | undefined
  /** The commands that would make it. */
  lines(resource: Kind): readonly string[]
}
