import {
  type EndpointOptions,
  parseEndpointOptions,
  parseStandaloneOptions,
  type StandaloneEndpointOptions,
} from '../../api/endpoint-options.ts'
import { CnmError, isCnmError, throwIfAborted } from '../../base/errors.ts'
import { type EndpointId, type NetworkId, newId, type SandboxId } from '../../base/id.ts'
import { untilAborted } from '../../base/until-aborted.ts'
import type { Plan } from '../change/change.ts'
import type { Taken } from '../change/taken.ts'
import { drop, type Engine, put } from '../engine.ts'
import type { Parts } from '../parts.ts'
import { hooksOf } from '../plugins/driver-hooks.ts'
import { createOnDriver } from '../plugins/on-driver.ts'
import { callNow, enqueue, flush, pendingCalls } from '../plugins/pending-calls.ts'
import type { EndpointRecord, SandboxRecord } from '../records.ts'
import { draftEndpoint, type MadeEndpoint, readyNetwork, readySandbox } from './draft-endpoint.ts'
import { type Joining, joiningOf, joinWork } from './joining.ts'
import {
  assertCombinable,
  emitMember,
  forget,
  memberKeys,
  planMembers,
  settleMembers,
} from './members.ts'

/** Makes an endpoint that no sandbox has joined yet. */
export async function createEndpoint(
  engine: Engine,
  networkId: NetworkId,
  given: StandaloneEndpointOptions,
  made?: MadeEndpoint,
): Promise<EndpointRecord> {
  const options = parseStandaloneOptions(given)
  const id = made?.id ?? newId<EndpointId>()
  const { signal } = given
  const { name, persistent = false } = options
  // From the first moment on: it is in its network's way, and deleting it waits.
  const order = { what: `creating endpoint "${name}"`, keys: [id], signal }
  return engine.changes.change<EndpointRecord, EndpointRecord>(order, {
    gather: async (parts, taken) => {
      const network = readyNetwork(parts, networkId)
      const draft = await draftEndpoint(
        parts,
        network,
        options,
        name,
        taken,
        { id, ...made },
        signal,
      )
      return createdOnDriver(parts, { ...draft, attached: false, persistent }, taken, signal)
    },
    plan: (known, parts) => {
      const record: EndpointRecord = { ...known, state: 'ready' }
      const done = [put('endpoint', record)]
      return {
        step: { claims: [], intent: [], done, undone: [] },
        settle: ({ endpoints }) => {
          parts.state.putEndpoint(record)
          emitMember(parts, record, undefined, 'create')
          endpoints.add(id)
          return record
        },
      }
    },
  })
}

/** A driver with hooks is told of it, and may choose what it has not. The intent is recorded before. */
async function createdOnDriver(
  parts: Parts,
  record: EndpointRecord,
  taken: Taken,
  signal: AbortSignal | undefined,
): Promise<EndpointRecord> {
  const hooks = hooksOf(parts, readyNetwork(parts, record.network).record)
  if (hooks === undefined) return record
  taken.orElse(async () => {
    const network = parts.state.networks.need(record.network).record
    const writes = await callNow(parts, network, record.id, ['deleteEndpoint'], 'quiet')
    await parts.store.settle([drop('endpoint', record.id), ...writes])
  })
  await parts.store.commit([put('endpoint', record)])
  return createOnDriver(parts, hooks, record, signal)
}

/** Creates an endpoint and joins it, as one change. */
export async function connect(
  engine: Engine,
  sandboxId: SandboxId,
  networkId: NetworkId,
  given: EndpointOptions,
): Promise<EndpointRecord> {
  const options = parseEndpointOptions(given)
  const { signal } = given
  const what = `connecting ${engine.nameOf(sandboxId)} to ${engine.nameOf(networkId)}`
  return engine.changes.change<Joining, EndpointRecord>(
    { what, keys: [sandboxId], signal },
    {
      ...joinWork(signal),
      gather: async (parts, taken) => {
        const sandbox = readySandbox(parts, sandboxId)
        const network = readyNetwork(parts, networkId)
        assertCombinable(parts, sandbox, network.record)
        const name = options.name ?? sandbox.name
        const draft = await draftEndpoint(parts, network, options, name, taken, {}, signal)
        return joiningOf(parts, sandbox, [draft])
      },
    },
  )
}

/** Joins an endpoint that was made on its own. */
export async function join(
  engine: Engine,
  id: EndpointId,
  sandboxId: SandboxId,
  signal?: AbortSignal,
): Promise<EndpointRecord> {
  const what = `joining ${engine.nameOf(id)} to ${engine.nameOf(sandboxId)}`
  return engine.changes.change<Joining, EndpointRecord>(
    { what, keys: [sandboxId, id], signal },
    {
      ...joinWork(signal),
      gather: async (parts) => {
        const { network } = parts.state.endpoints.need(id)
        await untilAborted(flush(parts, network), signal)
        const record = parts.state.endpoints.need(id)
        const sandbox = readySandbox(parts, sandboxId)
        refuseJoined(parts, record)
        assertCombinable(parts, sandbox, parts.state.networks.need(record.network).record)
        return joiningOf(parts, sandbox, [record])
      },
    },
  )
}

