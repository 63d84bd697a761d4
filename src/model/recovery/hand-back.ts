import type { Resource } from '../../kernel/resource.ts'
import { applied } from '../change/applied.ts'
import { HOST } from '../change/host-share.ts'
import { LEFTOVERS } from '../change/leftovers.ts'
import { drop, type Engine, put } from '../engine.ts'
import { explain } from '../explain.ts'

/** What the release before this one, 0.1, can read of what we record. Later ones read all of it. */
const kinds: ReadonlySet<Resource['kind']> = new Set([
  ...([
    'namespace',
    'bridge',
    'veth',
    'lent-link',
    'address',
    'route',
    'sysctl',
    'element',
  ] as const),
  ...(['reservation', 'flows', 'rate', 'announcement', 'consent', 'file', 'hosts-entry'] as const),
  ...(['resolver', 'relay', 'names', 'zone'] as const),
])

const perFamily = (family: 4 | 6) => [
  ...['sources', 'masquerade', 'snat', 'hairpin', 'published', 'open', 'pairs', 'quiet'].map(
    (name) => `${name}${family}`,
  ),
  `published${family}_at`,
  `published${family}_ranges`,
  `open${family}_ranges`,
  `quiet_ranges${family}`,
]

/** Its sets. */
const sets: ReadonlySet<string> = new Set([
  ...['bridges', 'internal', 'same_bridge', 'one_bridge', 'gateway_mode', 'trusted', 'uplinks'],
  ...perFamily(4),
  ...perFamily(6),
  ...['icc_off', 'pairs', 'ipv4_only'],
])

/**
 * For the release before, which is to follow this engine on a host with sandboxes at work: links are again
 * in the one group that it knows, and records say nothing that it can't read. What it would not clean up is
 * removed. Our tables stay until it puts its own in their place, so nothing is open meanwhile. Afterwards the
 * engine must change nothing more.
 */
export async function handBack(engine: Engine): Promise<void> {
  await engine.changes.alone(async () => {
    const { kernel, ledger, state, store, host, changes } = engine
    await kernel.settled()
    const all = ledger.all()
    const ports = all.flatMap((each) => (each.kind === 'veth' ? [each] : []))
    const unknown = all.filter(({ kind }) => kind !== 'table' && !kinds.has(kind))
    try {
      const left = changes.transactions.leftovers.all()
      await kernel.apply({ remove: [...ports, ...unknown, ...left], add: ports.map(asBefore) })
    } catch (error) {
      throw explain(error, 'handing the host back')
    }
    const shared = host.resources.filter(isKnown)
    await store.commit([
      ...state.networks
        .all()
        .filter(({ resources }) => resources.length > 0)
        .map(({ record, resources }) => {
          return applied('ready', record, [...resources.filter(isKnown).map(asBefore), ...shared])
        }),
      ...state.endpoints.all().map((record) => {
        return put('endpoint', {
          ...record,
          resources: record.resources.filter(isKnown).map(asBefore),
        })
      }),
      drop('engine', HOST),
      drop('engine', LEFTOVERS),
    ])
  })
}

/** It makes tables itself; those that are recorded it could not change for several networks. */
function isKnown(resource: Resource): boolean {
  return kinds.has(resource.kind) && (resource.kind !== 'element' || sets.has(resource.set))
}

/** Without what it has no words for. */
function asBefore(resource: Resource): Resource {
  if (resource.kind === 'veth') {
    const { group: _, learning: __, ...port } = resource
    return port
  }
  if (resource.kind !== 'bridge') return resource
  const { maxLearned: _, ...bridge } = resource
  return bridge
}
