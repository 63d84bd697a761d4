import { type NetworkOptions, parseNetworkOptions } from '../../api/options.ts'
import { CnmError, isCnmError } from '../../base/errors.ts'
import { type NetworkId, newId } from '../../base/id.ts'
import type { ParsedOptions } from '../../driver/driver.ts'
import type { DriverHooks } from '../../driver/hooks.ts'
import type { IpamKeeper } from '../../ipam/ipam.ts'
import type { HostView } from '../../kernel/kernel.ts'
import type { Write } from '../../store/store.ts'
import { applied } from '../change/applied.ts'
import { forgetIdle, watchUnused } from '../collect.ts'
import { networkSpec } from '../endpoint/plan.ts'
import { drop, type Engine, put } from '../engine.ts'
import { callAll, hooksOf } from '../plugins/driver-hooks.ts'
import { followPlugins } from '../plugins/follow-plugins.ts'
import type { MadeFor, NetworkRecord } from '../records.ts'
import { parseServers } from '../sandbox/name-options.ts'
import type { NetworkState } from '../state.ts'
import { parseSubnets, releasePools, takePool, wantedSubnet } from './addresses.ts'
import {
  avoided,
  hostOverlapWarnings,
  isOnHost,
  refuseHostOverlap,
  refuseUnusable,
  sharedWithHost,
} from './host-overlap.ts'
import { refuseOverlap } from './kept-addresses.ts'

/** Networks are made and removed one after the other: they share tables and pools. */
export const queueKeys = ['networks']

/** What is known of a network that is made for another engine. */
export interface MadeNetwork extends MadeFor<NetworkId> {
  /** Gives back what is held for it. */
  readonly beforehand: () => Promise<void>
}

/** Those for which other programs are asked wait for nobody else, and nobody else for them. */
function keysFor(
  engine: Engine,
  { name, driver, ipam }: Pick<NetworkRecord, 'name' | 'driver' | 'ipam'>,
) {
  const isElsewhere = engine.driver(driver).hooks ?? engine.ipam(ipam).keeper
  return isElsewhere === undefined ? queueKeys : [`network ${name}`]
}

export async function createNetwork(
  engine: Engine,
  given: NetworkOptions,
  made?: MadeNetwork,
): Promise<NetworkRecord> {
  const options = parseNetworkOptions(given)
  const { name, driver = 'bridge', ipam = 'local' } = options
  const work = async () => {
    const there = made && engine.state.networks.get(made.id)
    return there?.record ?? create(engine, options, given.signal, made)
  }
  return engine.queue.run(keysFor(engine, { name, driver, ipam }), work, given.signal)
}

type Parsed = ReturnType<typeof parseNetworkOptions>

async function create(
  engine: Engine,
  options: Parsed,
  signal: AbortSignal | undefined,
  made: MadeNetwork | undefined,
): Promise<NetworkRecord> {
  refuseExisting(engine, options.name)
  const view = await engine.lookAgain()
  const network = await planned(engine, options, view, signal, made)
  const { record, pools, resources } = network
  const hooks = hooksOf(engine, record)
  try {
    await engine.changes.performShared(() => ({
      what: `creating network "${record.name}"`,
      sharing: { come: record, view },
      claims: [{ owner: record.id, from: [], to: resources }],
      intent: [applied('creating', record, resources), engine.numbers.write],
      done: [put('network', record), applied('ready', record, resources)],
      undone: [drop('network', record.id), drop('applied', record.id)],
      ...(hooks ? { after: () => createByHooks(hooks, record, signal) } : {}),
      ...(signal ? { signal } : {}),
    }))
  } catch (error) {
    forget(engine, record)
    const writes = await callAll(engine, record, undefined, ['deleteNetwork'], 'quiet')
    if (writes.length > 0) {
      await engine.store.settle(writes).catch(engine.onProblem)
      followPlugins(engine)
    }
    await releasePools(engine.ipam(record.ipam), pools)
    throw error
  }
  engine.state.putNetwork({ ...network, state: 'ready' })
  followPlugins(engine)
  emit(engine, record, 'create')
  watchUnused(engine, record)
  return record
}

