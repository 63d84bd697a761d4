import { isKernelError } from '../../../base/errors.ts'
import { eachElement, elementAt } from '../../resource.ts'
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
  /**
   * Leave elements alone that have another owner than the one to be removed. A run comes and goes as a
   * whole, so only its ends are asked, unless it turns out that something of it is gone.
   */
  readonly compareOwners?: boolean
  /** Writes down what else belongs to the transaction; called anew if that has to be tried again. */
  readonly also?: (batch: Batch) => void
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
  const { compareOwners = false, also } = options
  const expected = compareOwners ? asExpected(socket, tables, change) : change
  if (expected !== undefined) {
    try {
      commit(socket, tables, expected, also)
      return expected
    } catch (error) {
      // Something is there already, or is gone.
      if (!isKernelError(error, 'EEXIST') && !isKernelError(error, 'ENOENT')) throw error
    }
  }
  const each = { remove: change.remove.flatMap(eachElement), add: change.add.flatMap(eachElement) }
  const needed = whatIsNeeded(socket, tables, each, compareOwners)
  commit(socket, tables, needed, also)
  return needed
}

function commit(
  socket: NetlinkSocket,
  tables: readonly TableDefinition[],
  { remove, add }: ElementChange,
  also: ChangeElementsOptions['also'],
): void {
  const batch = new Batch()
  batch.deleteElements(tables, remove)
  batch.addElements(tables, add)
  also?.(batch)
  batch.commit(socket)
}

/** The change with what goes as it is there; undefined: something is gone, or is somebody else's. */
function asExpected(
  socket: NetlinkSocket,
  tables: readonly TableDefinition[],
  { remove, add }: ElementChange,
): ElementChange | undefined {
  const present = lookUp(socket, tables, remove.flatMap(endsOf))
  const found: Element[] = []
  for (const element of remove) {
    const [first, ...others] = endsOf(element).map((end) => ({
      end,
      there: present.get(canonicalKey(tables, end)),
    }))
    if (element.run === undefined) {
      if (first?.there === undefined || first.there.owner !== element.owner) return undefined
      found.push(first.there)
    } else {
      for (const { end, there } of [first!, ...others]) {
        if (there === undefined || !isSame(tables, there, end)) return undefined
      }
      found.push(element)
    }
  }
  return { remove: found, add }
}

function endsOf(element: Element): Element[] {
  const { run } = element
  return run === undefined ? [element] : [elementAt(element, 0), elementAt(element, run - 1)]
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
