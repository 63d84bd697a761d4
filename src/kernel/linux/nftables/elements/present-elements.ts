import { isKernelError } from '../../../../base/errors.ts'
import { elementAt } from '../../../resource.ts'
import type { TableDefinition } from '../../../ruleset.ts'
import type { NetlinkSocket } from '../../netlink/netlink-socket.ts'
import { getElement, listElements } from '../list.ts'
import type { SetShape } from '../set.ts'
import { decodeParts, encodeParts, type Layout } from '../values/layout.ts'
import { encodeComment, encodeUserData } from '../values/user-data.ts'
import { type Element, type Place, shapeFor } from './element.ts'
import {
  decodeRaw,
  isPiece,
  listRawEntries,
  type RawEntry,
  rawKey,
  rawKeyEnd,
  rawText,
  rawUserData,
  rawValue,
} from './raw-entry.ts'

/** `same`: it is there just so; `other`: with another value, owner or timeout. */
export type Presence = 'gone' | 'same' | 'other'

export type PresenceVisit = (
  presence: Presence,
  index: number,
  key: string,
  present: PresentElements,
) => void

/**
 * What was in one set when it was asked. Elements are found by the bytes of their keys, so it doesn't
 * matter how those are written: `tcp` and `6`, `10.0.0.1` and `10.0.0.1/32`. One that a listing lacks may
 * be there all the same while the set is growing, so it is asked for by its key before it is called gone.
 */
export class PresentElements {
  readonly #place: Place
  readonly #shape: SetShape
  readonly #entries = new Map<string, RawEntry>()
  /** Those that had to be read to be found. */
  readonly #elements = new Map<string, Element>()
  /** For what the listing lacks; undefined: it lacks nothing. */
  #get: ((element: Element) => Element | undefined) | undefined
  /** There is no need to ask for these again. */
  readonly #gone = new Set<string>()

  private constructor(tables: readonly TableDefinition[], place: Place) {
    this.#place = place
    this.#shape = shapeFor(tables, place)
  }

  /** All elements of the set; none where it isn't there. INVALID_ARGUMENT if it isn't defined. */
  static all(
    socket: NetlinkSocket,
    tables: readonly TableDefinition[],
    place: Place,
  ): PresentElements {
    const present = new PresentElements(tables, place)
    if (present.#shape.interval === 'plain') {
      for (const element of listPresent(socket, tables, place)) present.#put(element)
    } else {
      const entries = listRawEntries(socket, place)
      for (const entry of entries) present.#putEntry(entry)
      // In one that is growing, something is told twice: see `untilWhole`.
      const isWhole = present.#entries.size === entries.length
      if (!isWhole) present.#get = (element) => getElement(socket, tables, element)
    }
    return present
  }

  /** Asks for each of these, which are in one set and no runs. Not for sets of plain intervals. */
  static some(
    socket: NetlinkSocket,
    tables: readonly TableDefinition[],
    elements: readonly [Element, ...Element[]],
  ): PresentElements {
    const present = new PresentElements(tables, elements[0])
    for (const element of elements) {
      const there = getElement(socket, tables, element)
      if (there !== undefined) present.#put(there)
    }
    return present
  }

  /** Looks for an element, or for each of a run in turn. INVALID_ARGUMENT: it can't be in the set. */
  look(element: Element, visit: PresenceVisit): void {
    const { run } = element
    const wanted = this.#wantedBytes(element)
    for (let index = 0; index < (run ?? 1); index++) {
      const key = this.#keyText(wanted)
      const one = () => (run === undefined ? element : elementAt(element, index))
      const isThere = this.#entries.has(key) || this.#elements.has(key) || this.#isFound(key, one)
      const isSame = () => this.#isJust(key, wanted) || this.#isSame(key, one())
      visit(isThere ? (isSame() ? 'same' : 'other') : 'gone', index, key, this)
      if (run !== undefined) this.#countUp(wanted)
    }
  }

