import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { NetworkId } from '../../base/id.ts'
import { type Resource, resourceKey } from '../../kernel/resource.ts'
import type { StoredRecord, Write } from '../../store/store.ts'
import { applied } from '../change/applied.ts'
import { HOST } from '../change/host-share.ts'
import { LEFTOVERS } from '../change/leftovers.ts'
import { detached } from '../endpoint/members.ts'
import { drop, type Engine, put } from '../engine.ts'
import { explain } from '../explain.ts'
import { retakePools, takeAddresses } from '../network/addresses.ts'
import { isNumbers, readNumbers } from '../network/network-numbers.ts'
import { enqueue, enqueueAtStart, enqueueLost } from '../plugins/pending-calls.ts'
import { isPending, type PendingCalls, readPending } from '../plugins/plugin-state.ts'
import { retakePorts } from '../ports/host-ports.ts'
import {
  type AppliedRecord,
  type EndpointRecord,
  type HostRecord,
  type NetworkRecord,
  readApplied,
  readEndpoint,
  readHost,
  readNetwork,
  readSandbox,
  type SandboxRecord,
} from '../records.ts'
import { cookieOf, hasItsProgram } from '../sandbox/bind-program.ts'
import { sandboxResources } from '../sandbox/sandbox-names.ts'
import { adoptLost, recallForwarding } from './adopt.ts'
import { refuseAnother } from './drift.ts'
import { mendAll } from './mend-all.ts'
import { RecoveryReport } from './recovery-report.ts'
import { regroupPorts } from './regroup.ts'
import { bringUpToDate } from './take-over.ts'

/** Of a record that is there once everything of this boot has been recorded. */
const BOOT = 'boot'

interface Stored {
  readonly networks: Map<string, NetworkRecord>
  readonly applied: Map<string, AppliedRecord>
  readonly endpoints: EndpointRecord[]
  readonly sandboxes: SandboxRecord[]
  readonly pending: PendingCalls[]
  /** The number that was given to a network last. */
  readonly numbers: number[]
  readonly host: readonly HostRecord[]
  readonly leftovers: readonly HostRecord[]
  /** The records of this boot are gone, so what is found on the machine may be ours without a record. */
  readonly lost: boolean
  readonly isBootRecorded: boolean
}

/**
 * Brings model, records and machine into agreement: what was being created is rolled back, what was
 * being deleted is finished, what is gone is forgotten, what is left is compared and mended.
 * Answers with what could not be brought back.
 */
export async function start(engine: Engine): Promise<RecoveryReport> {
  const problems: string[] = []
  const past: string[] = []
  const stored = await load(engine, past)
  await refuseAnother(engine)
  enqueue(engine, stored.pending)
  if (stored.lost) await recallForwarding(engine)
  await engine.view()
  predefine(engine)
  const cleanup: Cleanup = { writes: [], retired: [] }
  await startNetworks(engine, stored, cleanup, problems)
  await startSandboxes(engine, stored, cleanup, problems)
  await regroupPorts(engine)
  await finish(engine, cleanup)
  await removeLeftovers(engine, stored, problems)
  await takeOver(engine, problems)
  if (stored.lost) past.push(...(await adoptLost(engine)))
  // On a disk that is full a restart goes on with what is recorded.
  if (!stored.isBootRecorded) await engine.store.commit([put('engine', { id: BOOT })])
  await mendAll(engine, problems)
  return new RecoveryReport(problems, past)
}

