import { isDeepStrictEqual } from 'node:util'
import type { NetworkId } from '../../base/id.ts'
import type { NetworkDriver } from '../../driver/driver.ts'
import type { ZoneResource } from '../../kernel/kept-resource.ts'
import type { HostView } from '../../kernel/kernel.ts'
import { type Resource, resourceKey } from '../../kernel/resource.ts'
import { isSame } from '../../kernel/same-resource.ts'
import type { Write } from '../../store/store.ts'
import { networkSpec } from '../endpoint/specs.ts'
import type { NetworkRecord } from '../records.ts'
import type { Claim } from './ledger.ts'

/** The owner of what all networks share, and the id of its record. */
export const HOST = 'host'

/** What a step means to what all networks share. */
export type Sharing =
  | { readonly come: NetworkRecord; readonly view: HostView }
  /** Nothing comes or changes by that. */
  | { readonly go: NetworkRecord }
  /** As it is for these, and for those that are being made. */
  | {
      readonly anew: readonly NetworkRecord[]
      readonly resources: readonly Resource[]
      readonly view: HostView
    }

/** What the host has claimed for a step. */
export interface HostClaim extends Claim {
  /** Counts the claims. */
  readonly number: number
}

interface Options {
  readonly driver: (name: string) => NetworkDriver
  readonly zone: ZoneResource | undefined
}

/**
 * What all networks share (tables, settings of uplinks, consents, the zone) belongs to the host: it is there
 * while any network wants it, and changes in one step for all. Networks that are made and removed side by
 * side take turns at it.
 */
export class HostShare {
  readonly #options: Options
  /** Those that want it. */
  readonly #networks = new Map<NetworkId, NetworkRecord>()
  #resources: readonly Resource[] = []
  /** What is claimed no more, or otherwise, until the machine is changed. */
  #leaving: readonly Resource[] = []
  /** What its record says; undefined: unknown. */
  #recorded: readonly Resource[] | undefined
  #view: HostView | undefined
  #number = 0
  #turn: Promise<unknown> = Promise.resolve()

  constructor(options: Options) {
    this.#options = options
  }

  /** What there is by its record, to be claimed. */
  load(resources: readonly Resource[]): Claim {
    this.#resources = resources
    this.#recorded = resources
    return { owner: HOST, from: [], to: resources }
  }

  /** A network that was there before. */
  wantedBy(record: NetworkRecord): void {
    this.#networks.set(record.id, record)
  }

  get resources(): readonly Resource[] {
    return this.#resources
  }

  is(wanted: readonly Resource[]): boolean {
    const now = new Map(this.#resources.map((each) => [resourceKey(each), each]))
    return (
      wanted.length === now.size &&
      wanted.every((each) => {
        const there = now.get(resourceKey(each))
        return there !== undefined && isSame(there, each)
      })
    )
  }

  /** Runs `work` when everything before it has ended. It must not wait for what wants a turn. */
  async inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(work)
    this.#turn = mine.catch(() => {})
    return mine
  }

  /** What the host has to claim for it. Throws what a driver throws, and then nothing is different. */
  claim(sharing: Sharing): HostClaim {
    if ('go' in sharing) {
      this.#networks.delete(sharing.go.id)
      return this.#change(this.#stillWanted())
    }
    const [coming, wanted] =
      'anew' in sharing
        ? [sharing.anew, sharing.resources]
        : [[sharing.come], this.describe([sharing.come], sharing.view)]
    this.#view = sharing.view
    for (const record of coming) this.#networks.set(record.id, record)
    return this.#change(wanted)
  }

  /** What those want that want it already, and these. */
  describe(more: readonly NetworkRecord[], view: HostView): readonly Resource[] {
    const all = new Map(this.#networks)
    for (const record of more) all.set(record.id, record)
    return this.#describe([...all.values()], view)
  }

  /** What takes such a claim back, whatever others have claimed since: from what is claimed to that. */
  unclaim(sharing: Sharing, { from, number }: HostClaim): Claim {
    const isLast = number === this.#number
    if ('come' in sharing) this.#networks.delete(sharing.come.id)
    if ('go' in sharing) this.#networks.set(sharing.go.id, sharing.go)
    if (isLast) return this.#change(from)
    if (!('go' in sharing)) return this.#change(this.#stillWanted())
    const back = [...from, ...missing(this.#wanted([]), from)]
    return this.#change([...this.#resources, ...missing(back, this.#resources)])
  }

  /** The machine is as it is claimed. */
  settled(): void {
    this.#leaving = []
  }

  /** What is to be recorded: all that may be on the machine. */
  writes(): readonly Write[] {
    const resources = [...this.#leaving, ...missing(this.#resources, this.#leaving)]
    const known = this.#recorded
    const isKnown = known?.length === resources.length
    if (isKnown && resources.every((each, at) => isDeepStrictEqual(each, known[at]))) return []
    this.#recorded = resources
    const value = resources.length === 0 ? null : { id: HOST, resources }
    return [{ kind: 'engine', id: HOST, value: value as unknown as Write['value'] }]
  }

  /** It wasn't. */
  unrecorded(): void {
    this.#recorded = undefined
  }

  /** What stays the same is the same object afterwards. */
  #change(to: readonly Resource[]): HostClaim {
    const from = this.#resources
    const was = new Map(from.map((each) => [resourceKey(each), each]))
    const is = to.map((each) => {
      const before = was.get(resourceKey(each))
      return before !== undefined && isSame(before, each) ? before : each
    })
    const stays = new Set(is)
    this.#leaving = from.filter((each) => !stays.has(each))
    this.#resources = is
    this.#number += 1
    return { owner: HOST, from, to: is, number: this.#number }
  }

  #describe(networks: readonly NetworkRecord[], view: HostView): readonly Resource[] {
    const drivers = new Map<NetworkDriver, NetworkRecord[]>()
    for (const record of networks) {
      const driver = this.#options.driver(record.driver)
      const others = drivers.get(driver)
      if (others === undefined) drivers.set(driver, [record])
      else others.push(record)
    }
    const { zone } = this.#options
    const isNamed = [...drivers.keys()].some(({ capabilities }) => capabilities.addresses)
    const all = [
      ...[...drivers].flatMap(([driver, records]) => {
        return driver.describeHost?.(records.map(networkSpec), view) ?? []
      }),
      ...(zone !== undefined && isNamed ? [zone] : []),
    ]
    // Several drivers may share it, too.
    return [...new Map(all.map((each) => [resourceKey(each), each])).values()]
  }

  /** Of what there is, what those want that are left. */
  #stillWanted(): readonly Resource[] {
    if (this.#networks.size === 0) return []
    const wanted = new Set(this.#wanted(this.#resources).map(resourceKey))
    return this.#resources.filter((each) => wanted.has(resourceKey(each)))
  }

  #wanted(otherwise: readonly Resource[]): readonly Resource[] {
    if (this.#view === undefined) return otherwise
    try {
      return this.#describe([...this.#networks.values()], this.#view)
    } catch {
      return otherwise
    }
  }
}

/** What there is none of among others. */
function missing(resources: readonly Resource[], others: readonly Resource[]): Resource[] {
  const keys = new Set(others.map(resourceKey))
  return resources.filter((each) => !keys.has(resourceKey(each)))
}
