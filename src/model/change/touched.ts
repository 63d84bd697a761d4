import type { EndpointId, NetworkId, SandboxId } from '../../base/id.ts'

/**
 * What a change has made, changed or ended, for those that react to it once its keys are given back. They look
 * at how that is by then: more may have happened to it.
 */
export class Touched {
  readonly endpoints = new Set<EndpointId>()
  readonly sandboxes = new Set<SandboxId>()
  /** Those that have come or gone. */
  readonly networks = new Set<NetworkId>()
  /** Those that an endpoint has gone from. */
  readonly left = new Set<NetworkId>()
  /** Those whose driver is to be told of something. */
  readonly told = new Set<NetworkId>()
}

/** Reacts to what was touched. What it throws is told as a problem; the change is done all the same. */
export type Reaction = (touched: Touched) => Promise<void> | void