async function load(engine: Engine, past: string[]): Promise<Stored> {
  const { records, setAside } = await engine.store.load()
  past.push(...setAside.map(({ path, reason }) => `${reason} (set aside as ${path})`))
  const read = <T>(
    kind: StoredRecord['kind'],
    parse: (value: unknown) => T,
    isMeant = (_: string) => true,
  ): T[] =>
    records.flatMap((record) => {
      if (record.kind !== kind || !isMeant(record.id)) return []
      try {
        return [parse(record.value)]
      } catch (error) {
        past.push(`${kind} record ${record.id} can't be used: ${String(error)}`)
        return []
      }
    })
  const isBootRecorded = records.some(({ kind, id }) => kind === 'engine' && id === BOOT)
  return {
    networks: new Map(read('network', readNetwork).map((record) => [record.id, record])),
    applied: new Map(read('applied', readApplied).map((record) => [record.network.id, record])),
    endpoints: read('endpoint', readEndpoint).sort(byAge),
    sandboxes: read('sandbox', readSandbox).sort(byAge),
    pending: read('engine', readPending, isPending),
    numbers: read('engine', readNumbers, isNumbers),
    host: read('engine', readHost, (id) => id === HOST),
    leftovers: read('engine', readHost, (id) => id === LEFTOVERS),
    lost: setAside.length > 0 || !isBootRecorded,
    isBootRecorded,
  }
}

function byAge(a: { readonly created: string }, b: { readonly created: string }): number {
  return a.created < b.created ? -1 : a.created > b.created ? 1 : 0
}

/** The networks that are always there: `host` and `none`. Nothing of them needs to be stored. */
function predefine(engine: Engine): void {
  for (const driver of engine.drivers.values()) {
    if (!driver.capabilities.single) continue
    const record: NetworkRecord = {
      id: createHash('sha256').update(`cnm network ${driver.name}`).digest('hex') as NetworkId,
      name: driver.name === 'null' ? 'none' : driver.name,
      driver: driver.name,
      ipam: 'null',
      created: new Date(0).toISOString(),
      internal: false,
      ephemeral: false,
      labels: {},
      options: {},
    }
    engine.state.putNetwork({
      record,
      state: 'ready',
      pools: {},
      resources: [],
      givenMacs: new Map(),
    })
  }
}

async function startNetworks(
  engine: Engine,
  stored: Stored,
  cleanup: Cleanup,
  problems: string[],
): Promise<void> {
  const { networks, applied: states } = stored
  const shared = stored.host.flatMap(({ resources }) => resources)
  engine.ledger.claim([engine.host.load(shared)])
  const isShared = new Set(shared.map(resourceKey))
  for (const [id, state] of states) {
    const interrupted =
      state.state === 'deleting' || (state.state === 'creating' && !networks.has(id))
    if (!interrupted) {
      // The file is gone, but not by us: what runs goes on, and is stored again.
      if (!networks.has(id)) await engine.store.commit([put('network', state.network)])
      networks.set(id, state.network)
      continue
    }
    networks.delete(id)
    cleanup.retired.push({ owner: id, resources: state.resources })
    cleanup.writes.push(...enqueueAtStart(engine, state.network, undefined, ['deleteNetwork']))
    cleanup.writes.push(drop('network', id), drop('applied', id))
  }
  for (const record of numbered(engine, stored)) {
    try {
      // One whose driver is missing can't be described.
      engine.driver(record.driver)
      const ipam = engine.ipam(record.ipam)
      const pools = await retakePools(ipam, record)
      // That of an earlier version, whose driver was missing since, has what all share for itself.
      const resources = (states.get(record.id)?.resources ?? []).filter(
        (each) => !isShared.has(resourceKey(each)),
      )
      engine.ledger.claim([{ owner: record.id, from: [], to: resources }])
      engine.host.wantedBy(record)
      engine.state.putNetwork({ record, state: 'ready', pools, resources, givenMacs: new Map() })
      const isNew = networks.get(record.id) !== record
      const writes = isNew ? [put('network', record)] : []
      const state = applied('ready', record, resources)
      if (!isRecorded(state, states.get(record.id))) writes.push(state)
      await engine.store.commit(writes)
    } catch (error) {
      problems.push(`network "${record.name}" can't be brought back: ${String(error)}`)
    }
  }
}