  /** The element that was found there. */
  at(key: string): Element | undefined {
    const entry = this.#entries.get(key)
    return entry === undefined
      ? this.#elements.get(key)
      : decodeRaw(this.#shape, this.#place, entry)
  }

  /** From now on it counts as gone. */
  forget(key: string): void {
    this.#entries.delete(key)
    this.#elements.delete(key)
    this.#gone.add(key)
  }

  /** Whether it is there though the listing lacks it. */
  #isFound(key: string, element: () => Element): boolean {
    if (this.#get === undefined || this.#gone.has(key)) return false
    const there = this.#get(element())
    if (there === undefined) this.#gone.add(key)
    else this.#elements.set(key, there)
    return there !== undefined
  }

  #putEntry(entry: RawEntry): void {
    const start = rawKey(entry)
    if (start === undefined) return
    const text = rawText(entry, start)
    const isSpan = this.#shape.interval !== undefined
    this.#entries.set(isSpan ? text + rawText(entry, rawKeyEnd(entry) ?? start) : text, entry)
  }

  #put(element: Element): void {
    this.#elements.set(this.#keyText(this.#keyBytes(element)), element)
  }

  #wantedBytes(element: Element): WantedBytes {
    const { value, owner, timeoutMs } = element
    const { value: layout } = this.#shape
    const isPlain = layout !== undefined && layout !== 'verdict' && value !== undefined
    return {
      ...this.#keyBytes(element),
      value: isPlain ? encodeParts(layout, value).start : undefined,
      owner: owner === undefined ? undefined : encodeUserData([encodeComment(owner)]),
      isAll: timeoutMs === undefined && layout !== 'verdict' && this.#shape.limit === undefined,
    }
  }

  #keyBytes({ key }: Element): KeyBytes {
    const { start, end } = encodeParts(this.#shape.key, key)
    return { start: Buffer.from(start), end: Buffer.from(end) }
  }

  #keyText({ start, end }: KeyBytes): string {
    const text = start.toString('latin1')
    return this.#shape.interval === undefined ? text : text + end.toString('latin1')
  }

  #countUp({ start, value }: WantedBytes): void {
    const { key, value: layout } = this.#shape
    nextPort(start, key.offsets.at(-1)!)
    if (value !== undefined) nextPort(value, (layout as Layout).offsets.at(-1)!)
  }

  /** Answers for most without reading them; false may be wrong. */
  #isJust(key: string, { value, owner, isAll }: WantedBytes): boolean {
    const entry = this.#entries.get(key)
    return (
      isAll &&
      entry !== undefined &&
      isPiece(entry, rawValue(entry), value) &&
      isPiece(entry, rawUserData(entry), owner)
    )
  }

  #isSame(key: string, { value, owner, timeoutMs, limit = this.#shape.limit }: Element): boolean {
    const there = this.at(key)
    const { value: layout } = this.#shape
    const wanted =
      value === undefined || layout === undefined || layout === 'verdict'
        ? value
        : decodeParts(layout, encodeParts(layout, value))
    return (
      there?.value?.join(' . ') === wanted?.join(' . ') &&
      there?.owner === owner &&
      there?.limit?.rate === limit?.rate &&
      there?.limit?.burst === limit?.burst &&
      (timeoutMs === undefined || there?.timeoutMs === timeoutMs)
    )
  }
}

interface KeyBytes {
  readonly start: Buffer
  readonly end: Buffer
}

/** An element as the kernel would list it. */
interface WantedBytes extends KeyBytes {
  readonly value: Uint8Array | undefined
  readonly owner: Uint8Array | undefined
  /** There is nothing else about it. */
  readonly isAll: boolean
}

function nextPort(bytes: Uint8Array, at: number): void {
  const port = ((bytes[at]! << 8) | bytes[at + 1]!) + 1
  bytes[at] = port >>> 8
  bytes[at + 1] = port
}

/** As `listElements`; none where the set isn't there. */
export function listPresent(
  socket: NetlinkSocket,
  tables: readonly TableDefinition[],
  place: Place,
): Element[] {
  try {
    return listElements(socket, tables, place)
  } catch (error) {
    if (isKernelError(error, 'ENOENT')) return []
    throw error
  }
}
