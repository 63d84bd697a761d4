import type { IpAddress } from '../../address/address.ts'
import {
  type EndpointOptions,
  parseEndpointOptions,
  parseStandaloneOptions,
  type StandaloneEndpointOptions,
} from '../../api/endpoint-options.ts'
import { CnmError, isCnmError } from '../../base/errors.ts'
import { type EndpointId, type NetworkId, newId, type SandboxId } from '../../base/id.ts'
import { performTeardown } from '../change/teardown-step.ts'
import { collectNetwork, watchIdle } from '../collect.ts'
import { drop, type Engine, put } from '../engine.ts'
import { parseEndpointAddresses, releaseAddresses, takeAddresses } from '../network/addresses.ts'
import { refuseDoubled, requiredMac } from '../network/kept-addresses.ts'
import { callAll, hooksOf, introduce, withHooks } from '../plugins/driver-hooks.ts'
import { publicationOf, withHostPorts, withPorts } from '../ports/host-ports.ts'
import type { EndpointRecord, MadeFor, SandboxRecord } from '../records.ts'
import type { NetworkState } from '../state.ts'
import { endpointSettings } from './endpoint-settings.ts'
import { parseLinks } from './links.ts'
import { hasMoved } from './mac-memory.ts'
import {
  emitMember,
  forget,
  planJoin,
  planMembers,
  refuseCompany,
  settleMembers,
} from './members.ts'
import type { PlannedEndpoint } from './plan.ts'

type Parsed = ReturnType<typeof parseEndpointOptions>

/** What is known of an endpoint that is made for another engine. */
export interface MadeEndpoint extends MadeFor<EndpointId> {
  /** Whether an address is taken already, for this endpoint. From then on it is the endpoint's. */
  readonly takeHeld: (address: IpAddress) => boolean
}

/** Makes an endpoint that no sandbox has joined yet. */
export async function createEndpoint(
  engine: Engine,
  networkId: NetworkId,
  given: StandaloneEndpointOptions,
  made?: MadeEndpoint,
): Promise<EndpointRecord> {
  const options = parseStandaloneOptions(given)
  const id = made?.id ?? newId<EndpointId>()
  const discarded = new Set<NetworkId>()
  const work = async () => {
    const network = readyNetwork(engine, networkId)
    const draft = await draftEndpoint(engine, network, options, options.name, { id, ...made })
    const apart = { ...draft, attached: false, persistent: options.persistent ?? false }
    try {
      await introduceApart(engine, network, apart, given.signal)
    } catch (error) {
      discarded.add(networkId)
      await discardDraft(engine, draft)
      throw error
    }
    const record = engine.state.endpoints.need(id)
    emitMember(engine, record, undefined, 'create')
    watchIdle(engine, id)
    return record
  }
  // From the first moment on: it is in its network's way, and who deletes it then waits.
  return collecting(engine, discarded, () => engine.queue.run([id], work, given.signal))
}

/** Records one that is in no sandbox yet, of which a driver with hooks is told before. */
async function introduceApart(
  engine: Engine,
  network: NetworkState,
  apart: EndpointRecord,
  signal: AbortSignal | undefined,
): Promise<void> {
  let record: EndpointRecord = { ...apart, state: 'ready' }
  const hooks = hooksOf(engine, network.record)
  try {
    if (hooks !== undefined) {
      await engine.store.commit([put('endpoint', apart)])
      record = { ...(await introduce(engine, hooks, apart, signal)), state: 'ready' }
    }
    await engine.changes.perform({
      what: `creating endpoint "${record.name}"`,
      claims: [],
      intent: [],
      done: [put('endpoint', record)],
      undone: [],
      ...(signal ? { signal } : {}),
    })
  } catch (error) {
    if (hooks !== undefined) await forgetByHooks(engine, apart, 'quiet').catch(engine.onProblem)
    throw error
  }
  engine.state.putEndpoint(record)
}

/** Creates an endpoint and joins it, as one change. */
export async function connect(
  engine: Engine,
  sandboxId: SandboxId,
  networkId: NetworkId,
  given: EndpointOptions,
): Promise<EndpointRecord> {
  const options = parseEndpointOptions(given)
  const discarded = new Set<NetworkId>()
  const work = async () => {
    const sandbox = readySandbox(engine, sandboxId)
    const network = readyNetwork(engine, networkId)
    refuseCompany(engine, sandbox, network.record)
    const draft = await draftEndpoint(engine, network, options, options.name ?? sandbox.name)
    const what = `connecting sandbox "${sandbox.name}" to network "${network.record.name}"`
    try {
      await joinSandbox(engine, sandbox, what, draft, given.signal)
    } catch (error) {
      discarded.add(networkId)
      await discardDraft(engine, draft)
      throw error
    }
    return engine.state.endpoints.need(draft.id)
  }
  return collecting(engine, discarded, () => engine.queue.run([sandboxId], work, given.signal))
}

