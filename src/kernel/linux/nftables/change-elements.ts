import { isKernelError } from '../../../base/errors.ts'
import type { TableDefinition } from '../../ruleset.ts'
import type { NetlinkSocket } from '../netlink/netlink-socket.ts'
import { Batch } from './batch.ts'
import { type Element, shapeFor } from './element.ts'
import { decodeParts, encodeParts } from './layout.ts'
import { getElement, listElements } from './list.ts'

export interface ElementChange {
  readonly remove: readonly Element[]
  readonly add: readonly Element[]
}

export interface ChangeElementsOptions {
  /** Leave elements alone that have another owner than the one to be removed. */
  readonly compareOwners?: boolean
}

/**
 * Removes and adds elements in one transaction. What is gone already, or there just so, is fine; one
 * that is there with another value, owner or timeout is replaced. Answers with what really changed, as
 * it was and as it is: exchanged, it is the way back.
 *
 * Errors: a KernelError that names the element; then nothing has changed.
 */
export function changeElements(
  socket: NetlinkSocket,
  tables: readonly TableDefinition[],
  change: ElementChange,
  options: ChangeElementsOptions = {},
): ElementChange {
  if (!options.compareOwners || change.remove.length === 0) {
    try {
      commit(socket, tables, change)
      return change
    } catch (error) {
      // Something is there already, or is gone.
      if (!isKernelError(error, 'EEXIST') && !isKernelError(error, 'ENOENT')) throw error
    }
  }
  const needed = whatIsNeeded(socket, tables, change, options.compareOwners ?? false)
  commit(socket, tables, needed)
  return needed
}

function commit(
  socket: NetlinkSocket,
  tables: readonly TableDefinition[],
  { remove, add }: ElementChange,
): void {
  const batch = new Batch()
  batch.deleteElements(tables, remove)
  batch.addElements(tables, add)
  batch.commit(socket)
}

function whatIsNeeded(
  socket: NetlinkSocket,
  tables: readonly TableDefinition[],
  change: ElementChange,
  compareOwners: boolean,
): ElementChange {
  const present = lookUp(socket, tables, [...change.remove, ...change.add])
  const remove = new Map<string, Element>()
  const add: Element[] = []
  for (const element of change.remove) {
    const key = canonicalKey(tables, element)
    const there = present.get(key)
    if (there === undefined || (compareOwners && there.owner !== element.owner)) continue
    remove.set(key, there)
  }
  for (const element of change.add) {
    const key = canonicalKey(tables, element)
    const there = present.get(key)
    if (there !== undefined && !remove.has(key)) {
      if (isSame(tables, there, element)) continue
      remove.set(key, there)
    }
    add.push(element)
  }
  return { remove: [...remove.values()], add }
}

/** Above this many, reading the whole set is cheaper than asking for each. */
const ASK_FOR_EACH = 64

/** Those of the elements that are there, as they are there, by canonical key. */
function lookUp(
  socket: NetlinkSocket,
  tables: readonly TableDefinition[],
  elements: readonly Element[],
): Map<string, Element> {
  const bySet = new Map<string, Element[]>()
  for (const element of elements) {
    const set = `${element.family} ${element.table} ${element.set}`
    const others = bySet.get(set)
    if (others === undefined) bySet.set(set, [element])
    else others.push(element)
  }
  const present = new Map<string, Element>()
  for (const wanted of bySet.values()) {
    for (const element of presentIn(socket, tables, wanted)) {
      present.set(canonicalKey(tables, element), element)
    }
  }
  return present
}

/** What there is in one set, perhaps more than what is wanted; nothing where the set is gone too. */
function presentIn(
  socket: NetlinkSocket,
  tables: readonly TableDefinition[],
  wanted: readonly Element[],
): Element[] {
  const [first] = wanted as [Element]
  if (wanted.length > ASK_FOR_EACH || shapeFor(tables, first).interval === 'plain') {
    try {
      return listElements(socket, tables, first)
    } catch (error) {
      if (isKernelError(error, 'ENOENT')) return []
      throw error
    }
  }
  return wanted
    .map((element) => getElement(socket, tables, element))
    .filter((element) => element !== undefined)
}

/** The same for every way to write a key: `tcp` and `6`, `10.0.0.1` and `10.0.0.1/32`. */
function canonicalKey(tables: readonly TableDefinition[], element: Element): string {
  const { key } = shapeFor(tables, element)
  const parts = decodeParts(key, encodeParts(key, element.key))
  return [element.family, element.table, element.set, ...parts].join(' ')
}

function isSame(tables: readonly TableDefinition[], there: Element, wanted: Element): boolean {
  const { value } = shapeFor(tables, wanted)
  const parts = wanted.value ?? []
  const canonical =
    value === undefined || value === 'verdict'
      ? parts
      : decodeParts(value, encodeParts(value, parts))
  return (
    (there.value ?? []).join(' . ') === canonical.join(' . ') &&
    there.owner === wanted.owner &&
    (wanted.timeoutMs === undefined || there.timeoutMs === wanted.timeoutMs)
  )
}
