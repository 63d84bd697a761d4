import { isKernelError } from '../../../../base/errors.ts'
import { eachElement, elementAt } from '../../../resource.ts'
import type { TableDefinition } from '../../../ruleset.ts'
import type { NetlinkSocket } from '../../netlink/netlink-socket.ts'
import { Batch } from '../batch.ts'
import { generation } from '../generation.ts'
import { getElement } from '../list.ts'
import { type Element, type ElementChange, shapeFor } from './element.ts'
import { PresentElements } from './present-elements.ts'
import type { RememberedElements } from './remembered-elements.ts'
import { assertRun } from './run.ts'

/** Above this many, reading the whole set is cheaper than asking for each. */
const ASK_FOR_EACH = 64

export interface ChangeElementsOptions {
  /**
   * Leave elements alone that have another owner than the one to be removed. A run comes and goes as a
   * whole, so only its ends are asked, unless it turns out that something of it is gone.
   */
  readonly compareOwners?: boolean
  /** Writes down what comes before elements go; called anew, as below. */
  readonly before?: (batch: Batch) => void
  /** Writes down what comes between those that go and those that come. */
  readonly between?: (batch: Batch) => void
  /** Writes down what else belongs to the transaction; called anew if that has to be tried again. */
  readonly also?: (batch: Batch) => void
  /** How to make it true, as the first after the transaction of that number. Default: by the socket. */
  readonly commit?: (batch: Batch, generation?: number) => void
  /** Of what is in it nothing is asked before it goes. */
  readonly remembered?: RememberedElements
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
  const { compareOwners = false, remembered } = options
  if (remembered !== undefined && remembered.generation === undefined)
    remembered.begin(generation(socket))
  const isHopeless = hasRunThere(socket, tables, change)
  const sure = isHopeless ? undefined : changeKnown(socket, tables, change, options)
  if (sure !== undefined) return sure
  const expected = compareOwners ? asExpected(socket, tables, change) : change
  if (expected !== undefined && !isHopeless) {
    const done = unlessOther(() => commit(socket, tables, expected, options))
    if (done) return expected
  }
  const needed = whatIsNeeded(socket, tables, change, compareOwners)
  commit(socket, tables, needed, options)
  // Something wasn't as it had been put there, perhaps only a part of a run.
  remembered?.forget()
  return needed
}

/** undefined: what goes isn't remembered, or something has changed since. */
function changeKnown(
  socket: NetlinkSocket,
  tables: readonly TableDefinition[],
  { remove, add }: ElementChange,
  options: ChangeElementsOptions,
): ElementChange | undefined {
  const { remembered } = options
  const found = remove.length === 0 ? undefined : remembered?.find(remove)
  if (remembered === undefined || found === undefined) return undefined
  const change = { remove: found, add }
  if (unlessOther(() => commit(socket, tables, change, options, remembered.generation)))
    return change
  remembered.begin(generation(socket))
  return undefined
}

/** Whether it was done; false: something is there already, or is gone, or another process was quicker. */
function unlessOther(work: () => void): boolean {
  try {
    work()
    return true
  } catch (error) {
    const isOther = ['EEXIST', 'ENOENT', 'ERESTART'].some((errno) => isKernelError(error, errno))
    if (isOther) return false
    throw error
  }
}

function commit(
  socket: NetlinkSocket,
  tables: readonly TableDefinition[],
  { remove, add }: ElementChange,
  options: ChangeElementsOptions,
  last?: number,
): void {
  const batch = new Batch()
  options.before?.(batch)
  batch.deleteElements(tables, remove)
  options.between?.(batch)
  batch.addElements(tables, add)
  options.also?.(batch)
  if (options.commit === undefined) batch.commit(socket, last)
  else options.commit(batch, last)
  options.remembered?.note({ remove, add })
}

