import type { Change } from '../../kernel/kernel.ts'
import { type Resource, resourceKey } from '../../kernel/resource.ts'
import { isSame } from '../../kernel/same-resource.ts'

/** One owner's resources, before and after. */
export interface Claim {
  readonly owner: string
  readonly from: readonly Resource[]
  readonly to: readonly Resource[]
}

/** Another owner has that key with other content. */
export class ClaimConflict extends Error {
  override readonly name = 'ClaimConflict'
  readonly resource: Resource
  readonly owners: readonly string[]

  constructor(resource: Resource, owners: readonly string[]) {
    super(`${resourceKey(resource)} is owned by ${owners.join(', ')}`)
    this.resource = resource
    this.owners = owners
  }
}

interface Entry {
  readonly resource: Resource
  readonly owners: ReadonlySet<string>
}

/**
 * Who wants what in the kernel. A resource may have several owners if all of them describe it in the
 * same way; it is made for the first and removed after the last.
 */
export class Ledger {
  readonly #entries = new Map<string, Entry>()

  /** Takes over the claims and answers with what has to change in the kernel; all or nothing. */
  claim(claims: readonly Claim[]): Change {
    const before = new Map<string, Entry | undefined>()
    try {
      for (const { owner, from } of claims) for (const each of from) this.#drop(each, owner, before)
      for (const { owner, to } of claims) for (const each of to) this.#add(each, owner, before)
    } catch (error) {
      for (const [key, entry] of before) this.#put(key, entry)
      throw error
    }
    return this.#difference(before)
  }

  /**
   * Takes claims back and answers with what has to change in the kernel for that, if they were made true
   * there: what has come to belong to others as well stays, and what is others' by now stays theirs.
   */
  unclaim(claims: readonly Claim[]): Change {
    const before = new Map<string, Entry | undefined>()
    for (const { owner, to } of claims) for (const each of to) this.#drop(each, owner, before)
    for (const { owner, from } of claims) {
      for (const each of from) if (!this.#isOthers(each)) this.#add(each, owner, before)
    }
    return this.#difference(before)
  }

  /** Of these, what has an owner, just so. */
  wanted(resources: readonly Resource[]): Resource[] {
    return resources.filter((each) => {
      const entry = this.#entries.get(resourceKey(each))
      return entry !== undefined && isSame(entry.resource, each)
    })
  }

  /**
   * A change that was claimed a while ago, without the removal of what is another owner's by now: addresses and
   * MACs change hands while the change waits for the store. (Ports and pools don't, until it has ended.)
   */
  asOfNow({ remove, add }: Change): Change {
    const added = new Set(add.map(resourceKey))
    const isOthers = (each: Resource) =>
      (each.kind === 'neighbour' || each.kind === 'fdb') &&
      !added.has(resourceKey(each)) &&
      this.has(each)
    return { remove: remove.filter((each) => !isOthers(each)), add }
  }

  owners(): ReadonlySet<string> {
    return new Set([...this.#entries.values()].flatMap(({ owners }) => [...owners]))
  }

  /** What that owner has claimed, perhaps with others. */
  ownedBy(owner: string): Resource[] {
    return [...this.#entries.values()]
      .filter(({ owners }) => owners.has(owner))
      .map(({ resource }) => resource)
  }

  isOwner(resource: Resource, owner: string): boolean {
    return this.#entries.get(resourceKey(resource))?.owners.has(owner) ?? false
  }

  get(key: string): Resource | undefined {
    return this.#entries.get(key)?.resource
  }

  has(resource: Resource): boolean {
    return this.#entries.has(resourceKey(resource))
  }

  all(): Resource[] {
    return [...this.#entries.values()].map(({ resource }) => resource)
  }

  #isOthers(resource: Resource): boolean {
    const entry = this.#entries.get(resourceKey(resource))
    return entry !== undefined && !isSame(entry.resource, resource)
  }

  #drop(resource: Resource, owner: string, before: Map<string, Entry | undefined>): void {
    const key = resourceKey(resource)
    const entry = this.#entries.get(key)
    if (entry === undefined || !entry.owners.has(owner)) return
    if (!before.has(key)) before.set(key, entry)
    const owners = new Set(entry.owners)
    owners.delete(owner)
    this.#put(key, owners.size === 0 ? undefined : { resource: entry.resource, owners })
  }

  #add(resource: Resource, owner: string, before: Map<string, Entry | undefined>): void {
    const key = resourceKey(resource)
    const entry = this.#entries.get(key)
    if (entry !== undefined && !isSame(entry.resource, resource)) {
      throw new ClaimConflict(resource, [...entry.owners])
    }
    if (!before.has(key)) before.set(key, entry)
    this.#put(key, {
      resource: entry?.resource ?? resource,
      owners: new Set(entry?.owners).add(owner),
    })
  }

  #put(key: string, entry: Entry | undefined): void {
    if (entry === undefined) this.#entries.delete(key)
    else this.#entries.set(key, entry)
  }

  #difference(before: ReadonlyMap<string, Entry | undefined>): Change {
    const remove: Resource[] = []
    const add: Resource[] = []
    for (const [key, was] of before) {
      const is = this.#entries.get(key)
      if (was !== undefined && is !== undefined && isSame(was.resource, is.resource)) continue
      if (
        was !== undefined &&
        !(was.resource.kind === 'bridge' && was.resource.origin === 'adopt')
      ) {
        remove.push(was.resource)
      }
      if (is !== undefined) add.push(is.resource)
    }
    return { remove, add }
  }
}