function isRecorded({ value }: Write, record: AppliedRecord | undefined): boolean {
  // As it is read back: without what is undefined.
  return isDeepStrictEqual(JSON.parse(JSON.stringify(value)), record)
}

/** In the order in which they were made; those that have no number of their own get one. */
function numbered(engine: Engine, { networks, numbers: [last] }: Stored): NetworkRecord[] {
  const { numbers, lastView } = engine
  const all = [...networks.values()].sort(byAge)
  const has = new Set(
    all.filter(({ id, number }) => number !== undefined && numbers.hold(number, id)),
  )
  numbers.goOnAfter(last ?? Math.max(0, ...[...has].map(({ number = 0 }) => number)))
  return all.map((record) => {
    return has.has(record) ? record : { ...record, number: numbers.take(record.id, lastView) }
  })
}

/** What is to be removed from kernel and store. */
interface Cleanup {
  readonly writes: Write[]
  readonly retired: { readonly owner: string; readonly resources: readonly Resource[] }[]
}

/** Removes what has no other owner. */
async function finish(engine: Engine, cleanup: Cleanup): Promise<void> {
  const remove = cleanup.retired.flatMap(({ owner, resources }) => {
    const mine = resources.filter((resource) => !engine.ledger.has(resource))
    const claim = { owner, from: [], to: mine }
    engine.ledger.claim([claim])
    return engine.ledger.claim([{ owner, from: mine, to: [] }]).remove
  })
  if (remove.length > 0) {
    await engine.kernel.apply({ remove, add: [] }).catch((error: unknown) => {
      throw explain(error, 'removing what was left over')
    })
  }
  await engine.store.commit(cleanup.writes)
}

/** What an engine before could not take back. If that still can't be, it stays recorded, and doctor tells. */
async function removeLeftovers(engine: Engine, stored: Stored, problems: string[]): Promise<void> {
  const { leftovers } = engine.changes.transactions
  const all = stored.leftovers.flatMap(({ resources }) => resources)
  leftovers.add(all)
  const remove = leftovers.all()
  try {
    if (remove.length > 0) await engine.kernel.apply({ remove, add: [] })
  } catch (error) {
    problems.push(`what was left over can't be removed: ${String(error)}`)
    return
  }
  await engine.store.commit(leftovers.remove(all))
}

async function startSandboxes(
  engine: Engine,
  stored: Stored,
  cleanup: Cleanup,
  problems: string[],
): Promise<void> {
  const alive = new Set<string>()
  // All at once: each is several questions to the kernel, which cost less than waiting for each answer.
  const goOn = await Promise.all(
    stored.sandboxes.map((sandbox) => isAlive(engine, sandbox, stored.endpoints)),
  )
  for (const [index, sandbox] of stored.sandboxes.entries()) {
    if (goOn[index]) {
      alive.add(sandbox.id)
      engine.state.putSandbox(sandbox)
      engine.ledger.claim([{ owner: sandbox.id, from: [], to: sandbox.resources }])
    } else {
      cleanup.retired.push({ owner: sandbox.id, resources: sandbox.resources })
      cleanup.writes.push(drop('sandbox', sandbox.id))
    }
  }
  for (const endpoint of stored.endpoints) {
    await startEndpoint(engine, stored, endpoint, alive, cleanup, problems)
  }
}

async function isAlive(
  engine: Engine,
  sandbox: SandboxRecord,
  endpoints: readonly EndpointRecord[],
): Promise<boolean> {
  const { id, state, origin, namespace, ephemeral, program } = sandbox
  if (state !== 'ready') return false
  // It lives on its endpoints, which go when its engine says so.
  if (origin === 'elsewhere')
    return endpoints.some((it) => it.state === 'ready' && it.joined?.sandbox === id)
  if (ephemeral && program === undefined) return false
  const cookie = namespace && (await cookieOf(engine, namespace.path))
  if (namespace !== undefined && cookie === undefined) return false
  if (origin === 'adopted' && cookie !== namespace?.cookie) return false
  return hasItsProgram(engine, sandbox, cookie)
}

