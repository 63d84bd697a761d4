import type { RelayResource } from '../../../kernel/kept-resource.ts'
import type { Slots } from './slots.ts'

/** A relay that is being served. */
export interface Relay {
  /** Where it leads. */
  readonly to: RelayResource['to']
  /** From now on it leads elsewhere: what goes on to where it led ends. */
  redirect(to: RelayResource['to']): void
  /** Closes its sockets, those of its clients included. */
  end(): void
}

/** What relays share. */
export interface RelaySupport {
  /** A socket of the host's namespace, neither bound nor connected. */
  openClient(type: 'tcp' | 'udp', family: 4 | 6): number
  /** For connections, or clients, of all relays together. */
  readonly slots: Slots
}