/**
 * Collects networks that lost a draft to a failure. Not before the queue is given back: what runs alone may
 * wait for it already, and deleting a network would wait for that.
 */
export async function collecting<T>(
  engine: Engine,
  discarded: ReadonlySet<NetworkId>,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work()
  } catch (error) {
    for (const network of discarded) {
      await collectNetwork(engine, network).catch(engine.onProblem)
    }
    throw error
  }
}

/** Joins an endpoint that was made on its own. */
export async function join(
  engine: Engine,
  id: EndpointId,
  sandboxId: SandboxId,
  signal?: AbortSignal,
): Promise<EndpointRecord> {
  const work = async () => {
    const record = engine.state.endpoints.need(id)
    const sandbox = readySandbox(engine, sandboxId)
    if (record.joined !== undefined) {
      const other = engine.state.sandboxes.need(record.joined.sandbox)
      throw new CnmError(
        'ENDPOINT_IN_USE',
        `endpoint "${record.name}" has joined sandbox "${other.name}" already`,
        { hint: 'let it leave first' },
      )
    }
    refuseCompany(engine, sandbox, engine.state.networks.need(record.network).record)
    const what = `joining endpoint "${record.name}" to sandbox "${sandbox.name}"`
    await joinSandbox(engine, sandbox, what, record, signal)
    return engine.state.endpoints.need(id)
  }
  return engine.queue.run([sandboxId, id], work, signal)
}

async function joinSandbox(
  engine: Engine,
  sandbox: SandboxRecord,
  what: string,
  record: EndpointRecord,
  signal: AbortSignal | undefined,
): Promise<void> {
  await withHostPorts(engine, [publicationOf(record)], async ([ports]) => {
    await withHooks(engine, sandbox, withPorts(record, ports), signal, async (known) => {
      const planned = planJoin(engine, sandbox, known)
      await changeMembers(engine, sandbox, what, [planned], [], signal)
    })
  })
}

/** Takes an endpoint out of its sandbox. One that was made by attaching is gone afterwards. */
export function leave(engine: Engine, id: EndpointId, signal?: AbortSignal): Promise<void> {
  return engine.track(leaveNow(engine, id, signal))
}

async function leaveNow(
  engine: Engine,
  id: EndpointId,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { joined, network } = engine.state.endpoints.need(id)
  let moved = false
  const work = async () => {
    const record = engine.state.endpoints.need(id)
    if (record.joined === undefined) {
      throw new CnmError('ENDPOINT_NOT_JOINED', `endpoint "${record.name}" is in no sandbox`)
    }
    // It has joined another one while this waited, whose queue this isn't in.
    moved = record.joined.sandbox !== joined?.sandbox
    if (moved) return
    const sandbox = engine.state.sandboxes.need(record.joined.sandbox)
    const what = `taking endpoint "${record.name}" out of sandbox "${sandbox.name}"`
    await changeMembers(engine, sandbox, what, [], [record], signal)
  }
  await engine.queue.run(joined === undefined ? [id] : [joined.sandbox, id], work, signal)
  if (moved) await leaveNow(engine, id, signal)
  else await collectNetwork(engine, network)
}

/** Deletes an endpoint; a joined one leaves first. */
export function deleteEndpoint(
  engine: Engine,
  id: EndpointId,
  signal?: AbortSignal,
): Promise<void> {
  return engine.track(deleteNow(engine, id, signal))
}

async function deleteNow(
  engine: Engine,
  id: EndpointId,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { network, joined } = engine.state.endpoints.need(id)
  if (joined !== undefined) {
    await leaveNow(engine, id, signal).catch((error: unknown) => {
      // Somebody else was faster.
      const isGone =
        isCnmError(error, 'ENDPOINT_NOT_JOINED') || isCnmError(error, 'ENDPOINT_NOT_FOUND')
      if (!isGone) throw error
    })
  }
  const work = async () => {
    const record = engine.state.endpoints.get(id)
    if (record === undefined) return
    if (record.state === 'creating') {
      throw new CnmError('ENDPOINT_IN_USE', `endpoint "${record.name}" is being created`)
    }
    if (record.joined !== undefined) {
      throw new CnmError('ENDPOINT_IN_USE', `endpoint "${record.name}" has joined a sandbox again`)
    }
    await dropEndpoint(engine, record)
  }
  await engine.queue.run([id], work, signal)
  await collectNetwork(engine, network)
}

