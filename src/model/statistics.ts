import type {
  EndpointStatistics,
  NetworkStatistics,
  Statistics,
  Traffic,
  TrafficCounters,
} from '../api/told.ts'
import { shortId } from '../base/id.ts'
import type { LinkStatistics } from '../kernel/kernel.ts'
import type { Resource } from '../kernel/resource.ts'
import { explain } from './explain.ts'
import type { Parts } from './parts.ts'
import type { EndpointRecord } from './records.ts'
import type { NetworkState } from './state.ts'

/** One question to the kernel, however much there is. */
export async function readStatistics(engine: Parts): Promise<Statistics> {
  const { state, kernel } = engine
  const counted = await kernel.statistics().catch((error: unknown) => {
    throw explain(error, 'reading the counters of links')
  })
  const links: Links = new Map(counted.map((link) => [link.name, link]))
  const networks: NetworkStatistics[] = []
  const endpoints: EndpointStatistics[] = []
  for (const network of sorted(state.networks.all(), ({ record }) => record.name)) {
    const { id, name } = network.record
    const members = sorted(state.endpointsOf(id), (endpoint) => endpoint.name)
    const itsOwn = members.flatMap((member) => endpointOf(engine, network, member, links))
    const bridge = trafficOf(links, network.resources, 'bridge')
    endpoints.push(...itsOwn)
    if (itsOwn.length === 0 && bridge === undefined) continue
    networks.push({ id, name, endpoints: sum(itsOwn), ...(bridge ? { bridge } : {}) })
  }
  return { networks, endpoints }
}

function endpointOf(
  { state }: Parts,
  network: NetworkState,
  { id, name, joined, resources }: EndpointRecord,
  links: Links,
): EndpointStatistics[] {
  const traffic = trafficOf(links, resources, 'veth')
  if (joined === undefined || traffic === undefined) return []
  const { sandbox } = joined
  return [
    {
      id,
      name,
      network: network.record.id,
      networkName: network.record.name,
      sandbox,
      sandboxName: state.sandboxes.get(sandbox)?.name ?? shortId(sandbox),
      ...traffic,
    },
  ]
}

type Links = ReadonlyMap<string, LinkStatistics>

/** Of the first link of that kind, seen from its other side. */
function trafficOf(
  links: Links,
  resources: readonly Resource[],
  kind: 'bridge' | 'veth',
): Traffic | undefined {
  const resource = resources.find((each) => each.kind === kind)
  if (resource?.kind !== 'bridge' && resource?.kind !== 'veth') return undefined
  const link = links.get(resource.name)
  return link && { received: link.sent, sent: link.received }
}

function sum(all: readonly Traffic[]): Traffic {
  return {
    received: total(all.map(({ received }) => received)),
    sent: total(all.map(({ sent }) => sent)),
  }
}

function total(all: readonly TrafficCounters[]): TrafficCounters {
  const add = (what: keyof TrafficCounters) => all.reduce((so, each) => so + each[what], 0)
  return {
    bytes: add('bytes'),
    packets: add('packets'),
    dropped: add('dropped'),
    errors: add('errors'),
  }
}

function sorted<T>(all: readonly T[], key: (value: T) => string): T[] {
  return [...all].sort((a, b) => (key(a) < key(b) ? -1 : 1))
}
