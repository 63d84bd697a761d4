import type { NameSource } from '../../../dns/view/names.ts'
import type {
  RelayResource,
  ResolverResource,
  ZoneResource,
} from '../../../kernel/kept-resource.ts'
import type { QueryEvent } from '../../../kernel/kernel.ts'
import type { TallyNumbers } from '../resolver/tally.ts'

/** The status of the loop's thread when it has ended as it should: one that is ended from elsewhere has 0 or 1. */
export const LOOP_IS_OVER = 100

/** What the loop's thread is given. */
export interface LoopOptions {
  /** To the main thread; what sends something to the loop writes to `wakeFd` afterwards. */
  readonly port: import('node:worker_threads').MessagePort
  readonly wakeFd: number
  /** So many forwarded queries main has taken: see Backlog. */
  readonly taken: Int32Array
  /** The keeper's own socket, which is listening, and its path. */
  readonly listenFd: number
  readonly socket: string
  /** It goes on though there is nothing to answer. */
  readonly stays: boolean
}

/** The sockets of a resolver or a zone. */
export interface EndpointSockets {
  /** The loop's, which closes it when main has confirmed that it doesn't use it any more. */
  readonly udp: number
  /** The loop's until a client connects, which most never do; main's from then on. */
  readonly tcp: number
}

/** A resolver or a zone, as main has to know it. */
export interface OpenEndpoint {
  readonly id: number
  readonly resource: ResolverResource | ZoneResource
  readonly udp: number
}

/** A query that the loop has no answer for. */
export interface ForwardedQuery {
  readonly endpoint: number
  readonly query: Uint8Array
  /** `struct sockaddr` of the client. */
  readonly from: Uint8Array
  /** When it came: see `now`. */
  readonly since: number
}

/** The loop to main. */
export type LoopReport =
  /** What is different from now on. To be done before anything else is answered. */
  | {
      readonly type: 'change'
      /** To be confirmed with `done`: then the loop closes what was ended. */
      readonly token: number | undefined
      readonly remove: readonly string[]
      readonly add: readonly NameSource[]
      readonly close: readonly number[]
      readonly open: readonly OpenEndpoint[]
      readonly relays: readonly RelayChange[]
      /** Keys of what was taken away because its namespace is gone. */
      readonly gone: readonly string[]
    }
  /** A client connects to that endpoint, at a listening socket which is main's from now on. */
  | { readonly type: 'connect'; readonly endpoint: number; readonly fd: number }
  | { readonly type: 'forward'; readonly queries: readonly ForwardedQuery[] }
  | { readonly type: 'tallies'; readonly tallies: readonly (readonly [number, TallyNumbers])[] }
  | { readonly type: 'queries'; readonly queries: readonly QueryEvent[] }
  /** A connection for events, with what has been read from it. */
  | { readonly type: 'events'; readonly fd: number; readonly received: Uint8Array }
  | { readonly type: 'problem'; readonly message: string }

export interface RelayChange {
  readonly key: string
  /** undefined: it ends. */
  readonly relay: RelayResource | undefined
  /** Main's from now on; undefined: it keeps the one it has. */
  readonly fd: number | undefined
}

/** Main to the loop. */
export type LoopOrder =
  | { readonly type: 'done'; readonly token: number }
  /** So many connections for events there are, and whether one of them wants to be told queries. */
  | { readonly type: 'interest'; readonly connections: number; readonly log: boolean }
  | { readonly type: 'stop' }

/** Milliseconds; the same on all threads. */
export function now(): number {
  return performance.timeOrigin + performance.now()
}
