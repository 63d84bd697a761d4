import {
  contains,
  familyOf,
  type IpAddress,
  isUnspecified,
  overlaps,
  parseAddress,
  parsePrefix,
  prefixAddress,
  prefixLength,
} from '../../address/address.ts'
import { isCnmError } from '../../base/errors.ts'
import type { PluginAnswerOf, RequestOf } from '../../plugin/call.ts'
import {
  addressOptionKeys,
  gatewayAddress,
  type IpamDriverCalls,
  ipamDriverCalls,
} from '../../plugin/ipam-driver-messages.ts'
import type { Plugin } from '../../plugin/plugin.ts'
import { Reading } from '../../plugin/reading.ts'
import type {
  AddressRequest,
  Ipam,
  IpamKeeper,
  IpamWishes,
  Pool,
  PoolId,
  PoolRequest,
} from '../ipam.ts'

/** So many subnets that touch something of the host's are refused before that is the plugin's mistake. */
const mostTries = 64

/** Not so many where each takes its time: others may wait for the end of this. */
const mostMs = 15_000

/** An IPAM that is another program. `onProblem` is told of what it doesn't take back. */
export function remoteIpam(plugin: Plugin, onProblem: (problem: unknown) => void): Ipam {
  return new RemoteIpam(plugin, onProblem)
}

type Method = keyof IpamDriverCalls

class RemoteIpam implements Ipam {
  readonly name: string
  readonly keeper: IpamKeeper = {
    open: (signal) => this.#open(signal),
    wishes: async () => this.#wishes ?? this.#open(),
  }
  readonly #plugin: Plugin
  readonly #onProblem: (problem: unknown) => void
  /** What it has not heard of, to be told when it is back; by pool, and by pool and address. */
  readonly #unheard = new Map<string, () => Promise<unknown>>()
  #wishes: IpamWishes | undefined
  readonly #subnets = new Map<PoolId, Pool['subnet']>()

  constructor(plugin: Plugin, onProblem: (problem: unknown) => void) {
    this.name = plugin.name
    this.#plugin = plugin
    this.#onProblem = onProblem
  }

  async requestPool(request: PoolRequest): Promise<Pool> {
    const { LocalDefaultAddressSpace } =
      (await this.#call('GetDefaultAddressSpaces', undefined)) ?? {}
    const refused: PoolId[] = []
    const end = Date.now() + mostMs
    try {
      for (let tries = 1; ; tries += 1) {
        const pool = await this.#request(request, LocalDefaultAddressSpace ?? '')
        const other = clash(request, pool)
        if (other === undefined) return pool
        refused.push(pool.id)
        if (tries === mostTries || Date.now() > end) {
          const reading = new Reading(this.name, 'IpamDriver.RequestPool')
          throw reading.refusal('Pool', `is ${pool.subnet}, which touches ${other} of the host`)
        }
      }
    } finally {
      // Not before: it would be the next one again.
      for (const pool of refused) await this.releasePool(pool)
    }
  }

  async #request({ family, subnet, range }: PoolRequest, AddressSpace: string): Promise<Pool> {
    const Pool = subnet ?? ''
    const request = { AddressSpace, Pool, SubPool: range ?? '', Options: {}, V6: family === 6 }
    const answer = await this.#call('RequestPool', request)
    const id = answer?.PoolID as PoolId
    const reading = new Reading(this.name, 'IpamDriver.RequestPool')
    try {
      if (!id) throw reading.refusal('PoolID', 'is empty')
      const taken = reading.take('Pool', answer?.Pool, parsePrefix)
      if (taken === undefined) throw reading.refusal('Pool', 'is empty')
      if (familyOf(taken) !== family)
        throw reading.refusal('Pool', `is ${taken}, not of IPv${family}`)
      if (subnet !== undefined && !isAnswerTo(subnet, taken)) {
        throw reading.refusal('Pool', `is ${taken}, though ${subnet} was asked for`)
      }
      this.#subnets.set(id, taken)
      this.#unheard.delete(id)
      return { id, subnet: taken }
    } catch (error) {
      if (id) await this.releasePool(id)
      throw error
    }
  }

