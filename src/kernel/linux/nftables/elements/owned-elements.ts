import type { NetlinkSocket } from '../../netlink/netlink-socket.ts'
import type { TableName } from '../batch.ts'
import { listElementsOf, listSets } from '../list.ts'
import { listedShape, type SetShape } from '../set.ts'
import type { Layout } from '../values/layout.ts'
import type { Element, Place } from './element.ts'
import {
  decodeRaw,
  listRawEntries,
  type Piece,
  type RawEntry,
  rawKey,
  rawText,
  rawUserData,
  rawValue,
} from './raw-entry.ts'
import { hasRuns } from './run.ts'
import { untilWhole } from './whole.ts'

type OwnedElement = Element & { readonly owner: string }

/**
 * As `listTableElements`, but only those that say whose they are, and those that follow one another as
 * runs: ten thousand need not be read one by one.
 */
export function listOwnedElements(socket: NetlinkSocket, table: TableName): OwnedElement[] {
  const { family, name } = table
  return listSets(socket, table).flatMap((set) => {
    const shape = set.anonymous ? undefined : listedShape(set.attributes)
    if (shape === undefined) return []
    const place = { family, table: name, set: set.name }
    const elements = hasRuns(shape)
      ? runsIn(shape, place, wholeEntries(socket, place))
      : listElementsOf(socket, shape, place)
    return elements.filter((element): element is OwnedElement => element.owner !== undefined)
  })
}

function wholeEntries(socket: NetlinkSocket, place: Place): readonly RawEntry[] {
  return untilWhole(
    () => listRawEntries(socket, place),
    (entry) => {
      const key = rawKey(entry)
      return key && rawText(entry, key)
    },
  )
}

interface Numbered {
  readonly port: number
  readonly entry: RawEntry
}

function runsIn(shape: SetShape, place: Place, entries: readonly RawEntry[]): Element[] {
  const kindred = new Map<string, Numbered[]>()
  for (const entry of entries) {
    const [kind, port] = kindOf(shape, entry)
    if (kind === undefined) continue
    const others = kindred.get(kind)
    if (others === undefined) kindred.set(kind, [{ port, entry }])
    else others.push({ port, entry })
  }
  return [...kindred.values()].flatMap((each) =>
    stretches(each).flatMap(([first, run]) => {
      const element = decodeRaw(shape, place, first.entry)
      return element === undefined ? [] : [run === 1 ? element : { ...element, run }]
    }),
  )
}

/** What all elements of one run have in common, and the port by which they differ. */
function kindOf({ key, value }: SetShape, entry: RawEntry): [string | undefined, number] {
  const [keyPiece, owner] = [rawKey(entry), rawUserData(entry)]
  if (keyPiece === undefined || owner === undefined) return [undefined, 0]
  const [stem, port] = split(entry, keyPiece, key)
  const whose = rawText(entry, owner)
  const valuePiece = rawValue(entry)
  if (value === undefined || valuePiece === undefined) return [stem + whose, port]
  const [valueStem, valuePort] = split(entry, valuePiece, value as Layout)
  return [`${stem}${valueStem}${whose}${valuePort - port}`, port]
}

function split(
  entry: RawEntry,
  { from }: Piece,
  { offsets }: Layout,
): [stem: string, port: number] {
  const at = from + offsets.at(-1)!
  return [rawText(entry, { from, to: at }), entry.buffer.readUInt16BE(at)]
}

/** The first of each, with their number. */
function stretches(numbered: Numbered[]): [Numbered, number][] {
  const found: [Numbered, number][] = []
  for (const each of numbered.sort((a, b) => a.port - b.port)) {
    const last = found.at(-1)
    if (last !== undefined && last[0].port + last[1] === each.port) last[1] += 1
    else found.push([each, 1])
  }
  return found
}
