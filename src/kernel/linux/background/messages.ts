import type { KernelEvent } from '../../kernel.ts'
import type { Forgotten } from '../conntrack/forgotten.ts'
import type { Retired } from '../thread/operations.ts'
import type { WireError } from '../thread/wire-error.ts'

export interface BackgroundOptions {
  /** Path of the network namespace that plays the host; absent: the one the process is in. */
  readonly host: string | undefined
  /** Written to whenever there is a command: the thread sleeps in epoll_wait. */
  readonly wakeFd: number
  /** A RulesetPort's memory. */
  readonly rulesetPort: SharedArrayBuffer
}

export type Command =
  | { readonly type: 'delete'; readonly retired: Retired }
  /** Answered with `forgotten`. */
  | { readonly type: 'forget'; readonly id: number; readonly forgotten: Forgotten }
  /** Something is being made: delete less at once. */
  | { readonly type: 'take-care' }
  /** From now on tell what happens on the host. */
  | { readonly type: 'watch' }
  | {
      readonly type: 'await-end'
      readonly id: number
      readonly path: string
      readonly identity: string
    }
  | { readonly type: 'forget-end'; readonly id: number }
  | { readonly type: 'stop' }

export type Report =
  /** So many links and namespaces are really gone. */
  | { readonly type: 'deleted'; readonly count: number }
  | {
      readonly type: 'forgotten'
      readonly ids: readonly number[]
      readonly error: WireError | undefined
    }
  /** On that socket to what becomes of the ruleset. */
  | { readonly type: 'listening'; readonly fd: number }
  | { readonly type: 'events'; readonly events: readonly KernelEvent[] }
  | { readonly type: 'ended'; readonly id: number }
