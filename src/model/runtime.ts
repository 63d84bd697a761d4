import { createHash } from 'node:crypto'
import type { IpAddress, MacAddress, Prefix } from '../address/address.ts'
import type { PublishOptions, StandaloneEndpointOptions } from '../api/endpoint-options.ts'
import type { NetworkOptions } from '../api/options.ts'
import { CnmError, isCnmError } from '../base/errors.ts'
import { type EndpointId, idFromPrefix, type NetworkId, type SandboxId } from '../base/id.ts'
import { KeyedQueue } from '../base/keyed-queue.ts'
import type { Attachment } from '../driver/driver.ts'
import { linkToMove } from '../driver/link-types.ts'
import { KnownLocalEndpoint } from './endpoint/endpoint.ts'
import { createEndpoint, deleteEndpoint, leave } from './endpoint/endpoints.ts'
import { planOf } from './endpoint/members.ts'
import { nameToMove } from './endpoint/plan.ts'
import type { Engine } from './engine.ts'
import { type HeldPool, Holdings, type WantedAddress, type WantedPool } from './holdings.ts'
import { KnownLocalNetwork } from './network/network.ts'
import { createNetwork, deleteNetwork } from './network/networks.ts'
import { mergePublished, parsePublished, publishedText } from './ports/port-spec.ts'
import { publish, unpublish } from './ports/publish.ts'
import type { EndpointRecord } from './records.ts'
import { deleteEndedEndpoints } from './recovery/ended-containers.ts'
import { joinElsewhere } from './sandbox/sandboxes.ts'

export type { HeldPool, WantedAddress, WantedPool } from './holdings.ts'

/** The sandbox's side of an endpoint, for the engine that sets it up. */
export interface LinkToMove extends Omit<Attachment, 'link' | 'announce'> {
  /** What it is called on the host. Absent: there is none. */
  readonly name?: string
  /** What it is called inside: this, and a number. */
  readonly prefix?: string
  readonly mac?: MacAddress
}

/**
 * Another engine of this host that has its containers on networks of ours. Networks and endpoints have the ids
 * that it gave them, so every call can be repeated. It moves links into its containers itself, and what is joined
 * goes when it says so, or when the link shows that the container has ended.
 */
export class Runtime {
  readonly #engine: Engine
  readonly #name: string
  readonly #holdings: Holdings
  /** Not the engine's: what runs in that one must not wait for it. */
  readonly #queue = new KeyedQueue()
  /** Endpoints of a former life. */
  readonly #inherited: ReadonlySet<EndpointId>

  constructor(engine: Engine, name: string) {
    this.#engine = engine
    this.#name = name
    this.#holdings = new Holdings(engine, name)
    this.#inherited = new Set(this.#own(() => true).map(({ id }) => id))
  }

  /** A pool for a network that is about to be made. Errors: POOL_OVERLAP, INVALID_POOL, … */
  requestPool(wanted: WantedPool): Promise<HeldPool> {
    return this.#holdings.requestPool(wanted)
  }

  releasePool(subnet: Prefix): Promise<void> {
    return this.#holdings.releasePool(subnet)
  }

  /** An address for an endpoint that is about to be made, or for the host. */
  requestAddress(pool: HeldPool, wanted: WantedAddress): Promise<IpAddress> {
    return this.#holdings.requestAddress(pool, wanted)
  }

