import { parseSandboxOptions, type SandboxOptions } from '../../api/options.ts'
import { CnmError } from '../../base/errors.ts'
import { type EndpointId, newId, type SandboxId, shortId } from '../../base/id.ts'
import type { Resource } from '../../kernel/resource.ts'
import type { Plan } from '../change/change.ts'
import type { Taken } from '../change/taken.ts'
import { draftEndpoint, readyNetwork } from '../endpoint/draft-endpoint.ts'
import { connect, refuseJoined } from '../endpoint/endpoints.ts'
import {
  againWith,
  choosePorts,
  type Joining,
  joiningOf,
  planAll,
  planJoining,
} from '../endpoint/joining.ts'
import { assertCombinable, planMembers, settleMembers } from '../endpoint/members.ts'
import { drop, type Engine, put } from '../engine.ts'
import { explain } from '../explain.ts'
import type { Parts } from '../parts.ts'
import { hooksOf } from '../plugins/driver-hooks.ts'
import { flush } from '../plugins/pending-calls.ts'
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
  const { signal } = given
  const record = await engine.changes.change<Joining, SandboxRecord>(
    { what: `creating sandbox "${name}"`, keys: [id], signal },
    {
      gather: (parts, taken) => gatherSandbox(parts, draft, options, taken),
      choose: (joining, parts, taken) => choosePorts(joining, parts, taken, signal),
      again: againWith,
      plan: planCreation,
    },
  )
  await connectLater(engine, id, options, signal)
  return record
}

async function gatherSandbox(
  parts: Parts,
  draft: SandboxRecord,
  options: Parsed,
  taken: Taken,
): Promise<Joining> {
  take(parts, draft, taken)
  const place = await placed(parts, draft, options)
  const { program } = options
  const sandbox = program === undefined ? place : await withProgram(parts, place, program)
  const drafts: EndpointRecord[] = []
  const atOnce = isLater(parts, options) ? [] : (options.connect ?? [])
  for (const { network: text, ...wanted } of atOnce) {
    const network = readyNetwork(parts, parts.state.networks.find(text).record.id)
    assertCombinable(parts, sandbox, network.record, drafts)
    const name = wanted.name ?? sandbox.name
    drafts.push(await draftEndpoint(parts, network, wanted, name, taken))
  }
  return joiningOf(parts, sandbox, drafts)
}

function planCreation(gathered: Joining, parts: Parts): Plan<SandboxRecord> {
  const { sandbox } = gathered
  const { joining, members } = planAll(gathered, parts)
  const ready: SandboxRecord = { ...sandbox, state: 'ready' }
  const { id, name } = sandbox
  return {
    step: {
      claims: [claim(sandbox, [], sandbox.resources), ...members.claims],
      intent: [put('sandbox', sandbox), ...members.intent],
      done: [put('sandbox', ready), ...members.done],
      undone: [drop('sandbox', id), ...members.undone],
    },
    settle: async (touched) => {
      parts.state.putSandbox(ready)
      touched.sandboxes.add(id)
      parts.events.emit({ type: 'sandbox', action: 'create', id, name, attributes: {} })
      await settleMembers(parts, touched, ready, members, joining, [])
      return ready
    },
  }
}

/**
 * Joins an endpoint to a container of another engine, which is a sandbox for as long as it is on a network. Only
 * what it has on the host is ours.
 */
export async function joinElsewhere(
  engine: Engine,
  endpoint: EndpointId,
  { id, runtime }: MadeFor<SandboxId>,
): Promise<void> {
  const name = `${runtime}-${shortId(id)}`
  const what = `joining ${engine.nameOf(endpoint)} to sandbox "${name}"`
  await engine.changes.change<Joining | undefined, unknown>(
    { what, keys: [id, endpoint] },
    {
      gather: async (parts, taken) => {
        await flush(parts, parts.state.endpoints.need(endpoint).network)
        const record = parts.state.endpoints.need(endpoint)
        if (record.joined?.sandbox === id) return undefined
        refuseJoined(parts, record)
        const sandbox = parts.state.sandboxes.get(id) ?? draftElsewhere(parts, id, runtime, taken)
        assertCombinable(parts, sandbox, parts.state.networks.need(record.network).record)
        return joiningOf(parts, sandbox, [record])
      },
      choose: (joining, parts, taken) => joining && choosePorts(joining, parts, taken, undefined),
      again: (error, joining) => joining !== undefined && againWith(error, joining),
      plan: (joining, parts) => {
        if (joining === undefined) return { settle: () => {} }
        if (joining.sandbox.state === 'creating') return planCreation(joining, parts)
        return planJoining(joining, parts)
      },
    },
  )
}

