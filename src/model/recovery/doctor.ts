import type { Finding } from '../../api/told.ts'
import { isKept } from '../../kernel/kept-resource.ts'
import type { Difference, PortHolder } from '../../kernel/kernel.ts'
import { holderText } from '../../kernel/port-conflict.ts'
import { type Resource, resourceKey } from '../../kernel/resource.ts'
import { type Engine, put } from '../engine.ts'
import { explain } from '../explain.ts'
import { type Limited, limitedSenders } from '../flow-limits.ts'
import { hostOverlaps } from '../network/host-overlap.ts'
import { isPredefined } from '../network/networks.ts'
import { crowdedTables } from './crowded.ts'
import { type Drift, findDrift, mend, orphanText } from './drift.ts'
import { findEnded } from './ended-containers.ts'
import { mendDifferences, mendOthers } from './mend-all.ts'
import type { RecoveryReport } from './recovery-report.ts'

/**
 * Lists every difference between records and machine, and with `fix` makes the machine as the records
 * say. Nothing else happens meanwhile. What is others' is told, and left alone.
 */
export async function doctor(
  engine: Engine,
  recovery: RecoveryReport,
  fix: boolean,
): Promise<Finding[]> {
  const ended = await findEnded(engine, fix)
  return engine.changes.alone(async () => {
    await engine.kernel.settled()
    const lacked = fix ? await restoreKeeper(engine) : []
    const drift = await findDrift(engine).catch((error: unknown) => {
      throw explain(error, 'looking at the machine')
    })
    const { differences, orphans, problems } = fix
      ? await mended(engine, drift)
      : { ...drift, problems: [] }
    const place = placesOf(engine)
    return [
      ...ended,
      ...(await unrecorded(engine, fix)),
      ...drift.differences.map((difference): Finding => {
        const { state, resource } = difference
        const detail = `${difference.detail}${place(resource)}`
        return { kind: state, detail, mended: !differences.includes(difference) }
      }),
      ...drift.orphans.map(
        (resource): Finding => ({
          kind: 'orphan',
          detail: orphanText(resource),
          mended: !orphans.includes(resource),
        }),
      ),
      ...[...lacked, ...problems].map(
        (detail): Finding => ({ kind: 'lost', detail, mended: false }),
      ),
      ...recovery.findings(fix),
      ...(await hostOverlaps(engine)).map(
        (detail): Finding => ({ kind: 'overlap', detail, mended: false }),
      ),
      ...(await blocked(engine)),
      ...(await shadowed(engine)),
      ...(await limited(engine)),
      ...(await crowdedTables(engine)).map(
        (table): Finding => ({ kind: 'crowded', ...table, mended: false }),
      ),
    ]
  })
}

/** Without a keeper nothing is kept, but all else can be mended. Answers with why there is none. */
async function restoreKeeper({ kernel }: Engine): Promise<readonly string[]> {
  try {
    await kernel.restoreKeeper()
    return []
  } catch (error) {
    return [`the keeper can't be brought back: ${String(error)}`]
  }
}

/** ` (sandbox "api")`: links are called the same in all of them. */
function placesOf({ state }: Engine): (resource: Resource) => string {
  const names = new Map(state.sandboxes.all().map((it) => [it.namespace?.path, it.name]))
  names.delete(undefined)
  const known = new Map<string, string>()
  for (const { joined, resources } of state.endpoints.all()) {
    const name = joined && state.sandboxes.get(joined.sandbox)?.name
    if (name === undefined) continue
    for (const it of resources) if (isAtHost(it)) known.set(resourceKey(it), name)
  }
  return (resource) => {
    const at = isAtHost(resource) ? known.get(resourceKey(resource)) : undefined
    if (at !== undefined) return ` (sandbox "${at}")`
    const inside = resource.kind === 'veth' ? resource.peer : resource
    const name = 'namespace' in inside ? names.get(inside.namespace?.path) : undefined
    return name === undefined ? '' : ` (sandbox "${name}")`
  }
}

/** What the host knows of a sandbox. */
function isAtHost({ kind }: Resource): boolean {
  return kind === 'neighbour' || kind === 'fdb'
}

