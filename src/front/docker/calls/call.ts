import type { IncomingMessage, ServerResponse } from 'node:http'
import type { LocalController } from '../../../model/controller.ts'
import type { EventLog } from '../event-log.ts'

/** What all calls share. */
export interface Front {
  readonly controller: LocalController
  /** Ours. */
  readonly version: string
  readonly drivers: readonly string[]
  readonly events: EventLog
  /** Fires when the front closes. */
  readonly closing: AbortSignal
  /** One at a time. */
  pruning: boolean
}

export interface Call {
  readonly front: Front
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly query: URLSearchParams
  /** What stands for the object in the path. */
  readonly id: string
  /** Which version the client speaks: 1.`minor`. */
  readonly minor: number
  /** For the log: names and ids of what it is about. */
  readonly note: (facts: object) => void
}

export interface Answer {
  readonly status: number
  /** Absent: there is none. */
  readonly body?: object
}

/** `undefined`: it has answered by itself. */
export type Handler = (call: Call) => Answer | undefined | Promise<Answer | undefined>
