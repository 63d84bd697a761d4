import { familyOf, type IpAddress, type Prefix } from '../address/address.ts'
import type { MacAddress } from '../address/mac.ts'
import { CnmError } from '../base/errors.ts'
import type { NetworkId } from '../base/id.ts'
import type { Pool, PoolId } from '../ipam/ipam.ts'
import type { HostView } from '../kernel/kernel.ts'
import type { Engine } from './engine.ts'
import { avoided, isBridgesOwn, refuseHostOverlap, refuseUnusable } from './network/host-overlap.ts'
import { queueKeys } from './network/networks.ts'
import type { NetworkState } from './state.ts'

/** A pool as an engine names it whenever it asks for an address of it. */
export interface HeldPool {
  readonly subnet: Prefix
  readonly range?: Prefix
}

export interface WantedPool {
  readonly family: 4 | 6
  /** Absent: any that is free. */
  readonly subnet?: Prefix
  readonly range?: Prefix
  /** It may overlap with what the host uses. */
  readonly hostOverlap?: boolean
}

export interface WantedAddress {
  readonly address?: IpAddress
  /** That of the endpoint it is for: who asks again with the same gets the same. */
  readonly mac?: MacAddress
  /** true: it is for the host's end of the network. */
  readonly gateway?: boolean
}

interface PoolEntry extends HeldPool {
  readonly id: PoolId
  gateway?: IpAddress
  timer: NodeJS.Timeout
}

interface AddressEntry {
  readonly network: NetworkId
  readonly pool: PoolId
  readonly mac: MacAddress | undefined
  readonly timer: NodeJS.Timeout
}

/**
 * Pools and addresses that another engine has asked for before it says what they are for. What it doesn't
 * use within a while is free again: it may have ended in between, and then nothing says so.
 *
 * They are in no record. A caller that comes back with the name of a pool after a restart gets it again, if
 * no other has it.
 */
export class Holdings {
  readonly #engine: Engine
  readonly #runtime: string
  readonly #pools = new Map<Prefix, PoolEntry>()
  /** Pools don't overlap, so an address is of one only. */
  readonly #addresses = new Map<IpAddress, AddressEntry>()

  constructor(engine: Engine, runtime: string) {
    this.#engine = engine
    this.#runtime = runtime
  }

