import type { EndpointId, NetworkId } from '../base/id.ts'
import { emitMember } from './endpoint/members.ts'
import type { Engine } from './engine.ts'
import type { EndpointRecord, NetworkRecord } from './records.ts'

const table = { family: 'inet', table: 'cnm' } as const

/** Who has begun more flows than it may, for a minute, and where its limit is: see docs/design/firewall.md. */
const sets = [
  { limited: { ...table, set: 'flows_limited' }, limits: 'flow_limits' },
  { limited: { ...table, set: 'flows_limited_rest' }, limits: 'flow_limits_rest' },
] as const

/** What begins more flows than it may: an endpoint, or all of a network whose MACs are unknown. */
export type Limited = {
  /** How many it may begin in a second. */
  readonly rate: number
} & ({ readonly endpoint: EndpointRecord } | { readonly network: NetworkRecord })

/** Those that have had flows dropped within the last minute. */
export async function limitedSenders({ kernel, ledger, state }: Engine): Promise<Limited[]> {
  if (!state.endpoints.all().some(({ joined }) => joined !== undefined)) return []
  const found: Limited[] = []
  for (const { limited, limits } of sets) {
    const keys = new Set((await kernel.addedByPackets(limited)).map((key) => key.join(' ')))
    if (keys.size === 0) continue
    for (const it of ledger.all()) {
      if (it.kind !== 'element' || it.set !== limits || !keys.has(it.key.join(' '))) continue
      const rate = it.limit?.rate ?? 0
      const endpoint = state.endpoints.get(it.owner as EndpointId)
      const network = state.networks.get(it.owner as NetworkId)?.record
      if (endpoint !== undefined) found.push({ rate, endpoint })
      else if (network !== undefined) found.push({ rate, network })
    }
  }
  return found
}

/** Tells once of each that comes to its limit, as long as it does so again and again. */
export function followFlowLimits(engine: Engine, everyMs = 10_000): void {
  let told = new Set<string>()
  const look = async () => {
    const now = await limitedSenders(engine)
    for (const each of now) if (!told.has(idOf(each))) tell(engine, each)
    told = new Set(now.map(idOf))
  }
  const { signal } = engine.closing
  const timer = setInterval(() => {
    if (!signal.aborted) engine.changes.track(look()).catch(engine.onProblem)
  }, everyMs)
  timer.unref()
  signal.addEventListener('abort', () => clearInterval(timer), { once: true })
}

function idOf(limited: Limited): string {
  return 'endpoint' in limited ? limited.endpoint.id : limited.network.id
}

function tell(engine: Engine, limited: Limited): void {
  const newFlowsPerSecond = String(limited.rate)
  if ('endpoint' in limited) {
    const { endpoint } = limited
    const sandbox = endpoint.joined && engine.state.sandboxes.get(endpoint.joined.sandbox)
    emitMember(engine, endpoint, sandbox, 'limit', { newFlowsPerSecond })
    return
  }
  const { id, name, driver } = limited.network
  const attributes = { driver, newFlowsPerSecond }
  engine.events.emit({ type: 'network', action: 'limit', id, name, attributes })
}
