import { CnmError } from '../../base/errors.ts'
import type { EndpointId } from '../../base/id.ts'
import { isSame } from '../../kernel/same-resource.ts'
import type { Write } from '../../store/store.ts'
import type { Claim } from '../change/ledger.ts'
import type { Touched } from '../change/touched.ts'
import type { Step } from '../change/transaction.ts'
import type { CnmEvent } from '../event-bus.ts'
import { releaseAddresses } from '../network/addresses.ts'
import { drop, type Parts, put } from '../parts.ts'
import { type MemberHooks, memberHooks } from '../plugins/member-hooks.ts'
import { enqueue, giveBackLater } from '../plugins/pending-calls.ts'
import { releasePorts } from '../ports/host-ports.ts'
import type { EndpointRecord, NetworkRecord, SandboxRecord } from '../records.ts'
import { assertLinkSettings } from './link-settings.ts'
import { rememberMac } from './mac-memory.ts'
import { linkAddresses, linksOf } from './peer-links.ts'
import { freeLinkName, planSandbox } from './plan.ts'
import { type PlannedEndpoint, planEndpoint } from './planned-endpoint.ts'

/** What a change of a sandbox's endpoints comes to. */
export interface MembersChange extends Pick<Step, 'claims' | 'intent' | 'undone' | 'after'> {
  readonly done: readonly Write[]
  /** What drivers with hooks are to be told then. */
  readonly pending: MemberHooks['pending']
  /** The endpoints as they are afterwards: joined, changed, and left but kept. */
  readonly records: readonly EndpointRecord[]
}

/**
 * Plans a sandbox with endpoints joining and leaving. All of its endpoints are described together,
 * since the default routes move between them.
 */
export function planMembers(
  engine: Parts,
  sandbox: SandboxRecord,
  joining: readonly PlannedEndpoint[],
  leaving: readonly EndpointRecord[],
): MembersChange {
  const gone = new Set(leaving.map(({ id }) => id))
  const staying = engine.state.endpointsIn(sandbox.id).filter(({ id }) => !gone.has(id))
  const planned = [...staying.map((record) => planOf(engine, record)), ...joining]
  const resources = planSandbox(sandbox, planned, engine.sandboxDir)
  const claims: Claim[] = []
  const intent: Write[] = []
  const done: Write[] = []
  const undone: Write[] = []
  const records: EndpointRecord[] = []
  for (const record of staying) {
    const to = resources.get(record.id) ?? []
    if (isSame(to, record.resources)) continue
    claims.push({ owner: record.id, from: record.resources, to })
    const changed = { ...record, resources: to }
    records.push(changed)
    done.push(put('endpoint', changed))
  }
  for (const { record } of joining) {
    const to = resources.get(record.id) ?? []
    claims.push({ owner: record.id, from: [], to })
    const joined: EndpointRecord = { ...record, state: 'ready', resources: to }
    records.push(joined)
    intent.push(put('endpoint', { ...joined, state: 'creating' }))
    done.push(put('endpoint', joined))
    undone.push(notJoined(joined))
  }
  for (const record of leaving) {
    claims.push({ owner: record.id, from: record.resources, to: [] })
    intent.push(put('endpoint', { ...record, state: 'deleting' }))
    undone.push(put('endpoint', record))
    if (record.attached) {
      done.push(drop('endpoint', record.id))
    } else {
      records.push(detached(record))
      done.push(put('endpoint', detached(record)))
    }
  }
  const hooks = memberHooks(engine, staying, records, leaving)
  done.push(...hooks.pending.map((each) => put('engine', each)))
  return { claims, intent, done, undone, ...hooks, records }
}

/** What a driver with hooks was told has to be taken back yet, also by the next engine: the intent stays until then. */
function notJoined(joined: EndpointRecord): Write {
  if (joined.told?.join !== undefined) {
    return put('endpoint', { ...joined, state: 'creating', resources: [] })
  }
  return joined.attached ? drop('endpoint', joined.id) : put('endpoint', detached(joined))
}

/** What has to wait for changes of an endpoint, wherever it is. */
export function memberKeys({ state }: Parts, id: EndpointId): readonly string[] {
  const { joined } = state.endpoints.need(id)
  return joined === undefined ? [id] : [joined.sandbox, id]
}

/** An endpoint made on its own, without a sandbox. */
export function detached(record: EndpointRecord): EndpointRecord {
  const { joined: _, ports: __, adding: ___, told, ...rest } = record
  const known = told === undefined ? {} : { told: { chosen: told.chosen } }
  return { ...rest, ...known, state: 'ready', resources: [] }
}

/** What the driver says of an endpoint as it is. */
export function planOf(engine: Parts, record: EndpointRecord): PlannedEndpoint {
  const network = engine.state.networks.need(record.network).record
  const driver = engine.driver(network.driver)
  const links = { links: linksOf(engine, record), linkNames: linkAddresses(engine, record) }
  return planEndpoint(record, network, driver, links, engine.lastView)
}

