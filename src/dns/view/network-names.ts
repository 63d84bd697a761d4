import type { IpAddress, Prefix } from '../../address/address.ts'
import type { NamesResource } from '../../kernel/kept-resource.ts'
import { type Member, networkSuffix, SharedName } from '../answer/known-name.ts'
import { liesIn, type ReverseName, type Subnet, subnetOf } from '../answer/reverse-name.ts'
import { isWithin, parentKeys } from '../message/name.ts'

/**
 * The names of a network's endpoints, once for all sandboxes on it. What an endpoint costs when it comes
 * or goes doesn't depend on how many there are.
 */
export class NetworkNames {
  readonly id: string
  readonly name: string
  /** The key of its name, as it stands behind names; undefined if it can't be asked for. */
  readonly suffix: string | undefined
  /** Without the network's name. */
  readonly names = new Map<string, SharedName>()
  readonly owners = new Map<IpAddress, Member[]>()
  /** Names that have others below them: how many. */
  readonly #parents = new Map<string, number>()
  readonly #subnets = new Map<Prefix, Subnet & { users: number }>()
  #members = 0

  constructor(resource: NamesResource) {
    this.id = resource.network.id
    this.name = resource.network.name
    this.suffix = networkSuffix(resource)
  }

  get empty(): boolean {
    return this.#members === 0
  }

  add(member: Member): void {
    this.#members += 1
    for (const key of member.keys) {
      const name = this.names.get(key) ?? new SharedName()
      name.add(member)
      this.names.set(key, name)
      for (const parent of parentKeys(key)) change(this.#parents, parent, 1)
    }
    for (const address of new Set(member.resource.addresses)) {
      const owners = this.owners.get(address)
      if (owners === undefined) this.owners.set(address, [member])
      else owners.push(member)
    }
    for (const prefix of member.resource.subnets) {
      const subnet = this.#subnets.get(prefix)
      if (subnet === undefined) this.#subnets.set(prefix, { ...subnetOf(prefix), users: 1 })
      else subnet.users += 1
    }
  }

  /** One that was added. */
  remove(member: Member): void {
    this.#members -= 1
    for (const key of member.keys) {
      const name = this.names.get(key)!
      name.remove(member)
      if (name.members.length === 0) this.names.delete(key)
      for (const parent of parentKeys(key)) change(this.#parents, parent, -1)
    }
    for (const address of new Set(member.resource.addresses)) {
      const owners = this.owners.get(address)!
      owners.splice(owners.indexOf(member), 1)
      if (owners.length === 0) this.owners.delete(address)
    }
    for (const prefix of member.resource.subnets) {
      const subnet = this.#subnets.get(prefix)!
      subnet.users -= 1
      if (subnet.users === 0) this.#subnets.delete(prefix)
    }
  }

  /** Whether all the name stands for is in a subnet of it. */
  covers(reverse: ReverseName): boolean {
    for (const subnet of this.#subnets.values()) if (liesIn(reverse, subnet)) return true
    return false
  }

  /** Whether nothing has that name, but something one below it. */
  isParent(key: string): boolean {
    return this.#parents.has(key)
  }

  /** The same for names with the network's own name behind them. */
  isQualifiedParent(key: string): boolean {
    const { suffix } = this
    if (suffix === undefined) return false
    if (isWithin(suffix, key)) return true
    return isWithin(key, suffix) && this.isParent(key.slice(0, key.length - suffix.length))
  }
}

function change(counts: Map<string, number>, key: string, by: 1 | -1): void {
  const count = (counts.get(key) ?? 0) + by
  if (count === 0) counts.delete(key)
  else counts.set(key, count)
}
