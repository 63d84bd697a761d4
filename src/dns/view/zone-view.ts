import type { IpAddress } from '../../address/address.ts'
import type { Known } from '../answer/known-name.ts'
import type { ReverseName } from '../answer/reverse-name.ts'
import { ExtendedCode, Type } from '../message/constants.ts'
import { isWithin, parentKeys } from '../message/name.ts'
import type { NetworkNames } from './network-names.ts'
import type { Upstreams, Verdict, View } from './view.ts'

/** All networks there are, by the keys of their names: several may share one. Those without: ''. */
type NetworksByName = ReadonlyMap<string, readonly NetworkNames[]>

const REFUSED: Verdict = {
  say: 'refused',
  why: { code: ExtendedCode.NOT_AUTHORITATIVE, text: 'only names below the zone are known here' },
}

/** What the host's own programs see: `name.network.zone` of all networks, and nothing else. */
export class ZoneView implements View {
  readonly upstreams: Upstreams = { from: 'none' }
  readonly random: () => number
  /** The key of its name; undefined if it can't be one. */
  readonly #suffix: string | undefined
  readonly #networks: NetworksByName

  constructor(suffix: string | undefined, networks: NetworksByName, random: () => number) {
    this.#suffix = suffix
    this.#networks = networks
    this.random = random
  }

  find(key: string): Known | undefined {
    const name = this.#inside(key)
    if (name === undefined || name === '') return undefined
    // As inside a sandbox: the longest name counts.
    for (const suffix of parentKeys(name).reverse()) {
      for (const network of this.#networks.get(suffix) ?? []) {
        const known = network.names.get(name.slice(0, name.length - suffix.length))
        if (known !== undefined) return known
      }
    }
    return undefined
  }

  zoneBehind(): string {
    return this.#suffix ?? ''
  }

  owners(address: IpAddress): readonly string[] | undefined {
    const owners = [...this.#networks.values()]
      .flat()
      .filter(({ suffix }) => suffix !== undefined)
      .flatMap((network) => network.owners.get(address) ?? [])
      .flatMap(({ target }) => (target === undefined ? [] : target + this.zoneBehind()))
    return owners.length === 0 ? undefined : owners
  }

  covers(reverse: ReverseName): boolean {
    return this.#some((network) => network.covers(reverse))
  }

  verdict(key: string, type: number): Verdict {
    const name = this.#inside(key)
    if (name === undefined) return REFUSED
    const owner = name.length
    if (owner === 0) return type === Type.SOA ? { say: 'authority' } : { say: 'no-data', owner }
    const parent = this.#some((network) => network.isQualifiedParent(name))
    return { say: parent ? 'no-data' : 'no-name', owner }
  }

  /** What stands before the zone's name. */
  #inside(key: string): string | undefined {
    const suffix = this.#suffix
    if (suffix === undefined || !isWithin(key, suffix)) return undefined
    return key.slice(0, key.length - suffix.length)
  }

  #some(test: (network: NetworkNames) => boolean): boolean {
    for (const networks of this.#networks.values()) if (networks.some(test)) return true
    return false
  }
}
