import type { parseNetworkOptions } from '../../api/options.ts'
import { CnmError, isCnmError } from '../../base/errors.ts'
import { type NetworkId, newId } from '../../base/id.ts'
import type { ParsedOptions } from '../../driver/driver.ts'
import type { DriverHooks } from '../../driver/hooks.ts'
import type { IpamKeeper } from '../../ipam/ipam.ts'
import type { HostView } from '../../kernel/kernel.ts'
import type { Taken } from '../change/taken.ts'
import { networkSpec } from '../endpoint/specs.ts'
import type { Parts } from '../parts.ts'
import { hooksOf } from '../plugins/driver-hooks.ts'
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

/** What is known of a network that is made for another engine. */
export interface MadeNetwork extends MadeFor<NetworkId> {
  /** Gives back what is held for it. */
  readonly beforehand: () => Promise<void>
}

type Parsed = ReturnType<typeof parseNetworkOptions>

/** What a network is going to be. Its name is taken from the first moment on. */
export async function draftNetwork(
  engine: Parts,
  options: Parsed,
  view: HostView,
  signal: AbortSignal | undefined,
  made: MadeNetwork | undefined,
  taken: Taken,
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
  taken.orElse((touched) => {
    forgetNetwork(engine, draft.record)
    touched.networks.add(draft.record.id)
  })
  await requireAvailable(driver.hooks, () => engine.unknownDriver(driver.name), signal)
  const ipam = engine.ipam(draft.record.ipam)
  await requireAvailable(ipam.keeper, () => engine.unknownIpam(ipam.name), signal)
  await made?.beforehand()
  const network = { ...draft, ...(await plan(engine, draft.record, options, view, signal)) }
  taken.orElse(() => releasePools(ipam, network.pools))
  const resources = driver.describeNetwork(networkSpec(network.record), view)
  engine.state.putNetwork(network)
  return { ...network, resources }
}

/** What is another program has to be there. */
async function requireAvailable(
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

function refuseSecond(engine: Parts, driver: ReturnType<Parts['driver']>, name: string): void {
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
  engine: Parts,
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
  engine: Parts,
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

export function forgetNetwork({ state, numbers }: Parts, { id, number }: NetworkRecord): void {
  state.networks.drop(id)
  numbers.release(number)
}

async function withoutGateways(
  engine: Parts,
  draft: NetworkRecord,
  parsed: ParsedOptions,
  signal: AbortSignal | undefined,
): Promise<readonly (4 | 6)[]> {
  const hooks = hooksOf(engine, draft)
  const isBare = engine.ipam(draft.ipam).addresses === false
  // What can't do without addresses asks for the gateway's, and is refused.
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

function refuseExisting(engine: Parts, name: string): void {
  const existing = engine.state.networks.named(name)
  if (existing === undefined) return
  throw new CnmError('NETWORK_EXISTS', `network "${name}" exists already`, {
    details: { network: name, id: existing.record.id },
    hint: 'use another name, or ensureNetwork to take it as it is',
  })
}