/** Networks that would be forgotten with this process, as their records were removed. */
async function unrecorded(engine: Engine, fix: boolean): Promise<Finding[]> {
  const { store, state } = engine
  const networks = state.networks
    .all()
    .filter((network) => network.state === 'ready' && !isPredefined(engine, network.record))
  const ids = networks.map(({ record }) => record.id)
  const lacking = new Set(await store.lacks('network', ids))
  const gone = networks.filter(({ record }) => lacking.has(record.id))
  if (fix) for (const { record } of gone) await store.commit([put('network', record)])
  return gone.map(({ record }) => ({
    kind: 'missing',
    detail: `the record of network "${record.name}" has been removed`,
    mended: fix,
  }))
}

/** What could not be mended, and why. */
interface Left extends Drift {
  readonly problems: readonly string[]
}

async function mended(engine: Engine, drift: Drift): Promise<Left> {
  try {
    const taken = await mendOthers(engine, drift)
    const differences = taken.map(({ difference }) => difference)
    const unkept = await unkeptOf(engine, drift)
    return { differences: [...differences, ...unkept], orphans: [], problems: [] }
  } catch {
    return mendedInPart(engine, drift)
  }
}

/** What can't be mended keeps nothing else from it. */
async function mendedInPart(engine: Engine, { differences, orphans }: Drift): Promise<Left> {
  const problems: string[] = []
  await mend(engine, { differences: [], orphans }).catch((error: unknown) => {
    problems.push(`what has no owner can't be removed: ${String(error)}`)
  })
  await mendDifferences(engine, differences, problems)
  const after = await findDrift(engine)
  const left = new Set(after.differences.map(({ resource }) => resourceKey(resource)))
  const orphansLeft = new Set(after.orphans.map(resourceKey))
  return {
    differences: differences.filter(({ resource }) => left.has(resourceKey(resource))),
    orphans: orphans.filter((resource) => orphansLeft.has(resourceKey(resource))),
    problems,
  }
}

/**
 * A zone stays missing where the host hasn't its address, all that is kept where there is no keeper, and
 * lines of a file that can't be written.
 */
async function unkeptOf({ kernel }: Engine, drift: Drift): Promise<Difference[]> {
  const tried = drift.differences.filter(({ resource }) => mayFailUntold(resource))
  if (tried.length === 0) return []
  const differences = await kernel.compare(tried.map(({ resource }) => resource))
  const left = new Set(differences.map(({ resource }) => resourceKey(resource)))
  return tried.filter(({ resource }) => left.has(resourceKey(resource)))
}

function mayFailUntold(resource: Resource): boolean {
  return isKept(resource) || resource.kind === 'file' || resource.kind === 'hosts-entry'
}

async function limited(engine: Engine): Promise<Finding[]> {
  return (await limitedSenders(engine)).map((each) => {
    const detail = `${limitedText(engine, each)} within the last minute than the ${each.rate} a second that it may; the rest was dropped`
    return { kind: 'limited', detail, mended: false }
  })
}

function limitedText({ state }: Engine, limited: Limited): string {
  if ('network' in limited) {
    return `on network "${limited.network.name}", all that send from other MACs than those of endpoints (option macs) have together begun more flows`
  }
  const { name, network, joined } = limited.endpoint
  const box = joined && state.sandboxes.get(joined.sandbox)?.name
  const ofNetwork = state.networks.get(network)?.record.name
  return `endpoint "${name}" of network "${ofNetwork}", sandbox "${box}", has begun more flows`
}

async function blocked({ kernel, state }: Engine): Promise<Finding[]> {
  const leaving = state.networks
    .all()
    .filter(({ record }) => !record.internal)
    .flatMap(({ resources }) => resources)
    .flatMap((each) => (each.kind === 'bridge' ? [each.name] : []))
  const obstacles = await kernel.obstacles(leaving)
  return obstacles.map(({ detail, remedy }) => ({
    kind: 'blocked',
    detail,
    mended: false,
    ...(remedy === undefined ? {} : { remedy }),
  }))
}

async function shadowed({ kernel, ledger }: Engine): Promise<Finding[]> {
  const reservations = ledger.all().filter((it) => it.kind === 'reservation')
  if (reservations.length === 0) return []
  const holders = await kernel.holders(reservations)
  return holders
    .filter(({ pid }) => pid !== process.pid)
    .map((holder) => ({ kind: 'shadowed', detail: shadowText(holder), mended: false }))
}

function shadowText(holder: PortHolder): string {
  const { protocol, address, port } = holder
  return `${holderText(holder)} listens at ${address} port ${port}/${protocol}, which is published: it doesn't hear what comes in there`
}
