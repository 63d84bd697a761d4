import type { DnsQuery } from '../../api/told.ts'
import { type SandboxId, shortId } from '../../base/id.ts'
import type { QueryEvent } from '../../kernel/kernel.ts'
import type { Parts } from '../parts.ts'

/** From now on, not from when it is first read. */
export function dnsQueries(
  engine: Parts,
  signal: AbortSignal | undefined,
): AsyncIterable<DnsQuery> {
  const { kernel, state, closing } = engine
  const end = signal === undefined ? closing.signal : AbortSignal.any([signal, closing.signal])
  const queries = kernel.queries(end)[Symbol.asyncIterator]()
  const named = (query: QueryEvent): DnsQuery => {
    const name = state.sandboxes.get(query.sandbox as SandboxId)?.name
    return { ...query, sandboxName: name ?? shortId(query.sandbox) }
  }
  // A generator that is never read wouldn't end them.
  const iterator: AsyncIterator<DnsQuery, void> = {
    next: async () => {
      const { done, value } = await queries.next()
      return done ? { done, value: undefined } : { done: false, value: named(value) }
    },
    return: async () => {
      await queries.return?.()
      return { done: true, value: undefined }
    },
  }
  return { [Symbol.asyncIterator]: () => iterator }
}
