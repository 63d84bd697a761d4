import type { NamesResource, ResolverResource, ZoneResource } from '../../kernel/kept-resource.ts'
import { resourceKey } from '../../kernel/resource.ts'
import { Member } from '../answer/known-name.ts'
import { nameKey } from '../message/name.ts'
import { NetworkNames } from './network-names.ts'
import { SandboxView, type Sight, sightOf } from './sandbox-view.ts'
import type { View } from './view.ts'
import { ZoneView } from './zone-view.ts'

export type { Upstreams, View } from './view.ts'

/** What names come from. */
export type NameSource = ResolverResource | NamesResource | ZoneResource

/** What is known of one sandbox. */
interface Sandbox {
  readonly view: SandboxView
  readonly resolvers: Map<string, ResolverResource>
  readonly sights: Map<string, Sight>
}

/** An endpoint, and where its names are. */
interface Place {
  readonly member: Member
  readonly network: NetworkNames
}

/**
 * Who may ask for which names, and what is answered. What a change costs doesn't depend on how many
 * sandboxes and endpoints there are: a network's names are there once, for all who see them.
 */
export class Names {
  readonly #random: () => number
  readonly #sources = new Map<string, NameSource>()
  readonly #sandboxes = new Map<string, Sandbox>()
  /** By id and name. */
  readonly #networks = new Map<string, NetworkNames>()
  readonly #networksByName = new Map<string, readonly NetworkNames[]>()
  readonly #places = new Map<string, Place>()
  readonly #zones = new Map<string, ZoneView>()
  /** Their keys, the longest first. */
  readonly #zoneKeys = new Set<string>()

  /** `random` gives numbers in [0, 1): which of several records is the first. */
  constructor(random: () => number = Math.random) {
    this.#random = random
  }

  /**
   * First takes away what has one of these keys (resourceKey), then adds; adding a key that is there
   * replaces it.
   */
  change(remove: readonly string[], add: readonly NameSource[]): void {
    const touched = new Set<string>()
    for (const key of remove) this.#remove(key, touched)
    for (const source of add) {
      const key = resourceKey(source)
      this.#remove(key, touched)
      this.#add(key, source, touched)
    }
    for (const id of touched) this.#update(id)
  }

  /**
   * What a sandbox may ask; undefined where it has no resolver. The same object for as long as it has
   * one; its content follows changes.
   */
  view(sandbox: string): View | undefined {
    const found = this.#sandboxes.get(sandbox)
    return found === undefined || found.resolvers.size === 0 ? undefined : found.view
  }

  /** By the zone's name; undefined where there is no such zone. */
  zoneView(zone: string): View | undefined {
    return this.#zones.get(zone)
  }

  #add(key: string, source: NameSource, touched: Set<string>): void {
    this.#sources.set(key, source)
    if (source.kind === 'zone') {
      const view = new ZoneView(nameKey(source.name), this.#networksByName, this.#random)
      this.#zones.set(source.name, view)
      this.#sortZones()
      return
    }
    touched.add(source.sandbox)
    const sandbox = this.#sandbox(source.sandbox)
    if (source.kind === 'resolver') {
      sandbox.resolvers.set(key, source)
      return
    }
    const network = this.#network(source)
    const member = new Member(source)
    network.add(member)
    this.#places.set(key, { member, network })
    sandbox.sights.set(key, sightOf(source, network))
  }

  #remove(key: string, touched: Set<string>): void {
    const source = this.#sources.get(key)
    if (source === undefined) return
    this.#sources.delete(key)
    if (source.kind === 'zone') {
      this.#zones.delete(source.name)
      this.#sortZones()
      return
    }
    touched.add(source.sandbox)
    const sandbox = this.#sandbox(source.sandbox)
    sandbox.resolvers.delete(key)
    sandbox.sights.delete(key)
    const place = this.#places.get(key)
    if (place === undefined) return
    this.#places.delete(key)
    place.network.remove(place.member)
    if (place.network.empty) this.#forget(place.network)
  }

  /** Lets a sandbox see what there is for it now. */
  #update(id: string): void {
    const { resolvers, sights, view } = this.#sandbox(id)
    view.update([...resolvers.values()].at(-1), [...sights.values()])
    if (resolvers.size + sights.size === 0) this.#sandboxes.delete(id)
  }

  #sandbox(id: string): Sandbox {
    const found = this.#sandboxes.get(id)
    if (found !== undefined) return found
    const view = new SandboxView(this.#zoneKeys, this.#random)
    const sandbox = { view, resolvers: new Map(), sights: new Map() }
    this.#sandboxes.set(id, sandbox)
    return sandbox
  }

  #network(resource: NamesResource): NetworkNames {
    const key = networkKey(resource.network)
    const found = this.#networks.get(key)
    if (found !== undefined) return found
    const network = new NetworkNames(resource)
    this.#networks.set(key, network)
    const named = [...(this.#networksByName.get(network.suffix ?? '') ?? []), network]
    this.#networksByName.set(
      network.suffix ?? '',
      named.sort((a, b) => (networkKey(a) < networkKey(b) ? -1 : 1)),
    )
    return network
  }

  #forget(network: NetworkNames): void {
    this.#networks.delete(networkKey(network))
    const suffix = network.suffix ?? ''
    const others = this.#networksByName.get(suffix)!.filter((one) => one !== network)
    if (others.length === 0) this.#networksByName.delete(suffix)
    else this.#networksByName.set(suffix, others)
  }

  #sortZones(): void {
    const keys = [...this.#zones.keys()].flatMap((name) => nameKey(name) ?? [])
    this.#zoneKeys.clear()
    for (const key of keys.sort((a, b) => b.length - a.length)) this.#zoneKeys.add(key)
  }
}

function networkKey({ id, name }: { readonly id: string; readonly name: string }): string {
  return `${id} ${name}`
}
