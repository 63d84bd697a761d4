import { parseSandboxOptions, type SandboxOptions } from '../../api/options.ts'
import { CnmError } from '../../base/errors.ts'
import { type NetworkId, newId, type SandboxId, shortId } from '../../base/id.ts'
import type { Resource } from '../../kernel/resource.ts'
import { collectNetwork, watchSandbox } from '../collect.ts'
import {
  collecting,
  connect,
  discardDraft,
  draftEndpoint,
  readyNetwork,
} from '../endpoint/endpoints.ts'
import { planJoin, planMembers, refuseCompany, settleMembers } from '../endpoint/members.ts'
import type { PlannedEndpoint } from '../endpoint/plan.ts'
import { drop, type Engine, put } from '../engine.ts'
import { explain } from '../explain.ts'
import { hooksOf } from '../plugins/driver-hooks.ts'
import { publicationOf, withHostPorts, withPorts } from '../ports/host-ports.ts'
import type { EndpointRecord, MadeFor, SandboxRecord } from '../records.ts'
import { withProgram } from './bind-program.ts'
import { nameSettings, sandboxResources } from './sandbox-names.ts'

type Parsed = ReturnType<typeof parseSandboxOptions>

/** Makes or adopts a sandbox, and connects it to networks in the same change. */
export async function createSandbox(engine: Engine, given: SandboxOptions): Promise<SandboxRecord> {
  const options = parseSandboxOptions(given)
  const settings = nameSettings(options, engine.dns)
  const id = newId<SandboxId>()
  const name = options.name ?? shortId(id)
  refuseExisting(engine, name)
  const draft: SandboxRecord = {
    id,
    name,
    state: 'creating',
    created: new Date().toISOString(),
    labels: options.labels ?? {},
    origin: options.host ? 'host' : options.netns || options.pid ? 'adopted' : 'own',
    links: [],
    gateways: [],
    ephemeral: options.ephemeral ?? false,
    ...settings,
    resources: [],
  }
  engine.state.putSandbox(draft)
  try {
    const discarded = new Set<NetworkId>()
    // From the first moment on: it can be found by its name, and be deleted when it is there.
    const work = async () => {
      const place = await placed(engine, draft, options)
      const { program } = options
      const record = program === undefined ? place : await withProgram(engine, place, program)
      await establish(engine, record, options, discarded, given.signal)
    }
    await collecting(engine, discarded, () => engine.queue.run([id], work))
  } catch (error) {
    engine.state.sandboxes.drop(id)
    throw error
  }
  const record = engine.state.sandboxes.need(id)
  watchSandbox(engine, record)
  await connectLater(engine, id, options, given.signal)
  return record
}

/** A container of another engine, if it isn't known yet. Only what it has on the host is ours. */
export async function createElsewhere(
  engine: Engine,
  { id, runtime }: MadeFor<SandboxId>,
): Promise<void> {
  if (engine.state.sandboxes.get(id) !== undefined) return
  const record: SandboxRecord = {
    id,
    name: `${runtime}-${shortId(id)}`,
    state: 'ready',
    created: new Date().toISOString(),
    labels: {},
    origin: 'elsewhere',
    runtime,
    links: [],
    gateways: [],
    ephemeral: false,
    resolver: false,
    resources: [],
  }
  refuseExisting(engine, record.name)
  engine.state.putSandbox(record)
  try {
    await engine.store.commit([put('sandbox', record)])
  } catch (error) {
    engine.state.sandboxes.drop(id)
    throw error
  }
  engine.events.emit({ type: 'sandbox', action: 'create', id, name: record.name, attributes: {} })
}

/**
 * Drivers with hooks are told where the sandbox is, so it has to be there: then networks are connected after
 * it, one by one.
 */
function isLater(engine: Engine, { connect = [] }: Parsed): boolean {
  return connect.some(({ network }) => {
    return hooksOf(engine, engine.state.networks.find(network).record) !== undefined
  })
}

async function connectLater(
  engine: Engine,
  id: SandboxId,
  options: Parsed,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (!isLater(engine, options)) return
  try {
    for (const { network, ...wanted } of options.connect ?? []) {
      const { record } = engine.state.networks.find(network)
      await connect(engine, id, record.id, { ...wanted, ...(signal ? { signal } : {}) })
    }
  } catch (error) {
    await deleteSandbox(engine, id)
    throw error
  }
}

function refuseExisting(engine: Engine, name: string): void {
  const existing = engine.state.sandboxes.named(name)
  if (existing === undefined) return
  throw new CnmError('SANDBOX_EXISTS', `sandbox "${name}" exists already`, {
    details: { sandbox: name, id: existing.id },
    hint: 'use another name',
  })
}

