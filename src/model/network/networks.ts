import { type NetworkOptions, parseNetworkOptions } from '../../api/options.ts'
import { CnmError } from '../../base/errors.ts'
import type { NetworkId } from '../../base/id.ts'
import type { DriverHooks } from '../../driver/hooks.ts'
import type { HostView } from '../../kernel/kernel.ts'
import type { Write } from '../../store/store.ts'
import { applied } from '../change/applied.ts'
import type { Plan } from '../change/change.ts'
import type { Taken } from '../change/taken.ts'
import { networkSpec } from '../endpoint/specs.ts'
import { drop, type Engine, put } from '../engine.ts'
import type { Parts } from '../parts.ts'
import { hooksOf } from '../plugins/driver-hooks.ts'
import { callNow } from '../plugins/pending-calls.ts'
import type { NetworkRecord } from '../records.ts'
import type { NetworkState } from '../state.ts'
import { releasePools } from './addresses.ts'
import { draftNetwork, forgetNetwork, type MadeNetwork } from './draft-network.ts'

/** Networks are made and removed one after the other: they share tables and pools. */
export const queueKeys = ['networks']

/** Those for which other programs are asked wait for no other, and no other for them. */
function keysFor(
  engine: Engine,
  { name, driver, ipam }: Pick<NetworkRecord, 'name' | 'driver' | 'ipam'>,
) {
  const isElsewhere = engine.driver(driver).hooks ?? engine.ipam(ipam).keeper
  return isElsewhere === undefined ? queueKeys : [`network ${name}`]
}

/** What is about to be made, or is there already. */
interface Coming {
  readonly network: NetworkState
  /** Absent: it is there. */
  readonly view?: HostView
}

export async function createNetwork(
  engine: Engine,
  given: NetworkOptions,
  made?: MadeNetwork,
): Promise<NetworkRecord> {
  const options = parseNetworkOptions(given)
  const { name, driver = 'bridge', ipam = 'local' } = options
  const { signal } = given
  const what = `creating network "${name}"`
  const keys = keysFor(engine, { name, driver, ipam })
  return engine.changes.change<Coming, NetworkRecord>(
    { what, keys, signal },
    {
      shared: true,
      gather: async (parts, taken) => {
        const there = made && parts.state.networks.get(made.id)
        if (there !== undefined) return { network: there }
        const view = await parts.lookAgain()
        const network = await draftNetwork(parts, options, view, signal, made, taken)
        takeBackByHooks(parts, network.record, taken)
        return { network, view }
      },
      plan: ({ network, view }, parts) =>
        view === undefined
          ? { settle: () => network.record }
          : planCreation(parts, network, view, signal),
    },
  )
}

/** What its driver was asked to make, it is asked to delete, should the rest fail. */
function takeBackByHooks(parts: Parts, record: NetworkRecord, taken: Taken): void {
  taken.orElse(async () => {
    const writes = await callNow(parts, record, undefined, ['deleteNetwork'], 'quiet')
    if (writes.length > 0) await parts.store.settle(writes)
  })
}

function planCreation(
  parts: Parts,
  network: NetworkState,
  view: HostView,
  signal: AbortSignal | undefined,
): Plan<NetworkRecord> {
  const { record, resources } = network
  const hooks = hooksOf(parts, record)
  return {
    step: {
      sharing: { come: record, view },
      claims: [{ owner: record.id, from: [], to: resources }],
      intent: [applied('creating', record, resources), parts.numbers.write],
      done: [put('network', record), applied('ready', record, resources)],
      undone: [drop('network', record.id), drop('applied', record.id)],
      ...(hooks ? { after: () => createByHooks(hooks, record, signal) } : {}),
    },
    settle: ({ networks }) => {
      parts.state.putNetwork({ ...network, state: 'ready' })
      emit(parts, record, 'create')
      networks.add(record.id)
      return record
    },
  }
}

async function createByHooks(
  hooks: DriverHooks,
  record: NetworkRecord,
  signal: AbortSignal | undefined,
): Promise<readonly Write[]> {
  await hooks.createNetwork(networkSpec(record), signal)
  return []
}

/** Errors: NETWORK_IN_USE, NOT_ALLOWED (it is always there). */
export async function deleteNetwork(
  engine: Engine,
  id: NetworkId,
  signal?: AbortSignal,
): Promise<void> {
  const { record } = engine.state.networks.need(id)
  const what = `deleting network "${record.name}"`
  await engine.changes.change<NetworkState, void>(
    { what, keys: keysFor(engine, record), signal },
    {
      shared: true,
      gather: (parts, taken) => {
        const { state } = parts
        const network = state.networks.need(id)
        refuseUsed(parts, network.record)
        state.putNetwork({ ...network, state: 'deleting' })
        taken.orElse(() => state.putNetwork({ ...state.networks.need(id), state: 'ready' }))
        return network
      },
      plan: (network, parts) => planDeletion(parts, network),
    },
  )
}

function planDeletion(parts: Parts, { record, pools }: NetworkState): Plan<void> {
  const { id } = record
  // Bringing networks up to date may be about to say that there are others.
  const resources = parts.ledger.ownedBy(id)
  return {
    step: {
      sharing: { go: record },
      claims: [{ owner: id, from: resources, to: [] }],
      intent: [applied('deleting', record, resources)],
      done: [drop('network', id), drop('applied', id)],
      undone: [put('network', record), applied('ready', record, resources)],
      after: () => callNow(parts, record, undefined, ['deleteNetwork']),
    },
    settle: async ({ networks }) => {
      forgetNetwork(parts, record)
      networks.add(id)
      await releasePools(parts.ipam(record.ipam), pools)
      emit(parts, record, 'delete')
    },
  }
}

/** Whether the network is always there, and can't be deleted. */
export function isPredefined(engine: Parts, { driver }: NetworkRecord): boolean {
  return engine.drivers.get(driver)?.capabilities.single === true
}

export function refusePredefined(engine: Parts, record: NetworkRecord): void {
  if (!isPredefined(engine, record)) return
  throw new CnmError('NOT_ALLOWED', `network "${record.name}" is always there`)
}

function refuseUsed(engine: Parts, record: NetworkRecord): void {
  refusePredefined(engine, record)
  const endpoints = engine.state.endpointsOf(record.id)
  if (endpoints.length === 0) return
  const names = endpoints.slice(0, 5).map(({ name }) => name)
  const more = endpoints.length > names.length ? ', …' : ''
  throw new CnmError(
    'NETWORK_IN_USE',
    `network "${record.name}" has ${endpoints.length} endpoint${endpoints.length === 1 ? '' : 's'} (${names.join(', ')}${more})`,
    {
      details: { network: record.name, endpoints: endpoints.map(({ id, name }) => ({ id, name })) },
      hint: 'disconnect them first, or delete it by force',
    },
  )
}

function emit(parts: Parts, record: NetworkRecord, action: 'create' | 'delete'): void {
  const { id, name, driver } = record
  parts.events.emit({ type: 'network', action, id, name, attributes: { driver } })
}
