import { elementAt } from '../../../resource.ts'
import type { TableDefinition } from '../../../ruleset.ts'
import { elementsBody, familyHeader } from '../message.ts'
import type { SetShape } from '../set.ts'
import {
  type Element,
  type Entry,
  elementTarget,
  encodeElement,
  encodeKey,
  type Place,
  shapeFor,
} from './element.ts'
import { assertRun, encodeRun } from './run.ts'

/** Few enough that an attribute's 65,535 bytes are never reached, whatever the keys. */
const ELEMENTS_PER_MESSAGE = 500
const BYTES_PER_MESSAGE = 48_000
/** The same for runs, whose elements all have one size that is known. */
const RUN = { elements: ELEMENTS_PER_MESSAGE, bytes: 65_000 }

export type ElementOperation = 'NFT_MSG_NEWSETELEM' | 'NFT_MSG_DELSETELEM'

/** What goes into one message. */
interface ElementLoad {
  readonly place: Place
  readonly body: Uint8Array
  /** How to name the element of an entry, should the kernel refuse it. */
  readonly nameOf: (entry: number) => string | undefined
}

export function* elementLoads(
  operation: ElementOperation,
  tables: readonly TableDefinition[],
  elements: readonly Element[],
): Generator<ElementLoad> {
  const encode = operation === 'NFT_MSG_NEWSETELEM' ? encodeElement : encodeKey
  for (const part of parts(elements)) {
    const [first] = part as [Element]
    const shape = shapeFor(tables, first)
    if (first.run === undefined) yield singles(shape, part, encode)
    else yield* run(shape, first, encode)
  }
}

type Encode = (shape: SetShape, element: Element) => Entry[]

function singles(shape: SetShape, elements: readonly Element[], encode: Encode): ElementLoad {
  const [place] = elements as [Element]
  const { family, table, set } = place
  const entries: Entry[] = []
  const owners: Element[] = []
  for (const element of elements) {
    for (const entry of encode(shape, element)) {
      entries.push(entry)
      owners.push(element)
    }
  }
  return {
    place,
    body: elementsBody.encode(familyHeader(family), { table, set, elements: entries }),
    nameOf: (entry) => owners[entry] && elementTarget(shape, owners[entry]),
  }
}

function* run(shape: SetShape, element: Element, encode: Encode): Generator<ElementLoad> {
  assertRun(shape, element)
  const [entry] = encode(shape, element) as [Entry]
  for (const { body, first } of encodeRun(shape, element, entry, RUN)) {
    const nameOf = (at: number) =>
      at < 0 ? undefined : elementTarget(shape, elementAt(element, first + at))
    yield { place: element, body, nameOf }
  }
}

/** Elements of one set, each time as many as go into one message; a run by itself. */
function* parts(elements: readonly Element[]): Generator<readonly Element[]> {
  let load: Element[] = []
  let bytes = 0
  for (const element of elements) {
    const size = roughSize(element)
    const first = load[0]
    const full = load.length === ELEMENTS_PER_MESSAGE || bytes + size > BYTES_PER_MESSAGE
    const isRun = element.run !== undefined || first?.run !== undefined
    if (first !== undefined && (full || isRun || !sameSet(first, element))) {
      yield load
      load = []
      bytes = 0
    }
    load.push(element)
    bytes += size
  }
  if (load.length > 0) yield load
}

/** At least what the element takes: 16 bytes for any part of a key, written once or twice. */
function roughSize({ key, value = [], owner = '' }: Element): number {
  const attributes = 100
  return attributes + 32 * key.length + 16 * value.length + value.join().length + owner.length * 3
}

function sameSet(a: Element, b: Element): boolean {
  return a.set === b.set && a.table === b.table && a.family === b.family
}
