import type { Cancellable } from './option-fields.ts'
import type { CnmEvent } from './reports.ts'

/** It ends on abort, and when the controller is closed; disposing ends it without reading it to the end. */
export interface Stream<Each> extends AsyncIterable<Each>, AsyncDisposable {}

export interface EventStream extends Stream<CnmEvent> {
  /** The number of the last event before these. */
  readonly since: number
  /** The engine's start that counts them. With the number of an event it says where to go on. */
  readonly instance: string
}

export interface EventsOptions extends Cancellable {
  /** The number of the last event that is known: what came after it comes first. Default: that of the newest one. */
  readonly since?: number
  /** Whose number that is: after another start of the engine it means nothing. Default: that of the one that is asked. */
  readonly instance?: string
}