  async releaseAddress(subnet: Prefix, address: IpAddress): Promise<void> {
    if (await this.#holdings.releaseAddress(address)) return
    await this.#endLost(address, (network) => {
      const { record } = this.#engine.state.networks.need(network)
      return record.ipv4?.subnet === subnet || record.ipv6?.subnet === subnet
    })
  }

  /** Errors: those of `Controller.createNetwork`. One with that id that is there already is it. */
  async createNetwork(id: NetworkId, given: NetworkOptions): Promise<KnownLocalNetwork> {
    const subnets = (given.subnets ?? []).map((entry) => {
      const options = typeof entry === 'string' ? { subnet: entry } : entry
      const range = this.#holdings.rangeOf(options.subnet as Prefix)
      return { ...options, ...(range === undefined ? {} : { range }) }
    })
    const made = {
      id,
      runtime: this.#name,
      beforehand: () => this.#holdings.handOver(subnets.map(({ subnet }) => subnet as Prefix)),
    }
    await createNetwork(this.#engine, { ...given, subnets }, made)
    return new KnownLocalNetwork(this.#engine, this.#engine.state.networks.need(id))
  }

  /** With those of this engine's endpoints that are left over. Errors: NETWORK_IN_USE, by others. */
  async deleteNetwork(id: NetworkId): Promise<void> {
    for (const endpoint of this.#own(({ network }) => network === id)) {
      await this.deleteEndpoint(endpoint.id)
    }
    await deleteNetwork(this.#engine, id).catch((error: unknown) => {
      if (!isCnmError(error, 'NETWORK_NOT_FOUND')) throw error
    })
  }

  /** Errors: those of `Network.createEndpoint`. Addresses may be those of a pool that this engine keeps itself. */
  async createEndpoint(
    id: EndpointId,
    network: NetworkId,
    options: StandaloneEndpointOptions,
  ): Promise<KnownLocalEndpoint> {
    const isThere = () => this.#engine.state.endpoints.get(id) !== undefined
    // Before it is this one's turn: theirs is waited for.
    for (const address of [options.ip, options.ip6]) {
      if (address === undefined || isThere()) continue
      await this.#endLost(address, (each) => each === network)
    }
    await this.#alone(id, async () => {
      if (isThere()) return
      const takeHeld = (address: IpAddress) => this.#holdings.takeAddress(network, address)
      const made = { id, runtime: this.#name, takeHeld }
      await this.#withRoom(() => createEndpoint(this.#engine, network, options, made))
    })
    return new KnownLocalEndpoint(this.#engine, this.#engine.state.endpoints.need(id))
  }

  /** What it is to have inside, joined or not. Errors: ENDPOINT_NOT_FOUND. */
  link(id: EndpointId): LinkToMove {
    return this.#linkOf(this.#engine.state.endpoints.need(id))
  }

  /**
   * Joins the container that this engine knows by that key, and makes the link for it to be moved. Errors:
   * ENDPOINT_NOT_FOUND, ENDPOINT_IN_USE, ALREADY_CONNECTED.
   */
  async join(id: EndpointId, key: string): Promise<LinkToMove> {
    const sandbox = sandboxId(key)
    await this.#withRoom(() =>
      joinElsewhere(this.#engine, id, { id: sandbox, runtime: this.#name }),
    )
    return this.link(id)
  }

  /** The link goes; the endpoint stays, until it is deleted or the time is over. */
  async leave(id: EndpointId): Promise<void> {
    if (this.#engine.state.endpoints.get(id)?.joined === undefined) return
    await leave(this.#engine, id).catch(ignoreGone)
  }

  async deleteEndpoint(id: EndpointId): Promise<void> {
    await this.leave(id)
    await this.#alone(id, () => deleteEndpoint(this.#engine, id).catch(ignoreGone))
  }

  /** It publishes these ports, and no others. Errors: those of `Endpoint.publish`. */
  async publish(id: EndpointId, ports: readonly PublishOptions[]): Promise<void> {
    await this.#alone(id, async () => {
      const { publish: is = [] } = this.#engine.state.endpoints.need(id)
      const wanted = mergePublished(ports.map(parsePublished))
      if (textOf(is) === textOf(wanted)) return
      await this.#unpublish(id)
      await this.#withRoom(() => publish(this.#engine, id, ports, undefined))
    })
  }

  async unpublish(id: EndpointId): Promise<void> {
    await this.#alone(id, () => this.#unpublish(id).catch(ignoreGone))
  }

  async #unpublish(id: EndpointId): Promise<void> {
    const ports = this.#engine.state.endpoints.get(id)?.ports ?? []
    if (ports.length > 0) await unpublish(this.#engine, id, ports, undefined)
  }

  /**
   * Who has an address that this engine gives away, or back, can't be there any more: that it was deleted was lost
   * with a former life of ours. One of this life has got it since, and stays, and so does what is not this engine's.
   */
  async #endLost(address: string, isOn: (network: NetworkId) => boolean): Promise<void> {
    const holder = this.#own(({ id, ipv4, ipv6, network }) => {
      return this.#inherited.has(id) && (ipv4 === address || ipv6 === address) && isOn(network)
    })
    for (const { id } of holder) await this.deleteEndpoint(id)
  }

  /** What is taken may be taken by a container that has ended when it could not be told. */
  async #withRoom<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      const isTaken = error instanceof CnmError && error.kind === 'conflict'
      if (!isTaken || (await deleteEndedEndpoints(this.#engine)) === 0) throw error
      return work()
    }
  }

  #linkOf(record: EndpointRecord): LinkToMove {
    const { link, announce: _, ...rest } = planOf(this.#engine, record).attachment
    if (link === undefined) return rest
    const { prefix, mac } = link
    const { name } = linkToMove(link, nameToMove(record))
    return { ...rest, name, prefix, ...(mac ? { mac } : {}) }
  }

  #own(isMeant: (record: EndpointRecord) => boolean): EndpointRecord[] {
    const all = this.#engine.state.endpoints.all()
    return all.filter((record) => record.runtime === this.#name && isMeant(record))
  }

  /** Calls about one thing wait for each other. */
  #alone<T>(id: string, work: () => Promise<T>): Promise<T> {
    return this.#engine.changes.track(this.#queue.run([id], work))
  }
}

/** The same for the same key, so that it is found again. Docker's end with the beginning of its own id. */
function sandboxId(key: string): SandboxId {
  const name = key.split('/').at(-1) ?? ''
  if (/^[0-9a-f]{12}$/.test(name)) return idFromPrefix<SandboxId>(name)
  return createHash('sha256').update(key).digest('hex') as SandboxId
}

function textOf(ports: Parameters<typeof mergePublished>[0]): string {
  return ports.map(publishedText).sort().join()
}

function ignoreGone(error: unknown): void {
  if (!(error instanceof CnmError)) throw error
  const isGone = error.kind === 'not-found' || error.code === 'ENDPOINT_NOT_JOINED'
  if (!isGone) throw error
}