/** What it is going to be. Its name is taken from the first moment on. */
async function planned(
  engine: Engine,
  options: Parsed,
  view: HostView,
  signal: AbortSignal | undefined,
  made: MadeNetwork | undefined,
): Promise<NetworkState> {
  refuseExisting(engine, options.name)
  const driver = engine.driver(options.driver ?? 'bridge')
  refuseSecond(engine, driver, options.name)
  const draft: NetworkState = {
    record: draftOf(engine, options, driver.name, view, made),
    state: 'creating',
    pools: {},
    resources: [],
    givenMacs: new Map(),
  }
  engine.state.putNetwork(draft)
  try {
    await meet(driver.hooks, () => engine.unknownDriver(driver.name), signal)
    const { ipam } = draft.record
    await meet(engine.ipam(ipam).keeper, () => engine.unknownIpam(ipam), signal)
    await made?.beforehand()
    const network = { ...draft, ...(await plan(engine, draft.record, options, view, signal)) }
    const resources = driver.describeNetwork(networkSpec(network.record), view)
    engine.state.putNetwork(network)
    return { ...network, resources }
  } catch (error) {
    forget(engine, draft.record)
    throw error
  }
}

/** Whoever is another program has to be there. */
async function meet(
  other: DriverHooks | IpamKeeper | undefined,
  unknown: () => CnmError,
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    await other?.open(signal)
  } catch (error) {
    throw isCnmError(error, 'PLUGIN_NOT_FOUND') ? unknown() : error
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

function refuseExisting(engine: Engine, name: string): void {
  const existing = engine.state.networks.named(name)
  if (existing === undefined) return
  throw new CnmError('NETWORK_EXISTS', `network "${name}" exists already`, {
    details: { network: name, id: existing.record.id },
    hint: 'use another name, or ensureNetwork to take it as it is',
  })
}

function refuseSecond(engine: Engine, driver: ReturnType<Engine['driver']>, name: string): void {
  if (!driver.capabilities.single) return
  const first = engine.state.networks.all().find((each) => each.record.driver === driver.name)
  if (first === undefined) return
  throw new CnmError(
    'NOT_ALLOWED',
    `network "${name}": there is only one network of driver "${driver.name}", "${first.record.name}"`,
    { hint: `use "${first.record.name}"` },
  )
}

/** Parses what is left, takes pools, and makes the record. */
async function plan(
  engine: Engine,
  draft: NetworkRecord,
  options: Parsed,
  view: HostView,
  signal: AbortSignal | undefined,
): Promise<Pick<NetworkState, 'record' | 'pools' | 'warnings'>> {
  const driver = engine.driver(draft.driver)
  const ipam = engine.ipam(draft.ipam)
  const subnets = parseSubnets(options.name, options.subnets ?? [])
  const dnsServers = parseServers(options.dns ?? [], `network "${options.name}"`)
  const families = chooseFamilies(options, subnets, driver.capabilities.addresses)
  const { name, internal } = draft
  const auxAddresses = { ...subnets.ipv4?.auxAddresses, ...subnets.ipv6?.auxAddresses }
  const network = { name, internal, ...families, auxAddresses }
  const parsed = driver.parseOptions(options.options ?? {}, network, view)
  const onHost = isOnHost(engine, draft)
  const warnings: string[] = []
  const shared = sharedWithHost(engine, { ...draft, options: parsed.options })
  const bare = await withoutGateways(engine, draft, parsed, signal)
  const pools: { ipv4?: NetworkState['pools']['ipv4']; ipv6?: NetworkState['pools']['ipv6'] } = {}
  const records: { ipv4?: NetworkRecord['ipv4']; ipv6?: NetworkRecord['ipv6'] } = {}
  try {
    for (const [key, family] of [
      ['ipv4', 4],
      ['ipv6', 6],
    ] as const) {
      if (!families[key]) continue
      const wanted = wantedSubnet(family, subnets[key], parsed[key], name)
      const hasGateway = !bare.includes(family)
      if (onHost && wanted.subnet !== undefined) refuseUnusable(`network "${name}"`, wanted.subnet)
      const taken = await takePool(ipam, wanted, { name, hasGateway, avoid: avoided(view) })
      pools[key] = taken.id
      records[key] = taken.record
      if (ipam.addresses !== false) refuseOverlap(engine, draft, taken.record)
      if (!onHost) continue
      refuseUnusable(`network "${name}"`, taken.record.subnet)
      refuseHostOverlap(`network "${name}"`, taken.record.subnet, view, shared)
      warnings.push(...hostOverlapWarnings(taken.record.subnet, view))
    }
  } catch (error) {
    await releasePools(ipam, pools)
    throw error
  }
  const record: NetworkRecord = {
    ...draft,
    options: parsed.options,
    ...records,
    ...(dnsServers.length === 0 ? {} : { dnsServers }),
  }
  return { record, pools, ...(warnings.length === 0 ? {} : { warnings }) }
}

/** Without what only the driver can say. */
function draftOf(
  engine: Engine,
  options: Parsed,
  driver: string,
  view: HostView,
  made: MadeNetwork | undefined,
): NetworkRecord {
  const id = made?.id ?? newId<NetworkId>()
  return {
    id,
    name: options.name,
    driver,
    ipam: options.ipam ?? 'local',
    created: new Date().toISOString(),
    internal: options.internal ?? false,
    ephemeral: options.ephemeral ?? false,
    labels: options.labels ?? {},
    options: {},
    ...(made ? { runtime: made.runtime } : {}),
    number: engine.numbers.take(id, view),
  }
}

function forget({ state, numbers }: Engine, { id, number }: NetworkRecord): void {
  state.networks.drop(id)
  numbers.release(number)
}

async function withoutGateways(
  engine: Engine,
  draft: NetworkRecord,
  parsed: ParsedOptions,
  signal: AbortSignal | undefined,
): Promise<readonly (4 | 6)[]> {
  const hooks = hooksOf(engine, draft)
  const isBare = engine.ipam(draft.ipam).addresses === false
  // Whoever can't do without addresses asks for the gateway's, and is refused.
  if (hooks === undefined) return isBare ? [] : (parsed.noGateway ?? [])
  return isBare ? [4, 6] : hooks.withoutGateway(parsed.options, signal)
}

function chooseFamilies(
  options: Parsed,
  subnets: ReturnType<typeof parseSubnets>,
  addresses: boolean,
): { ipv4: boolean; ipv6: boolean } {
  if (!addresses) {
    if (options.subnets?.length) {
      throw new CnmError(
        'INVALID_ARGUMENT',
        `network "${options.name}": driver "${options.driver}" has no addresses, so no subnets`,
      )
    }
    return { ipv4: false, ipv6: false }
  }
  const ipv4 = options.ipv4 ?? true
  const ipv6 = options.ipv6 ?? subnets.ipv6 !== undefined
  if (!ipv4 && !ipv6) {
    throw new CnmError('INVALID_ARGUMENT', `network "${options.name}": neither IPv4 nor IPv6`, {
      hint: 'leave IPv4 on, or turn IPv6 on',
    })
  }
  for (const [on, wanted] of [
    [ipv4, subnets.ipv4],
    [ipv6, subnets.ipv6],
  ] as const) {
    if (!on && wanted !== undefined) {
      throw new CnmError(
        'INVALID_ARGUMENT',
        `network "${options.name}": subnet ${wanted.subnet}, but IPv${wanted.family} is off`,
      )
    }
  }
  return { ipv4, ipv6 }
}

/** Errors: NETWORK_IN_USE, NOT_ALLOWED (it is always there). */
export async function deleteNetwork(
  engine: Engine,
  id: NetworkId,
  signal?: AbortSignal,
): Promise<void> {
  const { record } = engine.state.networks.need(id)
  await engine.queue.run(keysFor(engine, record), () => remove(engine, id, signal), signal)
}

async function remove(engine: Engine, id: NetworkId, signal: AbortSignal | undefined) {
  const network = engine.state.networks.need(id)
  const { record, pools } = network
  refuseUsed(engine, record)
  engine.state.putNetwork({ ...network, state: 'deleting' })
  try {
    await engine.changes.performShared(() => {
      // Bringing networks up to date may be about to say that there are others.
      const resources = engine.ledger.ownedBy(id)
      return {
        what: `deleting network "${record.name}"`,
        sharing: { go: record },
        claims: [{ owner: id, from: resources, to: [] }],
        intent: [applied('deleting', record, resources)],
        done: [drop('network', id), drop('applied', id)],
        undone: [put('network', record), applied('ready', record, resources)],
        after: () => callAll(engine, record, undefined, ['deleteNetwork']),
        ...(signal ? { signal } : {}),
      }
    })
  } catch (error) {
    engine.state.putNetwork({ ...engine.state.networks.need(id), state: 'ready' })
    throw error
  }
  forget(engine, record)
  followPlugins(engine)
  forgetIdle(engine, id)
  await releasePools(engine.ipam(record.ipam), pools)
  emit(engine, record, 'delete')
}

/** Whether the network is always there, and nobody's to delete. */
export function isPredefined(engine: Engine, { driver }: NetworkRecord): boolean {
  return engine.drivers.get(driver)?.capabilities.single === true
}

export function refusePredefined(engine: Engine, record: NetworkRecord): void {
  if (!isPredefined(engine, record)) return
  throw new CnmError('NOT_ALLOWED', `network "${record.name}" is always there`)
}

function refuseUsed(engine: Engine, record: NetworkRecord): void {
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

function emit(engine: Engine, record: NetworkRecord, action: 'create' | 'delete'): void {
  const { id, name, driver } = record
  engine.events.emit({ type: 'network', action, id, name, attributes: { driver } })
}
