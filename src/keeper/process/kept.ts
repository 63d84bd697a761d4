import { type NameSource, Names, type View } from '../../dns/view/names.ts'
import type { KeptResource, ResolverResource, ZoneResource } from '../../kernel/kept-resource.ts'
import { resourceKey } from '../../kernel/resource.ts'
import type { KeeperRequest } from '../keeper.ts'
import { socketFault } from './control/handed-sockets.ts'
import type { EndpointSockets, RelayChange } from './control/messages.ts'
import { ResolverEndpoint } from './resolver/answering.ts'

/** What an engine wants to be different. */
export type Change = Omit<Extract<KeeperRequest, { op: 'change' }>, 'op' | 'number'>

/** What has become different, for those who serve it. */
export interface Difference {
  readonly remove: readonly string[]
  readonly add: readonly NameSource[]
  readonly opened: readonly OpenedEndpoint[]
  /** Nothing is answered there any more; their sockets are still open. */
  readonly closed: readonly ResolverEndpoint[]
  readonly relays: readonly RelayChange[]
}

interface OpenedEndpoint {
  readonly endpoint: ResolverEndpoint
  readonly resource: ResolverResource | ZoneResource
}

/** The resources the keeper holds, and what is known of names because of them. */
export class Kept {
  readonly #resources = new Map<string, KeptResource>()
  readonly #names = new Names()
  readonly #endpoints = new Map<string, ResolverEndpoint>()
  #lastId = 0

  get resources(): readonly KeptResource[] {
    return [...this.#resources.values()]
  }

  /** Whether anything is served. */
  get isNeeded(): boolean {
    for (const { kind } of this.#resources.values()) {
      if (kind === 'resolver' || kind === 'relay') return true
    }
    return false
  }

  /** Why that can't be done with so many descriptors: a sentence. */
  fault(change: Change, descriptors: readonly number[]): string | undefined {
    const keys = new Set<string>()
    let used = 0
    for (const { resource, sockets } of change.add) {
      const key = resourceKey(resource)
      if (keys.has(key)) return `${key} is there twice`
      keys.add(key)
      const isHeld = this.#resources.has(key) && !change.remove.includes(key)
      const own = descriptors.slice(used, used + sockets)
      const fault = socketFault(resource, sockets, own, isHeld)
      if (fault !== undefined) return `${key}: ${fault}`
      used += sockets
    }
    if (used === descriptors.length) return undefined
    return `${descriptors.length} descriptors came, for ${used} sockets`
  }

  /** To be called with what has no fault. */
  change({ remove, add }: Change, descriptors: readonly number[]): Difference {
    const added = add.map(({ resource }) => resource)
    const stay = new Set(added.map(resourceKey))
    const removed = remove.filter((key) => this.#resources.has(key) && !stay.has(key))
    const sources = added.filter(isNameSource)
    this.#names.change(removed, sources)
    const closed: ResolverEndpoint[] = []
    const opened: OpenedEndpoint[] = []
    const relays: RelayChange[] = []
    for (const key of removed) {
      const { kind } = this.#resources.get(key)!
      if (kind === 'relay') relays.push({ key, relay: undefined, fd: undefined })
      this.#resources.delete(key)
      closed.push(...this.#takeEndpoint(key))
    }
    const rest = [...descriptors]
    for (const { resource, sockets } of add) {
      const key = resourceKey(resource)
      const own = rest.splice(0, sockets)
      this.#resources.set(key, resource)
      if (resource.kind === 'relay') relays.push({ key, relay: resource, fd: own[0] })
      if (resource.kind !== 'resolver' && resource.kind !== 'zone') continue
      if (own.length > 0) {
        closed.push(...this.#takeEndpoint(key))
        opened.push(this.#open(key, resource, own))
      } else this.#endpoints.get(key)!.view = this.#viewOf(resource)
    }
    return { remove: removed, add: sources, opened, closed, relays }
  }

  /** The keys of the resolvers at these endpoints, and of all names of their sandboxes. */
  keysOf(endpoints: ReadonlySet<number>): readonly string[] {
    const keys = [...this.#endpoints].flatMap(([key, { id }]) => (endpoints.has(id) ? [key] : []))
    const sandboxes = new Set(keys.map((key) => this.#endpoints.get(key)!.sandbox))
    // Who has another resolver is still there.
    for (const { id, sandbox } of this.#endpoints.values()) {
      if (!endpoints.has(id)) sandboxes.delete(sandbox)
    }
    for (const [key, resource] of this.#resources) {
      if (resource.kind === 'names' && sandboxes.has(resource.sandbox)) keys.push(key)
    }
    return keys
  }

  #open(
    key: string,
    resource: ResolverResource | ZoneResource,
    own: readonly number[],
  ): OpenedEndpoint {
    this.#lastId += 1
    const sandbox = resource.kind === 'resolver' ? resource.sandbox : undefined
    const endpoint = new ResolverEndpoint(
      this.#lastId,
      endpointSockets(own),
      sandbox,
      this.#viewOf(resource),
    )
    this.#endpoints.set(key, endpoint)
    return { endpoint, resource }
  }

  #takeEndpoint(key: string): ResolverEndpoint[] {
    const endpoint = this.#endpoints.get(key)
    this.#endpoints.delete(key)
    return endpoint === undefined ? [] : [endpoint]
  }

  #viewOf(resource: ResolverResource | ZoneResource): View {
    return viewOf(this.#names, resource)
  }
}

/** Where that change's resolvers and zones are asked from now on. */
export function endpointSocketsOf(
  { add }: Change,
  descriptors: readonly number[],
): readonly EndpointSockets[] {
  let used = 0
  return add.flatMap(({ resource, sockets }) => {
    const at = used
    used += sockets
    const isAsked = resource.kind === 'resolver' || resource.kind === 'zone'
    return isAsked && sockets > 0 ? [endpointSockets(descriptors.slice(at, used))] : []
  })
}

function endpointSockets([udp, tcp]: readonly number[]): EndpointSockets {
  return { udp: udp!, tcp: tcp! }
}

/** What may be asked there. It is there as long as that resource is among the names. */
export function viewOf(names: Names, resource: ResolverResource | ZoneResource): View {
  const view =
    resource.kind === 'resolver' ? names.view(resource.sandbox) : names.zoneView(resource.name)
  if (view === undefined) throw new Error(`there is no view for ${resourceKey(resource)}`)
  return view
}

function isNameSource(resource: KeptResource): resource is NameSource {
  return resource.kind !== 'relay'
}
