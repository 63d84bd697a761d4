import { isKernelError } from '../../../base/errors.ts'
import type { Family, SetDefinition, TableDefinition } from '../../ruleset.ts'
import type { NetlinkSocket } from '../netlink/netlink-socket.ts'
import type { ValueOf } from '../netlink/schema.ts'
import { type TableName, tableTarget } from './batch.ts'
import { NFT_SET_ANONYMOUS, NFT_TABLE_F_DORMANT, NFT_TABLE_F_PERSIST } from './constants.ts'
import {
  decodeElements,
  type Element,
  type Entry,
  elementTarget,
  encodeKey,
  type Place,
  shapeFor,
} from './elements/element.ts'
import { untilWhole } from './elements/whole.ts'
import {
  chainBody,
  elementsBody,
  familyHeader,
  familyName,
  nftMessage,
  ruleBody,
  setBody,
  tableBody,
} from './message.ts'
import type { Expression } from './rules/expression.ts'
import { listedShape, type SetShape } from './set.ts'
import type { Layout } from './values/layout.ts'
import { commentOf } from './values/user-data.ts'

export interface ListedTable {
  readonly family: Family
  readonly name: string
  /** Made with the flags owner and persist. */
  readonly owned: boolean
  /** Nothing in it has any effect. */
  readonly dormant: boolean
  /** A living socket owns it; else any process can change it, and adopt it if it is `owned`. */
  readonly hasOwner: boolean
  /** The number of that socket (`portId`). */
  readonly owner?: number
}

export interface ListedChain {
  readonly name: string
  readonly handle: bigint
  /** Numbers as the kernel has them; absent where the chain hangs on no hook. */
  readonly base?: Pick<ValueOf<typeof chainBody>['attributes'], 'type' | 'hook' | 'policy'>
}

export interface ListedSet {
  readonly name: string
  readonly handle: bigint
  /** Belongs to one rule. */
  readonly anonymous: boolean
  readonly attributes: ValueOf<typeof setBody>['attributes']
}

export interface ListedRule {
  readonly chain: string
  readonly handle: bigint
  readonly comment?: string
  readonly expressions: readonly Expression[]
}

/** Equivalent to: `nft list tables`. */
export function listTables(socket: NetlinkSocket): ListedTable[] {
  const message = nftMessage('NFT_MSG_GETTABLE', 0, tableBody.encode(familyHeader(undefined), {}))
  const tables: ListedTable[] = []
  for (const { header, attributes } of socket.dump(message, tableBody)) {
    const family = familyName(header.family)
    const { name = '', flags = 0, owner } = attributes
    if (family === undefined) continue
    tables.push({
      family,
      name,
      owned: (flags & NFT_TABLE_F_PERSIST) !== 0,
      dormant: (flags & NFT_TABLE_F_DORMANT) !== 0,
      hasOwner: owner !== undefined,
      ...(owner === undefined ? {} : { owner }),
    })
  }
  return tables
}

/** Equivalent to: `nft list chains`, of one table. */
export function listChains(socket: NetlinkSocket, table: TableName): ListedChain[] {
  const body = chainBody.encode(familyHeader(table.family), {})
  const message = nftMessage('NFT_MSG_GETCHAIN', 0, body, `chains of ${tableTarget(table)}`)
  return socket
    .dump(message, chainBody)
    .filter(({ attributes }) => attributes.table === table.name)
    .map(({ attributes: { name = '', handle = 0n, type, hook, policy } }) => ({
      name,
      handle,
      ...(hook === undefined ? {} : { base: { type, hook, policy } }),
    }))
}

/** Equivalent to: `nft list sets`, of one table, maps included. */
export function listSets(socket: NetlinkSocket, table: TableName): ListedSet[] {
  const body = setBody.encode(familyHeader(table.family), { table: table.name })
  const message = nftMessage('NFT_MSG_GETSET', 0, body, `sets of ${tableTarget(table)}`)
  return absentIsEmpty(() => socket.dump(message, setBody)).map(({ attributes }) => ({
    name: attributes.name ?? '',
    handle: attributes.handle ?? 0n,
    anonymous: ((attributes.flags ?? 0) & NFT_SET_ANONYMOUS) !== 0,
    attributes,
  }))
}