/** Plans an endpoint in a sandbox that may join, and finds a name for its link. */
export function planJoin(
  engine: Parts,
  sandbox: SandboxRecord,
  endpoint: EndpointRecord,
  joining: readonly PlannedEndpoint[] = [],
): PlannedEndpoint {
  const network = engine.state.networks.need(endpoint.network).record
  const present = [...engine.state.endpointsIn(sandbox.id), ...joining.map(({ record }) => record)]
  refuseStranger(sandbox, endpoint)
  const taken = new Set([
    'lo',
    ...sandbox.links,
    ...present.map(({ joined }) => joined?.link ?? ''),
  ])
  const planned = planOf(engine, endpoint)
  if (sandbox.origin === 'elsewhere') {
    return { ...planned, record: { ...endpoint, joined: { sandbox: sandbox.id } } }
  }
  const attached = planned.attachment.link
  assertLinkSettings(network, endpoint, attached)
  if (attached === undefined) {
    return { ...planned, record: { ...endpoint, joined: { sandbox: sandbox.id } } }
  }
  const wanted = endpoint.interfaceName ?? attached.name
  if (wanted !== undefined && taken.has(wanted)) {
    throw new CnmError('LINK_EXISTS', `sandbox "${sandbox.name}" has a link "${wanted}" already`, {
      hint: 'use another name for the link',
    })
  }
  const link = wanted ?? freeLinkName(attached.prefix, taken)
  return { ...planned, record: { ...endpoint, joined: { sandbox: sandbox.id, link } } }
}

/** Who moves a link is the engine that the sandbox belongs to. */
function refuseStranger(sandbox: SandboxRecord, endpoint: EndpointRecord): void {
  if (sandbox.runtime === endpoint.runtime) return
  const [what, { name, runtime = '' }] =
    sandbox.runtime === undefined ? ['endpoint', endpoint] : ['sandbox', sandbox]
  throw new CnmError('NOT_ALLOWED', `${what} "${name}" is ${runtime}'s, which connects it itself`, {
    details: { sandbox: sandbox.name, endpoint: endpoint.name, runtime },
    hint: `use the commands of ${runtime}`,
  })
}

/** Whether the sandbox can be on that network, besides those that it is on or is about to be on. */
export function assertCombinable(
  engine: Parts,
  sandbox: SandboxRecord,
  network: NetworkRecord,
  joining: readonly EndpointRecord[] = [],
): void {
  const { capabilities } = engine.driver(network.driver)
  if (capabilities.sandbox === 'host' && sandbox.origin !== 'host') {
    throw new CnmError(
      'NOT_ALLOWED',
      `network "${network.name}" is the host's own stack, and sandbox "${sandbox.name}" has one of its own`,
      {
        details: { network: network.name, sandbox: sandbox.name, origin: 'host' },
        hint: 'create the sandbox with { host: true }',
      },
    )
  }
  if (capabilities.sandbox === 'own' && sandbox.origin === 'host') {
    throw new CnmError(
      'NOT_ALLOWED',
      `sandbox "${sandbox.name}" is the host's own stack, so it can't join network "${network.name}"`,
      { hint: 'use a sandbox of its own' },
    )
  }
  for (const { network: id } of [...engine.state.endpointsIn(sandbox.id), ...joining]) {
    const other = engine.state.networks.need(id).record
    if (id === network.id) {
      throw new CnmError(
        'ALREADY_CONNECTED',
        `sandbox "${sandbox.name}" is on network "${network.name}" already`,
      )
    }
    if (capabilities.exclusive || engine.driver(other.driver).capabilities.exclusive) {
      throw new CnmError(
        'NOT_ALLOWED',
        `sandbox "${sandbox.name}" is on network "${other.name}", which can't be combined with "${network.name}"`,
        { hint: `disconnect it from "${other.name}" first` },
      )
    }
  }
}

/** Takes a finished change into the state and gives back what has no owner any more. */
export async function settleMembers(
  engine: Parts,
  touched: Touched,
  sandbox: SandboxRecord,
  { records, pending }: Pick<MembersChange, 'records' | 'pending'>,
  joining: readonly PlannedEndpoint[],
  leaving: readonly EndpointRecord[],
): Promise<void> {
  for (const record of records) engine.state.putEndpoint(record)
  enqueue(engine, pending)
  for (const { network } of pending) touched.told.add(network.id)
  for (const { record } of joining) {
    touched.endpoints.add(record.id)
    if (record.attached) emitMember(engine, record, undefined, 'create')
    emitMember(engine, record, sandbox, 'join')
  }
  for (const record of leaving) {
    touched.endpoints.add(record.id)
    touched.left.add(record.network)
    touched.sandboxes.add(sandbox.id)
    releasePorts(engine, record)
    emitMember(engine, record, sandbox, 'leave')
    engine.names.forgetEndpoint(record.id)
    if (record.attached) await forget(engine, touched, record)
  }
}

/** An endpoint that is no more: its name, its addresses. */
export async function forget(
  engine: Parts,
  touched: Touched,
  record: EndpointRecord,
): Promise<void> {
  const network = engine.state.networks.need(record.network)
  touched.endpoints.add(record.id)
  touched.left.add(record.network)
  engine.state.dropEndpoint(record.id)
  engine.pluginState.recover(record.id)
  rememberMac(network, record)
  const release = async () => {
    // With its network all of its addresses are free.
    const now = engine.state.networks.get(record.network)
    if (now !== undefined) await releaseAddresses(engine.ipam(now.record.ipam), now, record)
  }
  if (record.told === undefined) await release()
  else {
    giveBackLater(engine, record.network, release)
    touched.told.add(record.network)
  }
  emitMember(engine, record, undefined, 'delete')
}

export function emitMember(
  engine: Parts,
  record: EndpointRecord,
  sandbox: SandboxRecord | undefined,
  action: CnmEvent['action'],
  more: CnmEvent['attributes'] = {},
): void {
  const network = engine.state.networks.need(record.network).record.name
  const { id, name } = record
  const where: CnmEvent['attributes'] = sandbox
    ? { sandbox: sandbox.name, sandboxId: sandbox.id }
    : {}
  const attributes = { network, networkId: record.network, ...where, ...more }
  engine.events.emit({ type: 'endpoint', action, id, name, attributes })
}
