import {
  familyOf,
  type IpAddress,
  type MacAddress,
  type Prefix,
  parseAddress,
  parsePrefix,
} from '../../address/address.ts'
import type { SubnetOptions } from '../../api/options.ts'
import { CnmError } from '../../base/errors.ts'
import type { ParsedOptions } from '../../driver/driver.ts'
import type { Ipam, PoolId } from '../../ipam/ipam.ts'
import type { NetworkRecord, PoolRecord } from '../records.ts'
import type { NetworkState } from '../state.ts'

/** A subnet as the user wants it, parsed. */
interface WantedSubnet {
  readonly family: 4 | 6
  readonly subnet?: Prefix
  readonly range?: Prefix
  readonly gateway?: IpAddress
  readonly auxAddresses?: Readonly<Record<string, IpAddress>>
}

export function parseSubnets(
  name: string,
  subnets: readonly (string | SubnetOptions)[],
): { readonly ipv4?: WantedSubnet; readonly ipv6?: WantedSubnet } {
  const found: { ipv4?: WantedSubnet; ipv6?: WantedSubnet } = {}
  for (const entry of subnets) {
    const wanted = parseSubnet(typeof entry === 'string' ? { subnet: entry } : entry)
    const key = wanted.family === 4 ? 'ipv4' : 'ipv6'
    if (found[key] !== undefined) {
      throw new CnmError(
        'INVALID_POOL',
        `network "${name}": two IPv${wanted.family} subnets, ${found[key].subnet} and ${wanted.subnet}`,
        { hint: 'give one subnet for each family' },
      )
    }
    found[key] = wanted
  }
  return found
}

function parseSubnet(options: SubnetOptions): WantedSubnet & { readonly subnet: Prefix } {
  const subnet = parsePrefix(options.subnet)
  const family = familyOf(subnet)
  const ofFamily = <T extends IpAddress | Prefix>(value: T): T => {
    if (familyOf(value) === family) return value
    throw new CnmError('INVALID_POOL', `${value} is not of the family of subnet ${subnet}`)
  }
  const auxAddresses = Object.entries(options.auxAddresses ?? {}).map(
    ([name, address]) => [name, ofFamily(parseAddress(address))] as const,
  )
  return {
    family,
    subnet,
    ...(options.range === undefined ? {} : { range: ofFamily(parsePrefix(options.range)) }),
    ...(options.gateway === undefined ? {} : { gateway: ofFamily(parseAddress(options.gateway)) }),
    ...(auxAddresses.length === 0 ? {} : { auxAddresses: Object.fromEntries(auxAddresses) }),
  }
}

/** What the user wants of a family: the subnet named, or the one the options imply, or any. */
export function wantedSubnet(
  family: 4 | 6,
  named: WantedSubnet | undefined,
  implied: ParsedOptions['ipv4'],
  network: string,
): WantedSubnet {
  if (named === undefined) return { family, ...implied }
  if (implied !== undefined && named.subnet !== implied.subnet) {
    throw new CnmError(
      'INVALID_POOL',
      `network "${network}": subnet ${named.subnet}, but its bridge has ${implied.subnet}`,
      { hint: 'leave the subnet out, or give the bridge an address of it' },
    )
  }
  return { ...implied, ...named }
}

interface TakenPool {
  readonly id: PoolId
  readonly record: PoolRecord
}

interface PoolRequest {
  /** The network's. */
  readonly name: string
  /** Whether a gateway is taken where none is named. */
  readonly hasGateway: boolean
  /** For a subnet that is chosen to keep clear of. */
  readonly avoid: readonly Prefix[]
}

/** A pool with its gateway and auxiliary addresses; a failure in the middle gives everything back. */
export async function takePool(
  ipam: Ipam,
  wanted: WantedSubnet,
  { name, hasGateway, avoid }: PoolRequest,
): Promise<TakenPool> {
  const holder = `network "${name}"`
  const { family, subnet, range } = wanted
  const pool = await ipam.requestPool({
    family,
    holder,
    ...(subnet ? { subnet } : {}),
    ...(range ? { range } : {}),
    avoid,
  })
  try {
    for (const [name, address] of Object.entries(wanted.auxAddresses ?? {})) {
      const aux = `auxiliary address "${name}" of ${holder}`
      await ipam.requestAddress({ pool: pool.id, address, holder: aux })
    }
    const gateway =
      hasGateway || wanted.gateway !== undefined
        ? await ipam.requestAddress({
            pool: pool.id,
            holder: `gateway of ${holder}`,
            purpose: 'gateway',
            ...(wanted.gateway ? { address: wanted.gateway } : {}),
          })
        : undefined
    return {
      id: pool.id,
      record: {
        ...(ipam.keeper ? { id: pool.id } : {}),
        subnet: pool.subnet,
        ...(range ? { range } : {}),
        ...(gateway ? { gateway } : {}),
        ...(wanted.auxAddresses ? { auxAddresses: wanted.auxAddresses } : {}),
      },
    }
  } catch (error) {
    await ipam.releasePool(pool.id)
    throw error
  }
}