export function refuseJoined({ state }: Parts, { name, joined }: EndpointRecord): void {
  if (joined === undefined) return
  const other = state.sandboxes.need(joined.sandbox)
  throw new CnmError(
    'ENDPOINT_IN_USE',
    `endpoint "${name}" has joined sandbox "${other.name}" already`,
    { hint: 'let it leave first' },
  )
}

/** An endpoint, and the sandbox that it is in. */
interface Leaving {
  readonly sandbox: SandboxRecord
  readonly record: EndpointRecord
}

/** Takes an endpoint out of its sandbox. One that was made by attaching is gone afterwards. */
export async function leave(engine: Engine, id: EndpointId, signal?: AbortSignal): Promise<void> {
  const { joined } = engine.state.endpoints.need(id)
  const where = joined === undefined ? 'its sandbox' : engine.nameOf(joined.sandbox)
  const what = `taking ${engine.nameOf(id)} out of ${where}`
  await engine.changes.change<Leaving, void>(
    { what, keys: () => memberKeys(engine, id), signal },
    {
      gather: ({ state }) => {
        const record = state.endpoints.need(id)
        if (record.joined !== undefined) {
          return { record, sandbox: state.sandboxes.need(record.joined.sandbox) }
        }
        throw new CnmError('ENDPOINT_NOT_JOINED', `endpoint "${record.name}" is in no sandbox`)
      },
      plan: planLeave,
    },
  )
}

/** Deletes one whose container has ended, unless it has left that sandbox meanwhile. */
export async function deleteEnded(engine: Engine, ended: EndpointRecord): Promise<void> {
  const { id, joined } = ended
  await engine.changes.change<Leaving | undefined, void>(
    {
      what: `taking ${engine.nameOf(id)} out of a container that has ended`,
      keys: () => memberKeys(engine, id),
    },
    {
      gather: ({ state }) => {
        const record = state.endpoints.get(id)
        if (joined === undefined || record?.joined !== joined) return undefined
        return { record, sandbox: state.sandboxes.need(joined.sandbox) }
      },
      plan: (leaving, parts) => (leaving ? planLeave(leaving, parts) : { settle: () => {} }),
    },
  )
  if (engine.state.endpoints.get(id) !== undefined) await deleteIdle(engine, id)
}

function planLeave({ sandbox, record }: Leaving, parts: Parts): Plan<void> {
  const { records, pending, ...step } = planMembers(parts, sandbox, [], [record])
  return {
    step,
    isTeardown: true,
    settle: (touched) => settleMembers(parts, touched, sandbox, { records, pending }, [], [record]),
  }
}

/** Deletes an endpoint; a joined one leaves first. */
export async function deleteEndpoint(
  engine: Engine,
  id: EndpointId,
  signal?: AbortSignal,
): Promise<void> {
  const what = `deleting ${engine.nameOf(id)}`
  const { joined } = engine.state.endpoints.need(id)
  if (joined !== undefined) {
    await leave(engine, id, signal).catch((error: unknown) => {
      // Another caller was faster.
      const isGone =
        isCnmError(error, 'ENDPOINT_NOT_JOINED') || isCnmError(error, 'ENDPOINT_NOT_FOUND')
      if (!isGone) throw error
    })
  }
  throwIfAborted(signal, what)
  await engine.changes.change<EndpointRecord | undefined, void>(
    { what, keys: [id], signal },
    {
      gather: ({ state }) => {
        const record = state.endpoints.get(id)
        if (record !== undefined) refuseBusy(record)
        return record
      },
      plan: planDeletion,
    },
  )
}

/** Deletes it if it is still in no sandbox. */
export async function deleteIdle(engine: Engine, id: EndpointId): Promise<void> {
  await engine.changes.change<EndpointRecord | undefined, void>(
    { what: `deleting ${engine.nameOf(id)}`, keys: [id] },
    {
      gather: ({ state }) => {
        const record = state.endpoints.get(id)
        return record?.state === 'ready' && record.joined === undefined ? record : undefined
      },
      plan: planDeletion,
    },
  )
}

function refuseBusy({ name, state, joined }: EndpointRecord): void {
  if (state === 'creating') {
    throw new CnmError('ENDPOINT_IN_USE', `endpoint "${name}" is being created`)
  }
  if (joined !== undefined) {
    throw new CnmError('ENDPOINT_IN_USE', `endpoint "${name}" has joined a sandbox again`)
  }
}

/** That of one that is in no sandbox. */
function planDeletion(record: EndpointRecord | undefined, parts: Parts): Plan<void> {
  if (record === undefined) return { settle: () => {} }
  const { id, told } = record
  const network = parts.state.networks.need(record.network).record
  const pending = told ? [pendingCalls(parts, network, id, ['deleteEndpoint'])] : []
  const done = [drop('endpoint', id), ...pending.map((each) => put('engine', each))]
  return {
    step: { claims: [], intent: [], done, undone: [] },
    settle: (touched) => {
      enqueue(parts, pending)
      return forget(parts, touched, record)
    },
  }
}
