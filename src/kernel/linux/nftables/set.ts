import type { RateLimit, SetDefinition } from '../../ruleset.ts'
import type { ValueOf } from '../netlink/schema.ts'
import {
  NFT_DATA_VERDICT,
  NFT_SET_ANONYMOUS,
  NFT_SET_CONCAT,
  NFT_SET_CONSTANT,
  NFT_SET_EVAL,
  NFT_SET_INTERVAL,
  NFT_SET_MAP,
  NFT_SET_TIMEOUT,
} from './constants.ts'
import type { setBody } from './message.ts'
import { limitOf, limitOver } from './rules/expression.ts'
import { includes } from './rules/includes.ts'
import type { AnonymousSet } from './rules/rule.ts'
import { type Layout, layoutOf, typeNames, typeNumber } from './values/layout.ts'
import {
  encodeComment,
  encodeUserData,
  UDATA_SET_COMMENT,
  UDATA_SET_DATABYTEORDER,
  UDATA_SET_KEYBYTEORDER,
  type UserDataField,
} from './values/user-data.ts'
import type { ValueTypeName } from './values/value-type.ts'

/** What is needed to write and read a set's elements. */
export interface SetShape {
  readonly key: Layout
  readonly value?: Layout | 'verdict'
  /** 'plain': an element is two, its beginning and the one behind its end. 'concatenated': it has both keys. */
  readonly interval?: 'plain' | 'concatenated'
  /** Of elements that have none of their own. */
  readonly limit?: RateLimit
}

const shapes = new WeakMap<SetDefinition, SetShape>()

export function setShape(set: SetDefinition): SetShape {
  let shape = shapes.get(set)
  if (shape === undefined) {
    const { key, value, interval = false, limit } = set
    shape = { ...shapeOf(key, value, interval), ...(limit === undefined ? {} : { limit }) }
    shapes.set(set, shape)
  }
  return shape
}

function shapeOf(
  key: readonly ValueTypeName[],
  value: readonly ValueTypeName[] | 'verdict' | undefined,
  interval: boolean,
): SetShape {
  return {
    key: layoutOf(key),
    ...(value === undefined ? {} : { value: value === 'verdict' ? value : layoutOf(value) }),
    ...(interval ? { interval: key.length > 1 ? 'concatenated' : 'plain' } : {}),
  }
}

/** The same, read from what the kernel keeps of a set; undefined: some type has no name here. */
export function listedShape(listed: SetAttributes): SetShape | undefined {
  const { keyType = 0, dataType = 0, flags = 0 } = listed
  const isMap = (flags & NFT_SET_MAP) !== 0
  const key = typeNames(keyType)
  const value = dataType === NFT_DATA_VERDICT ? 'verdict' : isMap ? typeNames(dataType) : undefined
  if (key === undefined || (isMap && value === undefined)) return undefined
  const limit = limitOf(listed.expression)
  const shape = shapeOf(key, value, (flags & NFT_SET_INTERVAL) !== 0)
  return limit === undefined ? shape : { ...shape, limit }
}

export function anonymousShape(set: AnonymousSet): SetShape {
  return shapeOf([set.type], undefined, set.interval)
}

type SetAttributes = ValueOf<typeof setBody>['attributes']

/** What makes a set the set it is: the kernel can't change any of it afterwards. */
export function setAttributes(set: SetDefinition): SetAttributes {
  const shape = setShape(set)
  return {
    flags: flagsOf(set, shape),
    ...keyAttributes(shape),
    ...dataAttributes(shape),
    ...(set.timeoutMs === undefined ? {} : { timeout: BigInt(set.timeoutMs) }),
    ...(set.limit === undefined ? {} : { expression: limitOver(set.limit) }),
    userData: encodeUserData([
      ...byteOrders(shape),
      ...(set.comment === undefined ? [] : [encodeComment(set.comment, UDATA_SET_COMMENT)]),
    ]),
  }
}

/**
 * Whether a listed set is this one, so that its elements need not go. What nft shows of it (comment,
 * byte orders) may be that of another version.
 */
export function isSameSet(listed: SetAttributes, set: SetDefinition): boolean {
  // The kernel leaves out what is zero.
  const nothing = { flags: 0, timeout: 0n }
  return includes(
    { ...nothing, ...listed },
    { ...nothing, ...setAttributes(set), userData: undefined },
  )
}

/** A rule's own set: its elements come in the same transaction and never change. */
export function anonymousSetAttributes(set: AnonymousSet): SetAttributes {
  const shape = anonymousShape(set)
  return {
    flags: NFT_SET_ANONYMOUS | NFT_SET_CONSTANT | (set.interval ? NFT_SET_INTERVAL : 0),
    ...keyAttributes(shape),
    userData: encodeUserData(byteOrders(shape)),
  }
}

function flagsOf(set: SetDefinition, shape: SetShape): number {
  return (
    (set.value === undefined ? 0 : NFT_SET_MAP) |
    (shape.interval === undefined ? 0 : NFT_SET_INTERVAL) |
    (shape.interval === 'concatenated' ? NFT_SET_CONCAT : 0) |
    (set.timeout || set.timeoutMs !== undefined ? NFT_SET_TIMEOUT : 0) |
    (set.dynamic ? NFT_SET_EVAL : 0)
  )
}

function keyAttributes({ key, interval }: SetShape): SetAttributes {
  const fields = key.types.map((type) => ({ length: type.bytes }))
  return {
    keyType: typeNumber(key),
    keyLength: key.bytes,
    ...(interval === 'concatenated' ? { description: { fields } } : {}),
  }
}

function dataAttributes({ value }: SetShape): SetAttributes {
  if (value === undefined) return {}
  if (value === 'verdict') return { dataType: NFT_DATA_VERDICT }
  return { dataType: typeNumber(value), dataLength: value.bytes }
}

/** nft reads numbers of a listed set by this. */
function byteOrders({ key, value }: SetShape): UserDataField[] {
  const fields: UserDataField[] = [[UDATA_SET_KEYBYTEORDER, byteOrder(key)]]
  if (value !== undefined) {
    fields.push([UDATA_SET_DATABYTEORDER, value === 'verdict' ? orderNumber(0) : byteOrder(value)])
  }
  return fields
}

/** BYTEORDER_HOST_ENDIAN, BYTEORDER_BIG_ENDIAN; of a concatenation each part has its own. */
function byteOrder({ types }: Layout): Uint8Array {
  if (types.length > 1) return orderNumber(0)
  return orderNumber(types[0]!.order === 'host' ? 1 : 2)
}

function orderNumber(order: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(order).buffer)
}
