import type { IpAddress, MacAddress } from '../address/address.ts'
import { CnmError, type ErrorCode } from '../base/errors.ts'
import type { EndpointId, NetworkId, SandboxId } from '../base/id.ts'
import type { PoolId } from '../ipam/ipam.ts'
import type { Resource } from '../kernel/resource.ts'
import type { EndpointRecord, NetworkRecord, SandboxRecord, State } from './records.ts'

export interface NetworkState {
  readonly record: NetworkRecord
  readonly state: State
  readonly pools: { readonly ipv4?: PoolId; readonly ipv6?: PoolId }
  /** What it has in the kernel. */
  readonly resources: readonly Resource[]
  /** MACs that users gave, by the addresses with which they were last used. */
  readonly givenMacs: Map<IpAddress, MacAddress>
  /** What was doubtful when it was made; not recorded. */
  readonly warnings?: readonly string[]
}

/** Everything known, by id and name. What is there only as an intent (`creating`) holds its name already. */
export class ModelState {
  readonly networks = new Collection<NetworkId, NetworkState>('network', 'NETWORK_NOT_FOUND')
  readonly endpoints = new Collection<EndpointId, EndpointRecord>('endpoint', 'ENDPOINT_NOT_FOUND')
  readonly sandboxes = new Collection<SandboxId, SandboxRecord>('sandbox', 'SANDBOX_NOT_FOUND')
  readonly #byNetwork = new Map<NetworkId, Set<EndpointId>>()
  readonly #bySandbox = new Map<SandboxId, Set<EndpointId>>()
  readonly #byLink = new Map<EndpointId, Set<EndpointId>>()

  putNetwork(network: NetworkState): void {
    this.networks.put(network.record.id, network.record.name, network)
  }

  putSandbox(sandbox: SandboxRecord): void {
    this.sandboxes.put(sandbox.id, sandbox.name, sandbox)
  }

  putEndpoint(endpoint: EndpointRecord): void {
    const before = this.endpoints.get(endpoint.id)
    if (before?.joined) leaveOut(this.#bySandbox, before.joined.sandbox, endpoint.id)
    this.endpoints.put(endpoint.id, endpointKey(endpoint.network, endpoint.name), endpoint)
    takeIn(this.#byNetwork, endpoint.network, endpoint.id)
    if (endpoint.joined) takeIn(this.#bySandbox, endpoint.joined.sandbox, endpoint.id)
    for (const linked of endpoint.links ?? []) takeIn(this.#byLink, linked, endpoint.id)
  }

  dropEndpoint(id: EndpointId): void {
    const endpoint = this.endpoints.get(id)
    if (endpoint === undefined) return
    this.endpoints.drop(id)
    leaveOut(this.#byNetwork, endpoint.network, id)
    if (endpoint.joined) leaveOut(this.#bySandbox, endpoint.joined.sandbox, id)
    for (const linked of endpoint.links ?? []) leaveOut(this.#byLink, linked, id)
  }

  endpointsOf(network: NetworkId): EndpointRecord[] {
    return this.#collect(this.#byNetwork.get(network))
  }

  endpointsIn(sandbox: SandboxId): EndpointRecord[] {
    return this.#collect(this.#bySandbox.get(sandbox))
  }

  /** Endpoints that link to that one. */
  endpointsLinkedTo(id: EndpointId): EndpointRecord[] {
    return this.#collect(this.#byLink.get(id))
  }

  endpointNamed(network: NetworkId, name: string): EndpointRecord | undefined {
    return this.endpoints.named(endpointKey(network, name))
  }

  #collect(ids: ReadonlySet<EndpointId> | undefined): EndpointRecord[] {
    return [...(ids ?? [])].map((id) => this.endpoints.need(id))
  }
}

function endpointKey(network: NetworkId, name: string): string {
  return `${network}/${name}`
}

function takeIn<K, V>(index: Map<K, Set<V>>, key: K, value: V): void {
  const set = index.get(key)
  if (set === undefined) index.set(key, new Set([value]))
  else set.add(value)
}

function leaveOut<K, V>(index: Map<K, Set<V>>, key: K, value: V): void {
  const set = index.get(key)
  if (set?.delete(value) && set.size === 0) index.delete(key)
}

/** Values by id and by unique name. */
class Collection<Id extends string, Value> {
  readonly #values = new Map<Id, Value>()
  readonly #names = new Map<string, Id>()
  readonly #namesById = new Map<Id, string>()
  readonly #what: string
  readonly #missing: ErrorCode

  constructor(what: string, missing: ErrorCode) {
    this.#what = what
    this.#missing = missing
  }

  put(id: Id, name: string, value: Value): void {
    this.#values.set(id, value)
    this.#names.set(name, id)
    this.#namesById.set(id, name)
  }

  drop(id: Id): void {
    this.#values.delete(id)
    const name = this.#namesById.get(id)
    this.#namesById.delete(id)
    if (name !== undefined && this.#names.get(name) === id) this.#names.delete(name)
  }

  get(id: Id): Value | undefined {
    return this.#values.get(id)
  }

  need(id: Id): Value {
    const value = this.#values.get(id)
    if (value === undefined) throw this.#notFound(id)
    return value
  }

  named(name: string): Value | undefined {
    const id = this.#names.get(name)
    return id === undefined ? undefined : this.#values.get(id)
  }

  /** By full id, then by name, then by an unambiguous beginning of an id. */
  find(text: string): Value {
    const exact = this.#values.get(text as Id) ?? this.named(text)
    if (exact !== undefined) return exact
    const ids = /^[0-9a-f]+$/.test(text)
      ? [...this.#values.keys()].filter((id) => id.startsWith(text))
      : []
    if (ids.length > 1) {
      throw new CnmError(
        'AMBIGUOUS_NAME',
        `${this.#what} "${text}" could be any of ${ids.length}`,
        { details: { candidates: ids }, hint: 'give more characters of the id' },
      )
    }
    const [id] = ids
    if (id === undefined) throw this.#notFound(text)
    return this.need(id)
  }

  all(): Value[] {
    return [...this.#values.values()]
  }

  #notFound(text: string): CnmError {
    return new CnmError(this.#missing, `there is no ${this.#what} "${text}"`, {
      details: { [this.#what]: text },
    })
  }
}