/** Forgets an endpoint that is in no sandbox. Inside its queue. */
export async function dropEndpoint(engine: Engine, record: EndpointRecord): Promise<void> {
  if (record.told === undefined) await engine.store.commit([drop('endpoint', record.id)])
  else await forgetByHooks(engine, record)
  await forget(engine, record)
}

async function forgetByHooks(engine: Engine, record: EndpointRecord, tell?: 'quiet') {
  const network = engine.state.networks.need(record.network).record
  const writes = await callAll(engine, network, record.id, ['deleteEndpoint'], tell)
  const gone = [drop('endpoint', record.id), ...writes]
  await (tell === 'quiet' ? engine.store.settle(gone) : engine.store.commit(gone))
}

async function changeMembers(
  engine: Engine,
  sandbox: SandboxRecord,
  what: string,
  joining: readonly PlannedEndpoint[],
  leaving: readonly EndpointRecord[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const { records, ...members } = planMembers(engine, sandbox, joining, leaving)
  const step = { what, ...members, ...(signal ? { signal } : {}) }
  if (joining.length === 0) await performTeardown(engine, step)
  else await engine.changes.perform(step)
  await settleMembers(engine, sandbox, records, joining, leaving)
}

/**
 * An endpoint that is not recorded yet. Its name is taken at once and its network can't be deleted any
 * more; `discardDraft` gives back name and addresses, and the network is collected when no queue is held.
 */
export async function draftEndpoint(
  engine: Engine,
  network: NetworkState,
  options: Parsed,
  name: string,
  made?: Partial<MadeEndpoint>,
): Promise<EndpointRecord> {
  const { record } = network
  if (engine.state.endpointNamed(record.id, name) !== undefined) {
    throw new CnmError(
      'ENDPOINT_EXISTS',
      `network "${record.name}" has an endpoint "${name}" already`,
      { hint: 'use another name' },
    )
  }
  const wanted = parseEndpointAddresses(options)
  const settings = endpointSettings(options)
  const links = parseLinks(engine, record.id, options.links ?? [])
  const draft: EndpointRecord = {
    id: made?.id ?? newId<EndpointId>(),
    name,
    network: record.id,
    state: 'creating',
    created: new Date().toISOString(),
    labels: options.labels ?? {},
    aliases: options.aliases ?? [],
    gwPriority: options.gwPriority ?? 0,
    attached: true,
    persistent: false,
    ...settings,
    ...links,
    ...(made?.runtime ? { runtime: made.runtime } : {}),
    resources: [],
  }
  engine.state.putEndpoint(draft)
  try {
    const ipam = engine.ipam(record.ipam)
    const mac = draft.mac ?? (await requiredMac(ipam, draft.id))
    const addresses = await takeAddresses(ipam, network, name, wanted, mac, made?.takeHeld)
    if (ipam.keeper) await refuseDoubled(engine, network, draft, addresses)
    const moved = hasMoved(network, addresses, draft.mac) ? { moved: true } : {}
    const addressed = { ...draft, ...(mac ? { mac } : {}), ...addresses, ...moved }
    engine.state.putEndpoint(addressed)
    return addressed
  } catch (error) {
    engine.state.dropEndpoint(draft.id)
    throw error
  }
}

export async function discardDraft(engine: Engine, draft: EndpointRecord): Promise<void> {
  const network = engine.state.networks.need(draft.network)
  engine.state.dropEndpoint(draft.id)
  await releaseAddresses(engine.ipam(network.record.ipam), network, draft)
}

export function readyNetwork(engine: Engine, id: NetworkId): NetworkState {
  const network = engine.state.networks.need(id)
  if (network.state === 'ready') return network
  throw new CnmError(
    'NETWORK_NOT_FOUND',
    `network "${network.record.name}" is being ${network.state === 'creating' ? 'created' : 'deleted'}`,
  )
}

export function readySandbox(engine: Engine, id: SandboxId): SandboxRecord {
  const sandbox = engine.state.sandboxes.need(id)
  if (sandbox.state === 'ready') return sandbox
  const what = sandbox.state === 'creating' ? 'created' : 'deleted'
  throw new CnmError('SANDBOX_NOT_FOUND', `sandbox "${sandbox.name}" is being ${what}`)
}
