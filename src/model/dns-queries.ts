import { type SandboxId, shortId } from '../base/id.ts'
import type { QueryEvent } from '../kernel/kernel.ts'
import type { Engine } from './engine.ts'

/** A query of a sandbox, when it has been answered. */
export interface DnsQuery extends QueryEvent {
  /** The short id of one that is gone by now. */
  readonly sandboxName: string
}

/** From now on, not from when it is first read. */
export function dnsQueries(
  engine: Engine,
  signal: AbortSignal | undefined,
): AsyncIterable<DnsQuery> {
  const { kernel, state, closing } = engine
  const end = signal === undefined ? closing.signal : AbortSignal.any([signal, closing.signal])
  const queries = kernel.queries(end)
  async function* named(): AsyncGenerator<DnsQuery, void, undefined> {
    for await (const query of queries) {
      const { sandbox } = query
      const name = state.sandboxes.get(sandbox as SandboxId)?.name
      yield { ...query, sandboxName: name ?? shortId(sandbox) }
    }
  }
  return named()
}
