import type { IpAddress } from '../../address/address.ts'
import type { NamesResource } from '../../kernel/kept-resource.ts'
import { isWithin, MOST_NAME_BYTES, nameKey } from '../message/name.ts'
import { AddressRecords } from './address-records.ts'

/** A name that is answered here. */
export interface Known {
  readonly records: AddressRecords
  /** The endpoints that have it. None for names that only one sandbox sees. */
  readonly members: readonly Member[]
}

/** An endpoint with what its names need, made once for all of them. */
export class Member {
  readonly resource: NamesResource
  /** Of its names, those that can be asked for. */
  readonly keys: readonly string[]
  /** What its addresses are called: its first name with that of its network. */
  readonly target: string | undefined
  #records: AddressRecords | undefined

  constructor(resource: NamesResource) {
    this.resource = resource
    this.keys = [...new Set(resource.names.flatMap(usableKeys))]
    const first = this.keys[0]
    const full = first === undefined ? undefined : first + (networkSuffix(resource) ?? '')
    this.target = full === undefined || full.length < MOST_NAME_BYTES ? full : first
  }

  get records(): AddressRecords {
    this.#records ??= new AddressRecords(this.resource.addresses)
    return this.#records
  }
}

/** A name of endpoints; its records are made when they are asked for. */
export class SharedName implements Known {
  readonly members: Member[] = []
  #records: AddressRecords | undefined

  get records(): AddressRecords {
    // Most names have one endpoint, whose names then have the same records.
    if (this.members.length === 1) return this.members[0]!.records
    this.#records ??= new AddressRecords(this.members.flatMap(({ resource }) => resource.addresses))
    return this.#records
  }

  add(member: Member): void {
    this.members.push(member)
    this.#records = undefined
  }

  remove(member: Member): void {
    this.members.splice(this.members.indexOf(member), 1)
    this.#records = undefined
  }
}

/** Names that are not shared. */
export function ownNames(
  own: Readonly<Record<string, readonly IpAddress[]>>,
): ReadonlyMap<string, Known> {
  const names = new Map<string, Known>()
  for (const [name, addresses] of Object.entries(own)) {
    for (const key of usableKeys(name)) {
      names.set(key, { records: new AddressRecords(addresses), members: [] })
    }
  }
  return names
}

/** The key of a network's name, as it stands behind names; undefined if it can't be asked for. */
export function networkSuffix({ network }: Pick<NamesResource, 'network'>): string | undefined {
  return usableKeys(network.name)[0]
}

/** `localhost` is always this host itself (RFC 6761), and what addresses are called isn't said by names. */
const RESERVED = ['\x09localhost', '\x04arpa']

function usableKeys(name: string): readonly string[] {
  const key = nameKey(name)
  return key === undefined || RESERVED.some((suffix) => isWithin(key, suffix)) ? [] : [key]
}