/** The change with what goes as it is there; undefined: something is gone, or has another owner. */
function asExpected(
  socket: NetlinkSocket,
  tables: readonly TableDefinition[],
  { remove, add }: ElementChange,
): ElementChange | undefined {
  const ends = remove.flatMap(endsOf)
  const present = lookUp(socket, tables, ends)
  const found: Element[] = []
  let isExpected = true
  for (const element of remove) {
    const { run, owner } = element
    const there = present(element)
    for (const end of endsOf(element)) {
      there.look(end, (presence, _, key) => {
        const single = run === undefined ? there.at(key) : undefined
        if (single !== undefined) found.push(single)
        const isOurs = single !== undefined && single.owner === owner
        isExpected &&= run === undefined ? isOurs : presence === 'same'
      })
    }
    if (run !== undefined) found.push(element)
  }
  return isExpected ? { remove: found, add } : undefined
}

/** Whether trying would be in vain: a long run that is refused has taken the time of one that isn't. */
function hasRunThere(
  socket: NetlinkSocket,
  tables: readonly TableDefinition[],
  { remove, add }: ElementChange,
): boolean {
  const isLong = ({ run }: Element) => run !== undefined && run > ASK_FOR_EACH
  // It may be what goes in the same transaction.
  if (remove.some(isLong)) return false
  return add.filter(isLong).some((element) => {
    assertRun(shapeFor(tables, element), element)
    return endsOf(element).some((end) => getElement(socket, tables, end) !== undefined)
  })
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
  const remove = new Parts()
  const add = new Parts()
  for (const element of change.remove) {
    const there = present(element)
    there.look(element, (presence, index, key) => {
      if (presence === 'gone') return
      if (presence === 'same' && element.run !== undefined) remove.add(element, index)
      else {
        const found = there.at(key)!
        if (compareOwners && found.owner !== element.owner) return
        remove.add(found)
      }
      there.forget(key)
    })
  }
  for (const element of change.add) {
    const there = present(element)
    there.look(element, (presence, index, key) => {
      if (presence === 'same') return
      if (presence === 'other') remove.add(there.at(key)!)
      add.add(element, index)
    })
  }
  return { remove: remove.elements, add: add.elements }
}

/** Elements, of which those that follow one another in a run stay together. */
class Parts {
  readonly #parts: { readonly of: Element; readonly from: number; count: number }[] = []

  add(of: Element, index = 0): void {
    const last = this.#parts.at(-1)
    if (last?.of === of && last.from + last.count === index) last.count += 1
    else this.#parts.push({ of, from: index, count: 1 })
  }

  get elements(): Element[] {
    return this.#parts.map(({ of, from, count }) => {
      if (of.run === undefined || of.run === count) return of
      const first = elementAt(of, from)
      return count === 1 ? first : { ...first, run: count }
    })
  }
}

/** What there is of the elements, set by set. */
function lookUp(
  socket: NetlinkSocket,
  tables: readonly TableDefinition[],
  elements: readonly Element[],
): (element: Element) => PresentElements {
  const nameOf = ({ family, table, set }: Element) => `${family} ${table} ${set}`
  const bySet = new Map<string, [Element, ...Element[]]>()
  for (const element of elements) {
    const others = bySet.get(nameOf(element))
    if (others === undefined) bySet.set(nameOf(element), [element])
    else others.push(element)
  }
  const present = new Map(
    [...bySet].map(([name, wanted]) => [name, presentIn(socket, tables, wanted)]),
  )
  return (element) => present.get(nameOf(element))!
}

function presentIn(
  socket: NetlinkSocket,
  tables: readonly TableDefinition[],
  wanted: readonly [Element, ...Element[]],
): PresentElements {
  const count = wanted.reduce((sum, { run = 1 }) => sum + run, 0)
  const isPlain = shapeFor(tables, wanted[0]).interval === 'plain'
  if (count > ASK_FOR_EACH || isPlain) return PresentElements.all(socket, tables, wanted[0])
  const [first, ...others] = wanted.flatMap(eachElement)
  return PresentElements.some(socket, tables, [first!, ...others])
}
