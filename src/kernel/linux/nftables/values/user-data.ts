import { CnmError } from '../../../../base/errors.ts'

/**
 * What nft keeps in an object's user data: a type byte, a length byte, a value, and so on. The kernel
 * doesn't look at it; programs that list the object do.
 */
export type UserDataField = readonly [type: number, value: Uint8Array]

/** Tables, chains, rules and elements keep their comment under this number. */
const UDATA_COMMENT = 0
export const UDATA_SET_KEYBYTEORDER = 0
export const UDATA_SET_DATABYTEORDER = 1
export const UDATA_SET_COMMENT = 7

/** With the NUL behind it; the whole of an object's user data has 256 bytes. */
const MAX_COMMENT = 240

export function encodeUserData(fields: readonly UserDataField[]): Uint8Array {
  const data = Buffer.alloc(fields.reduce((sum, [, value]) => sum + 2 + value.length, 0))
  let offset = 0
  for (const [type, value] of fields) {
    data[offset] = type
    data[offset + 1] = value.length
    data.set(value, offset + 2)
    offset += 2 + value.length
  }
  return data
}

/** A field of that number; undefined where there is none or the data is not of this form. */
export function userDataField(data: Uint8Array, wanted: number): Uint8Array | undefined {
  let offset = 0
  while (offset + 2 <= data.length) {
    const end = offset + 2 + data[offset + 1]!
    if (end > data.length) return undefined
    if (data[offset] === wanted) return data.subarray(offset + 2, end)
    offset = end
  }
  return undefined
}

/** Errors: INVALID_ARGUMENT, if it is longer than the kernel keeps. */
export function encodeComment(comment: string, type: number = UDATA_COMMENT): UserDataField {
  const bytes = Buffer.from(`${comment}\0`)
  if (bytes.length > MAX_COMMENT) {
    const text = `the comment ${JSON.stringify(comment)} is longer than ${MAX_COMMENT - 1} bytes`
    throw new CnmError('INVALID_ARGUMENT', text)
  }
  return [type, bytes]
}

export function commentOf(data: Uint8Array, type: number = UDATA_COMMENT): string | undefined {
  const field = userDataField(data, type)
  if (field === undefined) return undefined
  const end = field.indexOf(0)
  return Buffer.from(end < 0 ? field : field.subarray(0, end)).toString()
}
