import { notA } from '../api/not-a-handle.ts'
import { CnmError } from '../base/errors.ts'
import type { EndpointId, NetworkId, SandboxId } from '../base/id.ts'
import type { Engine } from './engine.ts'

/** What an engine's own verbs give out: it names something, and its verbs look that up. */
export abstract class Handle<Id extends NetworkId | EndpointId | SandboxId> {
  abstract readonly kind: 'network' | 'endpoint' | 'sandbox'
  readonly ref: string
  readonly #engine: Engine

  constructor(engine: Engine, ref: string) {
    this.#engine = engine
    this.ref = ref
  }

  /** Which one that is now. Errors: …_NOT_FOUND, AMBIGUOUS_NAME, CLOSED. */
  abstract target(): Id

  /** Errors: CLOSED. */
  protected get engine(): Engine {
    return open(this.#engine)
  }
}

/** Errors: CLOSED, or why it has failed. */
export function open(engine: Engine): Engine {
  if (engine.changes.transactions.failure !== undefined) throw engine.changes.transactions.failure
  if (!engine.closing.signal.aborted) return engine
  throw new CnmError('CLOSED', 'the controller is closed')
}

/** Of a handle or a name. Errors: those of `target`, INVALID_ARGUMENT. */
export function networkIdOf(engine: Engine, value: unknown): NetworkId {
  if (typeof value === 'string') return engine.state.networks.find(value).record.id
  if (isOf<NetworkId>(value, 'network')) return value.target()
  throw notA('network', value)
}

export function sandboxIdOf(engine: Engine, value: unknown): SandboxId {
  if (typeof value === 'string') return engine.state.sandboxes.find(value).id
  if (isOf<SandboxId>(value, 'sandbox')) return value.target()
  throw notA('sandbox', value)
}

function isOf<Id extends NetworkId | SandboxId>(
  value: unknown,
  kind: 'network' | 'sandbox',
): value is Handle<Id> {
  return value instanceof Handle && value.kind === kind
}
