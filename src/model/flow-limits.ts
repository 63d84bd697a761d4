import type { EndpointId } from '../base/id.ts'
import type { Engine } from './engine.ts'
import { emitMember } from './members.ts'
import type { EndpointRecord } from './records.ts'

/** Who has begun more flows than it may, for a minute: see docs/design/firewall.md. */
const limited = { family: 'inet', table: 'cnm', set: 'flows_limited' } as const

/** Endpoints that have had flows dropped within the last minute, with how many a second they may begin. */
export async function limitedEndpoints({
  kernel,
  ledger,
  state,
}: Engine): Promise<Map<EndpointRecord, number>> {
  const found = new Map<EndpointRecord, number>()
  if (!state.endpoints.all().some(({ joined }) => joined !== undefined)) return found
  const keys = new Set((await kernel.addedByPackets(limited)).map((key) => key.join(' ')))
  if (keys.size === 0) return found
  for (const it of ledger.all()) {
    if (it.kind !== 'element' || it.set !== 'flow_limits' || !keys.has(it.key.join(' '))) continue
    const endpoint = state.endpoints.get(it.owner as EndpointId)
    if (endpoint !== undefined) found.set(endpoint, it.limit?.rate ?? 0)
  }
  return found
}

/** Tells once of each endpoint that comes to its limit, as long as it does so again and again. */
export function followFlowLimits(engine: Engine, everyMs = 10_000): void {
  let told = new Set<EndpointId>()
  const look = async () => {
    const now = await limitedEndpoints(engine)
    for (const [endpoint, rate] of now) {
      if (told.has(endpoint.id)) continue
      const sandbox = endpoint.joined && engine.state.sandboxes.get(endpoint.joined.sandbox)
      emitMember(engine, endpoint, sandbox, 'limit', { newFlowsPerSecond: String(rate) })
    }
    told = new Set([...now.keys()].map(({ id }) => id))
  }
  const { signal } = engine.closing
  const timer = setInterval(() => {
    if (!signal.aborted) engine.track(look()).catch(engine.onProblem)
  }, everyMs)
  timer.unref()
  signal.addEventListener('abort', () => clearInterval(timer), { once: true })
}
