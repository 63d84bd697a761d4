import type { Agent } from 'node:http'

/** What the daemon is asked. */
export interface Question {
  readonly socket: string
  /** false: a connection of its own. */
  readonly agent: Agent | false
  readonly method: string
  readonly path: string
  readonly body?: string
  readonly signal?: AbortSignal
}

/** What came back. */
export interface Reply {
  readonly socket: string
  readonly status: number
  readonly text: string
}