  /** Errors: POOL_OVERLAP, INVALID_POOL, ADDRESSES_EXHAUSTED. */
  requestPool(wanted: WantedPool): Promise<HeldPool> {
    return this.#inTurn('holding a pool', async () => {
      const { subnet } = wanted
      if (subnet !== undefined) await this.#dropPool(subnet)
      const view = await this.#engine.lookAgain()
      if (subnet !== undefined) this.#check(subnet, wanted, view)
      return this.#takePool(wanted, view)
    })
  }

  /** One that a network has goes with the network. */
  releasePool(subnet: Prefix): Promise<void> {
    return this.#inTurn('giving back a pool', () => this.#dropPool(subnet))
  }

  /** Errors: ADDRESS_IN_USE, INVALID_ADDRESS, INVALID_POOL, ADDRESSES_EXHAUSTED, NOT_ALLOWED. */
  async requestAddress(pool: HeldPool, wanted: WantedAddress): Promise<IpAddress> {
    const network = this.#networkOf(pool.subnet)
    if (network !== undefined) return this.#ofNetwork(network, pool.subnet, wanted)
    if (!this.#pools.has(pool.subnet)) {
      // Whether it overlaps with the host was asked when it was first requested.
      await this.requestPool({ family: familyOf(pool.subnet), ...pool, hostOverlap: true })
    }
    return this.#ofPool(pool.subnet, wanted)
  }

  /** Whether it was held. */
  async releaseAddress(address: IpAddress): Promise<boolean> {
    const entry = this.#addresses.get(address)
    if (entry === undefined) return false
    this.#forget(address, entry)
    // It went with its network; the address may be another one's by now.
    const isThere = this.#engine.state.networks.get(entry.network) !== undefined
    if (isThere) await this.#ipam.releaseAddress(entry.pool, address)
    return true
  }

  /** Whether it was held for that network: then it belongs to what takes it now. */
  takeAddress(network: NetworkId, address: IpAddress): boolean {
    const entry = this.#addresses.get(address)
    // Of a network that has gone: the address was free with it, and may be another one's.
    if (entry?.network !== network) return false
    this.#forget(address, entry)
    return true
  }

  rangeOf(subnet: Prefix): Prefix | undefined {
    return this.#pools.get(subnet)?.range
  }

  /** The network that they are for is about to take them itself. In the queue of networks. */
  async handOver(subnets: readonly Prefix[]): Promise<void> {
    for (const subnet of subnets) await this.#dropPool(subnet)
  }

  /** In the turn of networks. What is held is in no record. */
  #inTurn<T>(what: string, work: () => Promise<T>): Promise<T> {
    const order = { what, keys: queueKeys }
    return this.#engine.changes.change<T, T>(order, {
      gather: work,
      plan: (result) => ({ settle: () => result }),
    })
  }

  get #ipam() {
    return this.#engine.ipam('local')
  }

  #check(subnet: Prefix, { hostOverlap }: WantedPool, view: HostView): void {
    if (this.#networkOf(subnet) !== undefined) return
    const holder = `a network that ${this.#runtime} is about to make`
    refuseUnusable(holder, subnet)
    // Whether that bridge is adopted is said, and looked at, when the network is made.
    const everything = hostOverlap === true || isBridgesOwn(subnet, view)
    refuseHostOverlap(holder, subnet, view, { everything })
  }

  async #takePool({ family, subnet, range }: WantedPool, view: HostView): Promise<HeldPool> {
    const pool: Pool = await this.#ipam.requestPool({
      family,
      ...(subnet ? { subnet } : {}),
      ...(range ? { range } : {}),
      holder: `a network that ${this.#runtime} is about to make`,
      avoid: avoided(view),
    })
    const held: HeldPool = { subnet: pool.subnet, ...(range ? { range } : {}) }
    this.#pools.set(pool.subnet, { ...held, id: pool.id, timer: this.#poolTimer(pool.subnet) })
    return held
  }

  async #ofPool(subnet: Prefix, { address, gateway }: WantedAddress): Promise<IpAddress> {
    const entry = this.#pools.get(subnet)
    if (entry === undefined) throw this.#unknown(subnet)
    if (!gateway && address === undefined) throw this.#notOurs(subnet)
    // A slow caller gets its time anew.
    clearTimeout(entry.timer)
    entry.timer = this.#poolTimer(subnet)
    if (gateway && entry.gateway !== undefined && (address ?? entry.gateway) === entry.gateway) {
      return entry.gateway
    }
    const taken = await this.#request(entry.id, address)
    if (gateway) entry.gateway = taken
    return taken
  }

  async #ofNetwork(
    { record, pools }: NetworkState,
    subnet: Prefix,
    { address, mac, gateway }: WantedAddress,
  ): Promise<IpAddress> {
    if (record.runtime !== this.#runtime) {
      throw new CnmError(
        'NOT_ALLOWED',
        `${subnet} is the subnet of network "${record.name}", which isn't ${this.#runtime}'s`,
        { details: { subnet, network: record.name }, hint: 'use another subnet' },
      )
    }
    const key = familyOf(subnet) === 4 ? 'ipv4' : 'ipv6'
    if (gateway && record[key]?.gateway !== undefined) return record[key].gateway
    const pool = pools[key]
    if (pool === undefined) throw this.#unknown(subnet)
    const before = mac && this.#heldFor(mac, record.id, pool)
    if (before !== undefined && (address ?? before) === before) return before
    const taken = await this.#request(pool, address)
    const stale = this.#addresses.get(taken)
    if (stale !== undefined) this.#forget(taken, stale)
    const timer = this.#after(() => this.releaseAddress(taken))
    this.#addresses.set(taken, { network: record.id, pool, mac, timer })
    return taken
  }

  #heldFor(mac: MacAddress, network: NetworkId, pool: PoolId): IpAddress | undefined {
    for (const [address, entry] of this.#addresses) {
      if (entry.mac === mac && entry.network === network && entry.pool === pool) return address
    }
    return undefined
  }

  #request(pool: PoolId, address: IpAddress | undefined): Promise<IpAddress> {
    const holder = `an endpoint of ${this.#runtime}`
    return this.#ipam.requestAddress({ pool, holder, ...(address ? { address } : {}) })
  }

  /** With all addresses of it. */
  async #dropPool(subnet: Prefix): Promise<void> {
    const entry = this.#pools.get(subnet)
    if (entry === undefined) return
    clearTimeout(entry.timer)
    this.#pools.delete(subnet)
    await this.#ipam.releasePool(entry.id)
  }

  #networkOf(subnet: Prefix): NetworkState | undefined {
    return this.#engine.state.networks
      .all()
      .find(({ record }) => record.ipv4?.subnet === subnet || record.ipv6?.subnet === subnet)
  }

  #forget(address: IpAddress, { timer }: AddressEntry): void {
    clearTimeout(timer)
    this.#addresses.delete(address)
  }

  #poolTimer(subnet: Prefix): NodeJS.Timeout {
    return this.#after(() => this.releasePool(subnet))
  }

  #after(work: () => Promise<unknown>): NodeJS.Timeout {
    const { idleMs, closing, onProblem } = this.#engine
    const timer = setTimeout(() => {
      if (!closing.signal.aborted) this.#engine.changes.track(work()).catch(onProblem)
    }, idleMs)
    return timer.unref()
  }

  #unknown(subnet: Prefix): CnmError {
    return new CnmError('INVALID_POOL', `${subnet} is the subnet of no network`, {
      details: { subnet },
      hint: 'make the network anew',
    })
  }

  #notOurs(subnet: Prefix): CnmError {
    return new CnmError('NOT_ALLOWED', `no network of ours has the subnet ${subnet}`, {
      details: { subnet },
      hint: 'this IPAM is for networks of its own driver: use it with both, or with none',
    })
  }
}
