import { type IpAddress, type MacAddress, overlaps, parseAddress } from '../../address/address.ts'
import { macFor } from '../../address/mac.ts'
import { CnmError, isCnmError } from '../../base/errors.ts'
import type { EndpointId } from '../../base/id.ts'
import type { AddressRequest, Ipam, PoolId } from '../../ipam/ipam.ts'
import type { Parts } from '../parts.ts'
import type { EndpointRecord, NetworkRecord, PoolRecord } from '../records.ts'
import type { NetworkState } from '../state.ts'
import { type EndpointAddresses, releaseAddresses } from './addresses.ts'

/** Addresses that another program hands out, and keeps account of. */

/** The MAC of a new endpoint where its IPAM wants to know one. */
export async function requiredMac(ipam: Ipam, id: EndpointId): Promise<MacAddress | undefined> {
  const wishes = await ipam.keeper?.wishes()
  return wishes?.macAddress ? macFor(id, parseAddress('0.0.0.0')) : undefined
}

/** Addresses that a driver has chosen, and that are in use. Errors: PLUGIN_FAILED. */
export function refuseHeld(
  engine: Parts,
  network: NetworkState,
  id: EndpointId,
  { ipv4, ipv6 }: EndpointAddresses,
): void {
  const held = heldAddresses(engine, network, id)
  const doubled = [ipv4, ipv6].find((address) => address && held.has(address))
  if (doubled !== undefined) {
    throw doubledBy(network.record.driver, 'NetworkDriver.CreateEndpoint', doubled, held)
  }
}

function doubledBy(
  plugin: string,
  method: string,
  address: IpAddress,
  held: ReadonlyMap<IpAddress, string>,
): CnmError {
  const what = `plugin "${plugin}" answers to ${method} with ${address}, which ${held.get(address)} has`
  return new CnmError('PLUGIN_FAILED', what, { details: { plugin, method, address } })
}

/**
 * A subnet of a network on this host that another one has, whose IPAM doesn't know of it. Drivers with
 * hooks keep their networks apart themselves. Errors: POOL_OVERLAP.
 */
export function refuseOverlap(engine: Parts, draft: NetworkRecord, { subnet }: PoolRecord): void {
  const isOnHost = ({ driver }: NetworkRecord) => engine.driver(driver).hooks === undefined
  if (!isOnHost(draft)) return
  for (const { record } of engine.state.networks.all()) {
    const pools = [record.ipv4, record.ipv6].filter((pool) => pool !== undefined)
    const other = pools.find((pool) => overlaps(pool.subnet, subnet))
    const isBare = engine.ipam(record.ipam).addresses === false
    if (record.id === draft.id || other === undefined || isBare || !isOnHost(record)) continue
    throw new CnmError(
      'POOL_OVERLAP',
      `${subnet} overlaps with ${other.subnet}, the subnet of network "${record.name}"`,
      {
        details: { subnet, other: other.subnet, holder: `network "${record.name}"` },
        hint: 'choose another subnet',
      },
    )
  }
}

/** An address in use is not given back: its holder would lose it. Errors: PLUGIN_FAILED. */
export async function refuseDoubled(
  engine: Parts,
  network: NetworkState,
  { id }: EndpointRecord,
  taken: EndpointAddresses,
): Promise<void> {
  const { record } = network
  const held = heldAddresses(engine, network, id)
  const doubled = [taken.ipv4, taken.ipv6].find((address) => address && held.has(address))
  if (doubled === undefined) return
  const { ipv4, ipv6 } = taken
  await releaseAddresses(engine.ipam(record.ipam), network, {
    ...(ipv4 && !held.has(ipv4) ? { ipv4 } : {}),
    ...(ipv6 && !held.has(ipv6) ? { ipv6 } : {}),
  })
  throw doubledBy(record.ipam, 'IpamDriver.RequestAddress', doubled, held)
}

/** Who has which address of a network, in words. */
function heldAddresses(
  engine: Parts,
  { record }: NetworkState,
  but: EndpointId,
): ReadonlyMap<IpAddress, string> {
  const held = new Map<IpAddress, string>()
  for (const pool of [record.ipv4, record.ipv6]) {
    if (pool?.gateway) held.set(pool.gateway, 'the gateway')
    for (const [name, address] of Object.entries(pool?.auxAddresses ?? {})) {
      held.set(address, `auxiliary address "${name}"`)
    }
  }
  for (const { id, name, ipv4, ipv6 } of engine.state.endpointsOf(record.id)) {
    if (id === but) continue
    for (const address of [ipv4, ipv6]) if (address) held.set(address, `endpoint "${name}"`)
  }
  return held
}

/**
 * Requests again all that networks and endpoints have, from an IPAM that may have forgotten it. What it
 * refuses it has not forgotten. Errors: PLUGIN_UNAVAILABLE.
 */
export async function replayAddresses(engine: Parts, ipam: Ipam): Promise<void> {
  for (const network of engine.state.networks.all()) {
    const { record, state } = network
    if (record.ipam !== ipam.name || state !== 'ready') continue
    const endpoints = engine.state.endpointsOf(record.id)
    const pools: { ipv4?: PoolId; ipv6?: PoolId } = { ...network.pools }
    for (const [key, family] of [
      ['ipv4', 4],
      ['ipv6', 6],
    ] as const) {
      const pool = record[key]
      if (pool === undefined) continue
      const id = await replayPool(ipam, family, record.name, pool)
      if (id !== undefined) pools[key] = id
      await replayHeld(ipam, pools[key], pool, endpoints, key)
    }
    engine.state.putNetwork({ ...network, pools })
  }
}

async function replayPool(ipam: Ipam, family: 4 | 6, name: string, pool: PoolRecord) {
  const { subnet, range } = pool
  const holder = `network "${name}"`
  const request = { family, subnet, holder, ...(range ? { range } : {}) }
  return (await unlessRefused(ipam.requestPool(request)))?.id
}

async function replayHeld(
  ipam: Ipam,
  pool: PoolId | undefined,
  { subnet, gateway, auxAddresses = {} }: PoolRecord,
  endpoints: readonly EndpointRecord[],
  key: 'ipv4' | 'ipv6',
): Promise<void> {
  if (pool === undefined) return
  const ask = (holder: string, address: IpAddress, more: Partial<AddressRequest> = {}) =>
    unlessRefused(ipam.requestAddress({ pool, subnet, holder, address, ...more }))
  for (const [name, address] of Object.entries(auxAddresses)) {
    await ask(`auxiliary address "${name}"`, address)
  }
  if (gateway) await ask('gateway', gateway, { purpose: 'gateway' })
  for (const { name, mac, [key]: address } of endpoints) {
    if (address) await ask(`endpoint "${name}"`, address, mac ? { mac } : {})
  }
}

async function unlessRefused<T>(request: Promise<T>): Promise<T | undefined> {
  try {
    return await request
  } catch (error) {
    if (isCnmError(error, 'PLUGIN_FAILED')) return undefined
    throw error
  }
}