/** The pools that a stored network had, taken again at start. */
export async function retakePools(
  ipam: Ipam,
  network: NetworkRecord,
): Promise<NetworkState['pools']> {
  if (ipam.keeper !== undefined) return poolIds(network)
  const pools: { ipv4?: PoolId; ipv6?: PoolId } = {}
  try {
    for (const [key, family] of [
      ['ipv4', 4],
      ['ipv6', 6],
    ] as const) {
      const pool = network[key]
      if (pool === undefined) continue
      const request = { name: network.name, hasGateway: false, avoid: [] }
      const taken = await takePool(ipam, { family, ...pool }, request)
      pools[key] = taken.id
    }
    return pools
  } catch (error) {
    await releasePools(ipam, pools)
    throw error
  }
}

/** Those of an IPAM that keeps them itself. */
function poolIds({ ipv4, ipv6 }: NetworkRecord): NetworkState['pools'] {
  return { ...(ipv4?.id ? { ipv4: ipv4.id } : {}), ...(ipv6?.id ? { ipv6: ipv6.id } : {}) }
}

export async function releasePools(ipam: Ipam, pools: NetworkState['pools']): Promise<void> {
  if (pools.ipv4) await ipam.releasePool(pools.ipv4)
  if (pools.ipv6) await ipam.releasePool(pools.ipv6)
}

export interface EndpointAddresses {
  readonly ipv4?: IpAddress
  readonly ipv6?: IpAddress
}

/** An endpoint's addresses; both or none. Those that `isHeld` says are taken already, for it. */
export async function takeAddresses(
  ipam: Ipam,
  network: NetworkState,
  endpoint: string,
  wanted: EndpointAddresses,
  mac?: MacAddress,
  isHeld?: (address: IpAddress) => boolean,
): Promise<EndpointAddresses> {
  const holder = `endpoint "${endpoint}"`
  const isBare = ipam.addresses === false && !wanted.ipv4 && !wanted.ipv6
  if (isBare) return {}
  const taken: { ipv4?: IpAddress; ipv6?: IpAddress } = {}
  try {
    for (const key of ['ipv4', 'ipv6'] as const) {
      const pool = network.pools[key]
      const address = wanted[key]
      if (pool !== undefined && address !== undefined && isHeld?.(address)) {
        taken[key] = address
      } else if (pool !== undefined) {
        const request = {
          pool,
          holder,
          subnet: network.record[key]?.subnet,
          ...(address ? { address } : {}),
          ...(mac ? { mac } : {}),
        }
        taken[key] = await ipam.requestAddress(request)
      } else if (address !== undefined) {
        throw new CnmError(
          'INVALID_ADDRESS',
          `network "${network.record.name}" has no ${key === 'ipv4' ? 'IPv4' : 'IPv6'} subnet, so ${address} can't be used`,
        )
      }
    }
    return taken
  } catch (error) {
    await releaseAddresses(ipam, network, taken)
    throw error
  }
}

export async function releaseAddresses(
  ipam: Ipam,
  network: NetworkState,
  addresses: EndpointAddresses,
): Promise<void> {
  for (const key of ['ipv4', 'ipv6'] as const) {
    const pool = network.pools[key]
    const address = addresses[key]
    if (pool !== undefined && address !== undefined) await ipam.releaseAddress(pool, address)
  }
}

/** `ip` and `ip6` of an endpoint's options. */
export function parseEndpointAddresses(options: {
  readonly ip?: string | undefined
  readonly ip6?: string | undefined
}): EndpointAddresses {
  return {
    ...(options.ip === undefined ? {} : { ipv4: addressOf(options.ip, 4, 'ip') }),
    ...(options.ip6 === undefined ? {} : { ipv6: addressOf(options.ip6, 6, 'ip6') }),
  }
}

function addressOf(text: string, family: 4 | 6, option: string): IpAddress {
  const address = parseAddress(text)
  if (familyOf(address) === family) return address
  throw new CnmError('INVALID_ADDRESS', `endpoint option "${option}": ${text} is not IPv${family}`)
}