  async releasePool(pool: PoolId): Promise<void> {
    this.#subnets.delete(pool)
    await this.#giveBack(pool, () => this.#call('ReleasePool', { PoolID: pool }))
  }

  async requestAddress(request: AddressRequest): Promise<IpAddress> {
    const { pool, address: wanted, purpose, mac } = request
    const answer = await this.#call('RequestAddress', {
      PoolID: pool,
      Address: wanted ?? '',
      Options: {
        ...(purpose === 'gateway' ? { [addressOptionKeys.type]: gatewayAddress } : {}),
        ...(mac ? { [addressOptionKeys.macAddress]: mac } : {}),
      },
    })
    const reading = new Reading(this.name, 'IpamDriver.RequestAddress')
    const address = reading.take('Address', answer?.Address, addressIn)
    if (address === undefined) throw reading.refusal('Address', 'is empty')
    try {
      this.#check(reading, request, address)
      // It may have heard that it was given back, and then it has another holder now.
      this.#unheard.delete(`${pool} ${address}`)
      return address
    } catch (error) {
      await this.releaseAddress(pool, address)
      throw error
    }
  }

  #check(reading: Reading, { pool, address: wanted, subnet }: AddressRequest, is: IpAddress): void {
    if (wanted !== undefined && is !== wanted) {
      throw reading.refusal('Address', `is ${is}, though ${wanted} was asked for`)
    }
    const whole = this.#subnets.get(pool) ?? subnet
    if (whole === undefined || contains(whole, is)) return
    throw reading.refusal('Address', `is ${is}, which is not in ${whole}`)
  }

  async releaseAddress(pool: PoolId, address: IpAddress): Promise<void> {
    const call = () => this.#call('ReleaseAddress', { PoolID: pool, Address: address })
    await this.#giveBack(`${pool} ${address}`, call)
  }

  async #open(signal?: AbortSignal): Promise<IpamWishes> {
    const answer = await this.#call('GetCapabilities', undefined, signal)
    for (const [what, call] of [...this.#unheard]) {
      if (this.#unheard.delete(what)) await this.#giveBack(what, call)
    }
    this.#wishes = {
      macAddress: answer?.RequiresMACAddress ?? false,
      replay: answer?.RequiresRequestReplay ?? false,
    }
    return this.#wishes
  }

  /** What is given back is gone, whatever the plugin says; what it doesn't hear it is told later. */
  async #giveBack(what: string, call: () => Promise<unknown>): Promise<void> {
    try {
      await call()
    } catch (error) {
      if (isCnmError(error, 'PLUGIN_UNAVAILABLE')) this.#unheard.set(what, call)
      this.#onProblem(error)
    }
  }

  async #call<M extends Method>(
    method: M,
    request: RequestOf<IpamDriverCalls[M]>,
    signal?: AbortSignal,
  ): Promise<PluginAnswerOf<IpamDriverCalls[M]> | undefined> {
    const options = { ...(signal ? { signal } : {}) }
    return this.#plugin.call('IpamDriver', method, ipamDriverCalls[method], request, options)
  }
}

/** What of the host a subnet touches that was chosen by the plugin. */
function clash({ subnet, avoid = [] }: PoolRequest, pool: Pool): string | undefined {
  const isGiven = subnet !== undefined && !isUnspecified(prefixAddress(subnet))
  // A default route touches everything.
  const narrow = avoid.filter((prefix) => prefixLength(prefix) > 0)
  return isGiven ? undefined : narrow.find((prefix) => overlaps(prefix, pool.subnet))
}

/** `0.0.0.0/26` asks for any subnet of that length. */
function isAnswerTo(wanted: Pool['subnet'], taken: Pool['subnet']): boolean {
  if (wanted === taken) return true
  return isUnspecified(prefixAddress(wanted)) && prefixLength(wanted) === prefixLength(taken)
}

/** With or without the length of its prefix. */
function addressIn(text: string): IpAddress {
  const [address = ''] = text.split('/')
  return parseAddress(address)
}
