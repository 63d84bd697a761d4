import {
  addressFromBigInt,
  bitsOf,
  familyOf,
  type IpAddress,
  type IpFamily,
  isUnspecified,
  overlaps,
  type Prefix,
  parsePrefix,
  prefixAddress,
  prefixLength,
  prefixOf,
  prefixRange,
} from '../../address/address.ts'
import { CnmError } from '../../base/errors.ts'
import type { AddressRequest, Ipam, Pool, PoolId, PoolRequest } from '../ipam.ts'
import { AddressPool } from './address-pool.ts'
import { type DefaultPools, defaultPools } from './default-pools.ts'
import { type Interval, Intervals } from './intervals.ts'
import { listHolders } from './list-holders.ts'

interface LocalIpamOptions {
  /** What the IPv6 subnets of this host derive from; the same seed gives the same /48. */
  readonly seed: string
}

/** Addresses of this host's own networks, kept in memory; the model replays them at start. */
export function local(options: LocalIpamOptions): Ipam {
  return new LocalIpam(options.seed)
}

interface Family {
  readonly pools: Intervals<AddressPool>
  readonly defaults: DefaultPools
}

class LocalIpam implements Ipam {
  readonly name = 'local'
  readonly #families: Readonly<Record<IpFamily, Family>>
  readonly #pools = new Map<PoolId, AddressPool>()

  constructor(seed: string) {
    this.#families = {
      4: { pools: new Intervals(), defaults: defaultPools(4, seed) },
      6: { pools: new Intervals(), defaults: defaultPools(6, seed) },
    }
  }

  async requestPool(request: PoolRequest): Promise<Pool> {
    const { family, subnet: wanted, range, holder } = request
    checkRequest(request)
    const { pools, defaults } = this.#families[family]
    const chosen = wanted === undefined || isAny(wanted)
    const subnet = chosen ? this.#choose(request) : wanted
    const pool = new AddressPool(subnet, range, holder)
    if (!chosen) {
      const other = pools.overlapping(pool.first, pool.last)
      if (other !== undefined) throw overlap(subnet, other)
      defaults.follow(pool, prefixLength(subnet))
    }
    pools.add(pool)
    // Pools of a family never overlap, so a subnet names its pool, and does so again after a restart.
    const id = subnet as string as PoolId
    this.#pools.set(id, pool)
    return { id, subnet }
  }

  async releasePool(id: PoolId): Promise<void> {
    const pool = this.#pools.get(id)
    if (pool === undefined) return
    this.#pools.delete(id)
    this.#families[familyOf(pool.subnet)].pools.delete(pool)
  }

  async requestAddress(request: AddressRequest): Promise<IpAddress> {
    const pool = this.#pools.get(request.pool)
    if (pool === undefined) {
      throw new CnmError('INVALID_POOL', `there is no address pool ${request.pool}`, {
        details: { pool: request.pool },
      })
    }
    return pool.take(request.address, request.holder)
  }

  async releaseAddress(id: PoolId, address: IpAddress): Promise<void> {
    this.#pools.get(id)?.giveBack(address)
  }

  #choose({ family, subnet, avoid = [] }: PoolRequest): Prefix {
    const { pools, defaults } = this.#families[family]
    const length = subnet === undefined ? defaults.length : prefixLength(subnet)
    const size = 1n << BigInt(bitsOf(family) - length)
    if (!defaults.fits(size)) {
      throw new CnmError('INVALID_POOL', `a /${length} does not fit into ${defaults.ranges}`, {
        details: { length },
        hint: 'name a subnet',
      })
    }
    const avoided = outermost(avoid, family)
    const first = defaults.choose(size, (block) => {
      return (
        pools.overlapping(block.first, block.last) ?? avoided.overlapping(block.first, block.last)
      )
    })
    if (first === undefined) throw noneFree(length, pools, defaults, avoided.size)
    return prefixOf(addressFromBigInt(first, family), length)
  }
}

function checkRequest({ family, subnet, range }: PoolRequest): void {
  if (subnet !== undefined && familyOf(subnet) !== family) {
    throw new CnmError('INVALID_POOL', `${subnet} is not an IPv${family} subnet`, {
      details: { subnet, family },
    })
  }
  if (subnet !== undefined) checkPurpose(subnet)
  if (range !== undefined && (subnet === undefined || isAny(subnet))) {
    throw new CnmError('INVALID_POOL', `range ${range} needs the subnet that it is a part of`, {
      details: { range },
      hint: 'name the subnet',
    })
  }
}

const linkLocal = parsePrefix('fe80::/64')
const groups = [parsePrefix('224.0.0.0/4'), parsePrefix('ff00::/8')]

/** Addresses of groups have no holder, and a link-local subnet is the one that every link has. */
function checkPurpose(subnet: Prefix): void {
  const isGroup = groups.some((group) => overlaps(group, subnet) && !isAny(subnet))
  const isOdd = subnet !== linkLocal && !isAny(subnet) && overlaps(linkLocal, subnet)
  if (!isGroup && !isOdd) return
  const what = isGroup ? 'has addresses of groups (multicast)' : `overlaps ${linkLocal}`
  throw new CnmError('INVALID_POOL', `${subnet} ${what}`, {
    details: { subnet },
    hint: isGroup ? 'give a subnet of single addresses' : `give ${linkLocal} itself, or another`,
  })
}

/** `0.0.0.0/26`: any subnet of that length. */
function isAny(subnet: Prefix): boolean {
  return isUnspecified(prefixAddress(subnet))
}

/**
 * The prefixes of a family as blocks that don't overlap: two prefixes are apart or nested, and of
 * nested ones the outer comes first. Default routes go everywhere and so say nothing.
 */
function outermost(prefixes: readonly Prefix[], family: IpFamily): Intervals<Interval> {
  const intervals = new Intervals<Interval>()
  const relevant = prefixes
    .filter((prefix) => familyOf(prefix) === family && prefixLength(prefix) > 0)
    .sort((a, b) => prefixLength(a) - prefixLength(b))
  for (const prefix of relevant) {
    const range = prefixRange(prefix)
    if (intervals.overlapping(range.first, range.last) === undefined) intervals.add(range)
  }
  return intervals
}

function overlap(subnet: Prefix, other: AddressPool): CnmError {
  return new CnmError(
    'POOL_OVERLAP',
    `${subnet} overlaps with ${other.subnet}, the subnet of ${other.holder}`,
    {
      details: { subnet, other: other.subnet, holder: other.holder },
      hint: 'choose another subnet, or none to have one chosen',
    },
  )
}

function noneFree(
  length: number,
  pools: Intervals<AddressPool>,
  defaults: DefaultPools,
  avoided: number,
): CnmError {
  const entries = [...pools].map((pool) => [pool.subnet, pool.holder] as const)
  const { words, holders } = listHolders(entries, pools.size)
  const reasons = words === '' ? [] : [words]
  if (avoided > 0) reasons.push("the rest by the host's own routes")
  return new CnmError(
    'ADDRESSES_EXHAUSTED',
    `no /${length} is free in ${defaults.ranges}: ${reasons.join(', ')}`,
    {
      details: { length, total: pools.size, holders, avoided },
      hint: 'name a subnet, or delete networks that are not used',
    },
  )
}