/** The sets of a table, as far as what their elements are made of. Those of unknown types are left out. */
export function listSetDefinitions(socket: NetlinkSocket, table: TableName): SetDefinition[] {
  return listSets(socket, table).flatMap(({ name, anonymous, attributes }) => {
    const shape = anonymous ? undefined : listedShape(attributes)
    if (shape === undefined) return []
    const { key, value, interval } = shape
    const names = ({ types }: Layout) => types.map((type) => type.name)
    return [
      {
        name,
        key: names(key),
        ...(value === undefined ? {} : { value: value === 'verdict' ? value : names(value) }),
        interval: interval !== undefined,
      } as SetDefinition,
    ]
  })
}

/** Equivalent to: `nft -a list table FAMILY NAME`, its rules only; or of one chain. */
export function listRules(socket: NetlinkSocket, table: TableName, ofChain?: string): ListedRule[] {
  const wanted = { table: table.name, ...(ofChain === undefined ? {} : { chain: ofChain }) }
  const body = ruleBody.encode(familyHeader(table.family), wanted)
  const message = nftMessage('NFT_MSG_GETRULE', 0, body, `rules of ${tableTarget(table)}`)
  return absentIsEmpty(() => socket.dump(message, ruleBody)).map(({ attributes }) => {
    const { chain = '', handle = 0n, expressions = [], userData } = attributes
    const comment = userData && commentOf(userData)
    return { chain, handle, expressions, ...(comment === undefined ? {} : { comment }) }
  })
}

/** Equivalent to: `nft list set FAMILY TABLE SET`, its elements only. ENOENT if the set isn't there. */
export function listElements(
  socket: NetlinkSocket,
  tables: readonly TableDefinition[],
  place: Place,
): Element[] {
  return listElementsOf(socket, shapeFor(tables, place), place)
}

/** The same, of a set whose shape is known. */
export function listElementsOf(
  socket: NetlinkSocket,
  shape: SetShape,
  { family, table, set }: Place,
): Element[] {
  const place = { family, table, set }
  const entries = untilWhole(() => dumpEntries(socket, place), keyOf)
  return decodeElements(shape, place, entries)
}

function keyOf({ key, keyEnd, flags = 0 }: Entry): string | undefined {
  if (key?.value === undefined) return undefined
  const [start, end] = [key.value, keyEnd?.value ?? []].map((it) => Buffer.from(it).toString('hex'))
  // Where one interval ends another may begin.
  return `${start} ${end} ${flags}`
}

function dumpEntries(socket: NetlinkSocket, { family, table, set }: Place): Entry[] {
  const body = elementsBody.encode(familyHeader(family), { table, set })
  const message = nftMessage('NFT_MSG_GETSETELEM', 0, body, `set ${family} ${table} ${set}`)
  return socket.dump(message, elementsBody).flatMap(({ attributes }) => attributes.elements ?? [])
}

/**
 * Equivalent to: `nft list table FAMILY NAME`, the elements of its sets only. It needs no definition:
 * the kernel keeps what sets are made of. Sets of types that this library doesn't know are left out.
 */
export function listTableElements(socket: NetlinkSocket, table: TableName): Element[] {
  return listSets(socket, table)
    .filter((set) => !set.anonymous)
    .flatMap((set) => listSetElements(socket, table, set))
}

/** The same, of one set. */
export function listSetElements(
  socket: NetlinkSocket,
  { family, name }: TableName,
  set: ListedSet,
): Element[] {
  const shape = listedShape(set.attributes)
  const place = { family, table: name, set: set.name }
  return shape === undefined ? [] : listElementsOf(socket, shape, place)
}

/**
 * Equivalent to: `nft get element FAMILY TABLE SET { … }`, for sets without intervals and
 * concatenations with them. undefined: there is none.
 */
export function getElement(
  socket: NetlinkSocket,
  tables: readonly TableDefinition[],
  element: Element,
): Element | undefined {
  const { family, table, set } = element
  const shape = shapeFor(tables, element)
  const elements = encodeKey(shape, element)
  const body = elementsBody.encode(familyHeader(family), { table, set, elements })
  const message = nftMessage('NFT_MSG_GETSETELEM', 0, body, elementTarget(shape, element))
  try {
    const { attributes } = socket.get(message, elementsBody)
    return decodeElements(shape, { family, table, set }, attributes.elements ?? [])[0]
  } catch (error) {
    if (isKernelError(error, 'ENOENT')) return undefined
    throw error
  }
}

/** A dump of what belongs to a table that isn't there is ENOENT for some objects, empty for others. */
function absentIsEmpty<T>(dump: () => T[]): T[] {
  try {
    return dump()
  } catch (error) {
    if (isKernelError(error, 'ENOENT')) return []
    throw error
  }
}
