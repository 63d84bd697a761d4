import type { IpAddress, MacAddress, Prefix } from '../address/address.ts'

/**
 * IPAM hands out pools to networks and addresses to endpoints. What was handed out is recorded with
 * its holder (network and endpoint records), not here: at start the model replays it with the same
 * requests, in the order in which they were made.
 *
 * Errors: INVALID_POOL (wrong family, addresses of groups, a range without a subnet or outside it, a
 * pool that there is not), POOL_OVERLAP (names the other holder), INVALID_ADDRESS (outside the pool,
 * or its network or broadcast address), ADDRESS_IN_USE (names the holder), ADDRESSES_EXHAUSTED (says who holds what;
 * also if no subnet is left to be chosen).
 * A failed request changes nothing. Releasing what is not held succeeds.
 */
export interface Ipam {
  readonly name: string
  /** false: it hands out none. Default: true. */
  readonly addresses?: boolean

  /** A pool for a network. Without a subnet one is chosen, away from `avoid` and from every other pool. */
  requestPool(request: PoolRequest): Promise<Pool>
  /** Releases its addresses, too. */
  releasePool(pool: PoolId): Promise<void>

  /**
   * An address of a pool: the given one (anywhere in the subnet), or the next free one of the range.
   * Allocation goes onward: a released address comes back as late as possible.
   */
  requestAddress(request: AddressRequest): Promise<IpAddress>
  releaseAddress(pool: PoolId, address: IpAddress): Promise<void>

  /**
   * Only for those that are other programs: what they handed out they keep themselves. Then the ids of
   * pools are recorded, and at start nothing is requested again, unless it asks for that.
   */
  readonly keeper?: IpamKeeper
}

/** An IPAM with a memory of its own. Errors: PLUGIN_UNAVAILABLE, PLUGIN_FAILED. */
export interface IpamKeeper {
  /** Is it there, and what does it want? Errors: UNKNOWN_IPAM. */
  open(signal?: AbortSignal): Promise<IpamWishes>
  /** As it last said. */
  wishes(): Promise<IpamWishes>
}

export interface IpamWishes {
  /** Every address is requested with the MAC it is for. */
  readonly macAddress: boolean
  /** Whenever it is there again, it wants to hear all requests again. */
  readonly replay: boolean
}

declare const brand: unique symbol
export type PoolId = string & { readonly [brand]: 'PoolId' }

export interface PoolRequest {
  readonly family: 4 | 6
  /** `0.0.0.0/26` and `::/72`: one of that length is chosen. */
  readonly subnet?: Prefix
  /** Only addresses of this part of the subnet are handed out on their own accord. */
  readonly range?: Prefix
  /** Who it is for, in words for messages: `network "web"`. */
  readonly holder: string
  /** Prefixes that a chosen subnet must not touch: the host's routes, its name servers. */
  readonly avoid?: readonly Prefix[]
}

export interface Pool {
  readonly id: PoolId
  readonly subnet: Prefix
}

export interface AddressRequest {
  readonly pool: PoolId
  /** Exactly this one. */
  readonly address?: IpAddress
  /** `endpoint "api"`, `gateway`, `auxiliary address "printer"`. */
  readonly holder: string
  readonly purpose?: 'gateway'
  /** That of the pool, where the caller knows it. */
  readonly subnet?: Prefix
  readonly mac?: MacAddress
}