function draftElsewhere(parts: Parts, id: SandboxId, runtime: string, taken: Taken): SandboxRecord {
  const record: SandboxRecord = {
    id,
    name: `${runtime}-${shortId(id)}`,
    state: 'creating',
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
  take(parts, record, taken)
  return record
}

/** It can be found by its name from the first moment on. */
function take(parts: Parts, draft: SandboxRecord, taken: Taken): void {
  refuseExisting(parts, draft.name)
  parts.state.putSandbox(draft)
  taken.orElse(() => parts.state.sandboxes.drop(draft.id))
}

/**
 * Drivers with hooks are told where the sandbox is, so it has to be there: then networks are connected after
 * it, one by one.
 */
function isLater(engine: Parts, { connect = [] }: Parsed): boolean {
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

function refuseExisting(engine: Parts, name: string): void {
  const existing = engine.state.sandboxes.named(name)
  if (existing === undefined) return
  throw new CnmError('SANDBOX_EXISTS', `sandbox "${name}" exists already`, {
    details: { sandbox: name, id: existing.id },
    hint: 'use another name',
  })
}

/** Where the sandbox is: a namespace to be made, one that is there, or the host. */
async function placed(
  engine: Parts,
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
  // At once, so that no other takes the same namespace meanwhile.
  engine.state.putSandbox(record)
  return record
}

function withResources(engine: Parts, record: SandboxRecord): SandboxRecord {
  return { ...record, resources: sandboxResources(engine.sandboxDir, record, engine.lastView) }
}

function refuseAdopted(engine: Parts, draft: SandboxRecord, cookie: string | undefined): void {
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

/** Deletes it if nothing is attached to it any more. */
export async function deleteEmpty(engine: Engine, id: SandboxId): Promise<void> {
  await engine.changes.change<Going | undefined, void>(
    { what: `deleting ${engine.nameOf(id)}`, keys: [id] },
    {
      gather: ({ state }, taken) => {
        const isEmpty = state.endpointsIn(id).length === 0
        return isEmpty && state.sandboxes.get(id) ? going(state, id, taken) : undefined
      },
      plan: (going, parts) => (going ? planDeletion(going, parts) : { settle: () => {} }),
    },
  )
}

/** A sandbox, and all that is attached to it. */
interface Going {
  readonly sandbox: SandboxRecord
  readonly leaving: readonly EndpointRecord[]
}

/** Deletes a sandbox with all that is attached to it. What was adopted stays, without our links. */
export async function deleteSandbox(
  engine: Engine,
  id: SandboxId,
  signal?: AbortSignal,
): Promise<void> {
  await engine.changes.change<Going, void>(
    { what: `deleting ${engine.nameOf(id)}`, keys: [id], signal },
    {
      gather: ({ state }, taken) => going(state, id, taken),
      plan: planDeletion,
    },
  )
}

function going(state: Parts['state'], id: SandboxId, taken: Taken): Going {
  const sandbox = state.sandboxes.need(id)
  state.putSandbox({ ...sandbox, state: 'deleting' })
  taken.orElse(() => state.putSandbox(sandbox))
  return { sandbox, leaving: state.endpointsIn(id) }
}

function planDeletion({ sandbox, leaving }: Going, parts: Parts): Plan<void> {
  const { records, pending, ...members } = planMembers(parts, sandbox, [], leaving)
  const { id, name } = sandbox
  return {
    step: {
      ...members,
      claims: [claim(sandbox, sandbox.resources, []), ...members.claims],
      intent: [put('sandbox', { ...sandbox, state: 'deleting' }), ...members.intent],
      done: [drop('sandbox', id), ...members.done],
      undone: [put('sandbox', sandbox), ...members.undone],
    },
    settle: async (touched) => {
      await settleMembers(parts, touched, sandbox, { records, pending }, [], leaving)
      parts.state.sandboxes.drop(id)
      parts.names.forgetSandbox(id)
      touched.sandboxes.add(id)
      parts.events.emit({ type: 'sandbox', action: 'delete', id, name, attributes: {} })
    },
  }
}

function claim(sandbox: SandboxRecord, from: readonly Resource[], to: readonly Resource[]) {
  return { owner: sandbox.id, from, to }
}