/** An endpoint that goes on, or what is left of one that doesn't. */
async function startEndpoint(
  engine: Engine,
  stored: Stored,
  record: EndpointRecord,
  alive: ReadonlySet<string>,
  cleanup: Cleanup,
  problems: string[],
): Promise<void> {
  const network = engine.state.networks.get(record.network)
  const { joined } = record
  const goesOn = record.state === 'ready' && (joined === undefined || alive.has(joined.sandbox))
  const adding = record.adding ?? []
  if (!goesOn) {
    const { network: of } = record
    const owner = network?.record ?? stored.networks.get(of) ?? stored.applied.get(of)?.network
    cleanup.writes.push(...enqueueLost(engine, owner, record))
  }
  if (!goesOn) cleanup.retired.push({ owner: record.id, resources: record.resources })
  if (adding.length > 0) cleanup.retired.push({ owner: record.id, resources: adding })
  const isHalf = joined === undefined && record.state === 'creating'
  if (network === undefined || (!goesOn && (record.attached || isHalf))) {
    cleanup.writes.push(drop('endpoint', record.id))
    return
  }
  const kept = goesOn ? asBefore(record) : detached(record)
  try {
    const ipam = engine.ipam(network.record.ipam)
    // An IPAM that keeps account itself knows of it.
    if (ipam.keeper === undefined) await takeAddresses(ipam, network, kept.name, kept)
    engine.ledger.claim([{ owner: kept.id, from: [], to: kept.resources }])
    retakePorts(engine, kept)
    engine.state.putEndpoint(kept)
    if (!goesOn || adding.length > 0) cleanup.writes.push(put('endpoint', kept))
  } catch (error) {
    problems.push(`endpoint "${record.name}" can't be brought back: ${String(error)}`)
    cleanup.retired.push({ owner: record.id, resources: record.resources })
    cleanup.writes.push(drop('endpoint', record.id))
  }
}

/** Without the intent of a change that did not come to its end. */
function asBefore({ adding: _, ...record }: EndpointRecord): EndpointRecord {
  return record
}

/**
 * Everything becomes what this version says, in one step. Default routes may have to move, too: an endpoint
 * that supplied one didn't come back.
 */
async function takeOver(engine: Engine, problems: string[]): Promise<void> {
  const view = await engine.lookAgain()
  const sandboxes = engine.state.sandboxes.all()
  const renewed = await bringUpToDate(engine, view, sandboxes, (what, error) => {
    problems.push(`${what} can't be brought back: ${String(error)}`)
  })
  for (const { sandbox, after } of renewed) {
    if (after === undefined) continue
    // The start waits for no plugin.
    engine.follow(() =>
      engine.changes.turn([sandbox.id], async () => engine.store.commit(await after())),
    )
  }
  for (const sandbox of sandboxes) {
    await complete(engine, sandbox).catch((error: unknown) => {
      problems.push(`sandbox "${sandbox.name}" gets no resolver: ${String(error)}`)
    })
  }
}

/** One of an earlier version has no files and no resolver yet. What it has stays as it is. */
async function complete(engine: Engine, sandbox: SandboxRecord): Promise<void> {
  const { id, resources: from } = sandbox
  const there = new Set(from.map(resourceKey))
  const wanted = sandboxResources(engine.sandboxDir, sandbox, engine.lastView)
  const missing = wanted.filter((resource) => !there.has(resourceKey(resource)))
  if (missing.length === 0) return
  const to = [...from, ...missing]
  await engine.changes.transactions.perform({
    what: `completing sandbox "${sandbox.name}"`,
    claims: [{ owner: id, from, to }],
    intent: [],
    done: [put('sandbox', { ...sandbox, resources: to })],
    undone: [],
  })
  engine.state.putSandbox({ ...sandbox, resources: to })
}
