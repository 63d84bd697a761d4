import type { Difference, Survey } from '../../kernel/kernel.ts'
import { type ElementResource, type Resource, resourceKey } from '../../kernel/resource.ts'
import type { Engine } from '../engine.ts'
import { KnownElements } from './known-elements.ts'

/** How the machine differs from the records. */
export interface Drift {
  readonly differences: readonly Difference[]
  /** What carries our mark and belongs to no record. */
  readonly orphans: readonly Resource[]
}

/** The tables of docs/design/firewall.md; what is in them is ours. */
const tables = [
  { family: 'inet', name: 'cnm' },
  { family: 'bridge', name: 'cnm' },
] as const

/** Errors: ENGINE_RUNNING (another one, with whatever folders, owns the tables). */
export async function refuseAnother(engine: Engine): Promise<void> {
  await engine.kernel.survey({ tables })
}

export async function surveyMachine(engine: Engine): Promise<Survey> {
  return engine.kernel.survey({ namespaceDir: engine.namespaceDir, tables })
}

export async function findDrift(engine: Engine): Promise<Drift> {
  const differences = await engine.kernel.compare(engine.ledger.all())
  const survey = await surveyMachine(engine)
  return {
    differences,
    orphans: [...orphansOf(engine, survey), ...(await leftOver(engine, survey))],
  }
}

/** Of what could not be taken back, what is there, and no survey shows. */
async function leftOver(engine: Engine, survey: Survey): Promise<Resource[]> {
  const { kernel, changes } = engine
  const all = changes.transactions.leftovers.all()
  if (all.length === 0) return []
  const shown = new Set(orphansOf(engine, survey).map(resourceKey))
  const differences = await kernel.compare(all)
  const missing = differences.filter(({ state }) => state === 'missing')
  const gone = new Set(missing.map(({ resource }) => resourceKey(resource)))
  return all.filter((each) => !gone.has(resourceKey(each)) && !shown.has(resourceKey(each)))
}

function orphansOf(engine: Engine, survey: Survey): Resource[] {
  const known = engine.ledger.all()
  const keys = new Set(known.map(resourceKey))
  const elements = new KnownElements(known)
  const all: Resource[] = [
    ...survey.links.map((link) => linkResource(link, survey)),
    ...survey.namespaces.map(({ path }): Resource => ({ kind: 'namespace', namespace: { path } })),
    ...survey.neighbours,
  ]
  return [
    ...[...all, ...(survey.kept ?? [])].filter((resource) => !keys.has(resourceKey(resource))),
    ...survey.elements.flatMap((element) => elements.unknownOf(element)),
  ]
}

/** Enough of a link to remove it. */
function linkResource(link: Survey['links'][number], survey: Survey): Resource {
  const { name } = link
  if (link.type === 'ifb') return { kind: 'rate', link: link.shapes ?? name }
  if (link.type === 'bridge') return { kind: 'bridge', name, origin: 'own', ipv6: false }
  for (const { path, links } of survey.namespaces) {
    const peer = links.find(({ hostEnd }) => hostEnd === name)
    if (peer) return vethResource(link, path, peer.name, peer.mac, peer.mtu)
  }
  return vethResource(link, '/proc/0/ns/net', 'gone', '02:00:00:00:00:00' as never, 1500)
}

function vethResource(
  link: Survey['links'][number],
  path: string,
  inside: string,
  mac: Survey['namespaces'][number]['links'][number]['mac'],
  mtu: number,
): Resource {
  const peer = { namespace: { path }, name: inside, mac, ipv6: false }
  return { kind: 'veth', name: link.name, bridge: link.bridge ?? '', mtu, peer }
}

/** Makes the machine as the records say. */
export async function mend(engine: Engine, drift: Drift): Promise<void> {
  const { differences, orphans } = drift
  if (differences.length === 0 && orphans.length === 0) return
  await engine.kernel.apply({
    remove: orphans,
    add: differences.map(({ resource }) => resource),
  })
  await engine.store.settle(engine.changes.transactions.leftovers.remove(orphans))
}

/** An orphan in the words of `ip` and `nft`. */
export function orphanText(resource: Resource): string {
  switch (resource.kind) {
    case 'bridge':
    case 'veth':
      return `${resource.kind} ${resource.name} belongs to no network or endpoint`
    case 'namespace':
      return `namespace ${resource.namespace.path} belongs to no sandbox`
    case 'neighbour':
      return `neighbour ${resource.address} on ${resource.link} belongs to no endpoint`
    case 'element':
      return `element { ${keyText(resource)} } of ${resource.family} ${resource.table} ${resource.set} belongs to no network or endpoint`
    case 'names':
      return `names ${resource.names.join(', ')} of network "${resource.network.name}" belong to no endpoint`
    default:
      return `${resourceKey(resource)} belongs to no network or endpoint`
  }
}

function keyText({ key, run = 1 }: ElementResource): string {
  const last = run === 1 ? [] : [`${key.at(-1)}-${Number(key.at(-1)) + run - 1}`]
  return [...key.slice(0, key.length - last.length), ...last].join(' . ')
}