/** Where the sandbox is: a namespace to be made, somebody's, or the host. */
async function placed(
  engine: Engine,
  draft: SandboxRecord,
  options: Parsed,
): Promise<SandboxRecord> {
  if (draft.origin === 'host') return draft
  if (draft.origin === 'own') {
    const namespace = { path: `${engine.namespaceDir}/${shortId(draft.id)}` }
    return withResources(engine, { ...draft, namespace })
  }
  const target = options.pid === undefined ? { path: options.netns ?? '' } : { pid: options.pid }
  const adopted = await engine.kernel.adopt(target).catch((error: unknown) => {
    throw explain(error, `adopting a namespace for sandbox "${draft.name}"`)
  })
  refuseAdopted(engine, draft, adopted.namespace.cookie)
  const record = withResources(engine, { ...draft, ...adopted })
  // At once, so that nobody else takes the same namespace meanwhile.
  engine.state.putSandbox(record)
  return record
}

function withResources(engine: Engine, record: SandboxRecord): SandboxRecord {
  return { ...record, resources: sandboxResources(engine.sandboxDir, record, engine.lastView) }
}

function refuseAdopted(engine: Engine, draft: SandboxRecord, cookie: string | undefined): void {
  const other = engine.state.sandboxes
    .all()
    .find((each) => each.id !== draft.id && cookie && each.namespace?.cookie === cookie)
  if (other === undefined) return
  throw new CnmError(
    'SANDBOX_EXISTS',
    `sandbox "${draft.name}": that namespace is sandbox "${other.name}" already`,
    { details: { sandbox: other.name, id: other.id }, hint: `use "${other.name}"` },
  )
}

async function establish(
  engine: Engine,
  sandbox: SandboxRecord,
  options: Parsed,
  discarded: Set<NetworkId>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const drafts: EndpointRecord[] = []
  const ready: SandboxRecord = { ...sandbox, state: 'ready' }
  try {
    const atOnce = isLater(engine, options) ? [] : (options.connect ?? [])
    for (const { network: text, ...wanted } of atOnce) {
      const network = readyNetwork(engine, engine.state.networks.find(text).record.id)
      refuseCompany(engine, sandbox, network.record, drafts)
      drafts.push(await draftEndpoint(engine, network, wanted, wanted.name ?? sandbox.name))
    }
    await withHostPorts(engine, drafts.map(publicationOf), async (ports) => {
      const joining: PlannedEndpoint[] = []
      for (const [at, draft] of drafts.entries()) {
        joining.push(planJoin(engine, sandbox, withPorts(draft, ports[at]), joining))
      }
      const members = planMembers(engine, sandbox, joining, [])
      await engine.changes.perform({
        what: `creating sandbox "${sandbox.name}"`,
        claims: [claim(sandbox, [], sandbox.resources), ...members.claims],
        intent: [put('sandbox', sandbox), ...members.intent],
        done: [put('sandbox', ready), ...members.done],
        undone: [drop('sandbox', sandbox.id), ...members.undone],
        ...(signal ? { signal } : {}),
      })
      engine.state.putSandbox(ready)
      const { id, name } = sandbox
      engine.events.emit({ type: 'sandbox', action: 'create', id, name, attributes: {} })
      await settleMembers(engine, sandbox, members.records, joining, [])
    })
  } catch (error) {
    for (const draft of drafts) {
      discarded.add(draft.network)
      await discardDraft(engine, draft)
    }
    throw error
  }
}

/** Deletes a sandbox with all that is attached to it. What was adopted stays, without our links. */
export function deleteSandbox(engine: Engine, id: SandboxId, signal?: AbortSignal): Promise<void> {
  return engine.track(deleteNow(engine, id, signal))
}

async function deleteNow(
  engine: Engine,
  id: SandboxId,
  signal: AbortSignal | undefined,
): Promise<void> {
  const left = await engine.queue.run([id], () => remove(engine, id, signal), signal)
  for (const { network } of left) await collectNetwork(engine, network)
}

async function remove(
  engine: Engine,
  id: SandboxId,
  signal: AbortSignal | undefined,
): Promise<readonly EndpointRecord[]> {
  const sandbox = engine.state.sandboxes.need(id)
  const leaving = engine.state.endpointsIn(id)
  engine.state.putSandbox({ ...sandbox, state: 'deleting' })
  const members = planMembers(engine, sandbox, [], leaving)
  try {
    await engine.changes.perform({
      what: `deleting sandbox "${sandbox.name}"`,
      claims: [claim(sandbox, sandbox.resources, []), ...members.claims],
      intent: [put('sandbox', { ...sandbox, state: 'deleting' }), ...members.intent],
      done: [drop('sandbox', id), ...members.done],
      undone: [put('sandbox', sandbox), ...members.undone],
      ...(members.after ? { after: members.after } : {}),
      ...(signal ? { signal } : {}),
    })
  } catch (error) {
    engine.state.putSandbox(sandbox)
    throw error
  }
  await settleMembers(engine, sandbox, members.records, [], leaving)
  engine.state.sandboxes.drop(id)
  engine.names.forgetSandbox(id)
  const { name } = sandbox
  engine.events.emit({ type: 'sandbox', action: 'delete', id, name, attributes: {} })
  return leaving
}

function claim(sandbox: SandboxRecord, from: readonly Resource[], to: readonly Resource[]) {
  return { owner: sandbox.id, from, to }
}
