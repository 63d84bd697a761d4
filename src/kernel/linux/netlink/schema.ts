import { bytes, type Codec, type FixedCodec, load16, malformed, string } from './codec.ts'
import { Writer } from './writer.ts'

const NLA_F_NESTED = 0x8000
const NLA_TYPE_MASK = 0x3fff

/**
 * Under this key a decoded value carries the attributes its schema doesn't know, as they came
 * (`forEachAttribute` walks through them); encoding writes them again.
 */
export const unknown: unique symbol = Symbol('unknown attributes')

type Fields = Readonly<
  Record<string, readonly [id: number, codec: Codec<unknown>] | Variant<unknown>>
>

type FieldValue<F> = F extends readonly [number, Codec<infer T>]
  ? T
  : F extends Variant<infer T>
    ? T
    : never

export interface Unknowns {
  readonly [unknown]?: Uint8Array
}

export type AttributesOf<F> = { readonly [K in keyof F]?: FieldValue<F[K]> } & Unknowns

/** A set of attributes; also the codec of an attribute that nests them. */
export interface Schema<T> extends Codec<T> {
  readonly nested: true
  encode(value: T): Buffer
  decode(content: Uint8Array): T
}

/** The value a schema, struct or body is about. */
export type ValueOf<C> = C extends Codec<infer T> ? T : never

/**
 * A schema is a value: names, attribute ids and codecs. The type of what it reads and writes follows.
 *
 *     const linkInfo = schema({ kind: [IFLA_INFO_KIND, string], data: [IFLA_INFO_DATA, bytes] })
 *     linkInfo.encode({ kind: 'dummy' })
 */
export function schema<const F extends Fields>(fields: F): Schema<AttributesOf<F>> {
  type Value = Record<string, unknown> & { [unknown]?: Uint8Array }
  const byId = new Map<number, string>()
  for (const [name, field] of Object.entries<Fields[string]>(fields)) {
    for (const id of 'ids' in field ? field.ids : [field[0]]) byId.set(id, name)
  }

  function write(writer: Writer, value: Value): void {
    for (const name in value) {
      const field = fields[name]
      const content = value[name]
      if (content === undefined || field === undefined) continue
      if ('ids' in field) field.write(writer, content)
      else writeAttribute(writer, field[0], field[1], content)
    }
    if (value[unknown] !== undefined) {
      writer.bytes(value[unknown])
      writer.align()
    }
  }

  function read(buffer: Buffer, start: number, end: number): Value {
    const value: Value = {}
    const ranges: number[] = []
    forEachAttribute(buffer, start, end, (id, from, to) => {
      const name = byId.get(id)
      if (name === undefined) {
        addRange(ranges, from - 4, Math.min((to + 3) & ~3, end))
        return
      }
      const field = fields[name]!
      value[name] =
        'ids' in field
          ? field.read(id, value[name], buffer, from, to)
          : field[1].read(buffer, from, to)
    })
    if (ranges.length > 0) value[unknown] = copyRanges(buffer, ranges)
    return value
  }

  const codec = { nested: true, write, read } as const
  return { ...codec, ...standalone(codec) } as unknown as Schema<AttributesOf<F>>
}

/** Attributes that all have one type: `NFTA_LIST_ELEM`, `IFLA_ALT_IFNAME`. */
export function listOf<T>(elementId: number, element: Codec<T>): Codec<readonly T[]> {
  return {
    nested: true,
    write(writer, values) {
      for (const value of values) writeAttribute(writer, elementId, element, value)
    },
    read(buffer, start, end) {
      const values: T[] = []
      forEachAttribute(buffer, start, end, (id, from, to) => {
        if (id === elementId) values.push(element.read(buffer, from, to))
      })
      return values
    },
  }
}

/** A field of a schema made of two attributes: a name, and data whose form depends on it. */
export interface Variant<T> {
  readonly ids: readonly [kindId: number, dataId: number]
  write(writer: Writer, value: T): void
  read(id: number, soFar: unknown, buffer: Buffer, start: number, end: number): T
}

type VariantOf<C> =
  | {
      [K in keyof C & string]: { readonly kind: K; readonly data?: ValueOf<C[K]> }
    }[keyof C & string]
  | { readonly kind: 'other'; readonly name: string; readonly data?: Uint8Array }

/**
 *     own: variant(IFLA_INFO_KIND, IFLA_INFO_DATA, { bridge: bridgeData, veth: vethData })
 *
 * reads as `{ kind: 'bridge', data }`, `{ kind: 'veth', data }` or `{ kind: 'other', name, data }`.
 */
export function variant<const C extends Readonly<Record<string, Codec<unknown>>>>(
  kindId: number,
  dataId: number,
  kinds: C,
): Variant<VariantOf<C>> {
  type Value = { readonly kind: string; readonly name?: string; readonly data?: unknown }
  const dataCodec = (kind: string) => (Object.hasOwn(kinds, kind) ? kinds[kind]! : undefined)
  const field: Variant<Value> = {
    ids: [kindId, dataId],
    write(writer, { kind, name, data }) {
      writeAttribute(writer, kindId, string, name ?? kind)
      if (data !== undefined) writeAttribute(writer, dataId, dataCodec(kind) ?? bytes, data)
    },
    read(id, soFar, buffer, start, end) {
      if (id === kindId) {
        const kind = string.read(buffer, start, end)
        return dataCodec(kind) === undefined ? { kind: 'other', name: kind } : { kind }
      }
      const value = soFar as Value | undefined
      if (value === undefined) throw malformed(`attribute ${dataId} before attribute ${kindId}`)
      return { ...value, data: (dataCodec(value.kind) ?? bytes).read(buffer, start, end) }
    },
  }
  return field as unknown as Variant<VariantOf<C>>
}

/** A C struct. Fields that are left out are written as zeros. */
export interface Struct<T> extends FixedCodec<T> {
  write(writer: Writer, value: Partial<T>): void
}

type StructOf<F> = { readonly [K in keyof F]: F[K] extends FixedCodec<infer T> ? T : never }

/** Fields in their order, without the padding a compiler adds: that is a field too (`padding(2)`). */
export function struct<const F extends Readonly<Record<string, FixedCodec<unknown>>>>(
  fields: F,
): Struct<StructOf<F>> {
  const entries = Object.entries<FixedCodec<unknown>>(fields)
  const size = entries.reduce((sum, [, codec]) => sum + codec.size, 0)
  const codec: Struct<Record<string, unknown>> = {
    size,
    write(writer, value) {
      for (const [name, field] of entries) {
        const content = value[name]
        if (content === undefined) writer.zeros(field.size)
        else field.write(writer, content)
      }
    },
    read(buffer, start, end) {
      if (end - start < size) throw malformed(`${end - start} bytes where ${size} belong`)
      const value: Record<string, unknown> = {}
      let at = start
      for (const [name, field] of entries) {
        value[name] = field.read(buffer, at, at + field.size)
        at += field.size
      }
      return value
    },
  }
  return codec as unknown as Struct<StructOf<F>>
}

/** Bytes of a struct that mean nothing. */
export function padding(size: number): FixedCodec<undefined> {
  return { size, write: (writer) => writer.zeros(size), read: () => undefined }
}

export interface BodyValue<H, A> {
  readonly header: H
  readonly attributes: A
}

/** The body of a message: a struct and attributes behind it. */
export interface Body<H, A> extends Codec<BodyValue<H, A>> {
  encode(header: Partial<H>, attributes: A): Buffer
  decode(content: Uint8Array): BodyValue<H, A>
}

export function body<H, A>(header: Struct<H>, attributes: Schema<A>): Body<H, A> {
  const headerSize = (header.size + 3) & ~3
  const codec = {
    write(writer: Writer, value: { header: Partial<H>; attributes: A }): void {
      header.write(writer, value.header)
      writer.align()
      attributes.write(writer, value.attributes)
    },
    read(buffer: Buffer, start: number, end: number): BodyValue<H, A> {
      return {
        header: header.read(buffer, start, end),
        attributes: attributes.read(buffer, Math.min(start + headerSize, end), end),
      }
    },
  }
  const { encode, decode } = standalone(codec)
  return {
    ...codec,
    encode: (head, rest) => encode({ header: head, attributes: rest }),
    decode,
  }
}

function writeAttribute<T>(writer: Writer, id: number, codec: Codec<T>, value: T): void {
  const at = writer.open(codec.nested ? id | NLA_F_NESTED : id)
  codec.write(writer, value)
  writer.close(at)
}

export function forEachAttribute(
  buffer: Buffer,
  start: number,
  end: number,
  visit: (id: number, start: number, end: number) => void,
): void {
  let at = start
  while (at < end) {
    const length = at + 4 <= end ? load16(buffer, at) : 0
    if (length < 4 || at + length > end) {
      throw malformed(`an attribute of ${length} bytes where ${end - at} are left`)
    }
    visit(load16(buffer, at + 2) & NLA_TYPE_MASK, at + 4, at + length)
    at += (length + 3) & ~3
  }
}

/** Where the content of the first attribute of that number begins; -1: there is none. */
export function findAttribute(buffer: Buffer, start: number, end: number, wanted: number): number {
  let at = start
  while (at < end) {
    const length = at + 4 <= end ? load16(buffer, at) : 0
    if (length < 4 || at + length > end) {
      throw malformed(`an attribute of ${length} bytes where ${end - at} are left`)
    }
    if ((load16(buffer, at + 2) & NLA_TYPE_MASK) === wanted) return at + 4
    at += (length + 3) & ~3
  }
  return -1
}

/** Where the content that begins there ends. */
export function attributeEnd(buffer: Buffer, content: number): number {
  return content - 4 + load16(buffer, content - 4)
}

/** Pairs of start and end; what follows the one before without a gap becomes one with it. */
function addRange(ranges: number[], start: number, end: number): void {
  if (ranges.at(-1) === start) ranges[ranges.length - 1] = end
  else ranges.push(start, end)
}

// A link has some forty attributes we don't know: copied together, they cost next to nothing.
function copyRanges(buffer: Buffer, ranges: readonly number[]): Uint8Array {
  let size = 0
  for (let at = 0; at < ranges.length; at += 2) size += ranges[at + 1]! - ranges[at]!
  const copy = Buffer.allocUnsafe(size)
  let length = 0
  for (let at = 0; at < ranges.length; at += 2) {
    length += buffer.copy(copy, length, ranges[at]!, ranges[at + 1]!)
  }
  return copy
}

const scratch = new Writer()

function standalone<W, R>(codec: {
  write(writer: Writer, value: W): void
  read(buffer: Buffer, start: number, end: number): R
}): { encode(value: W): Buffer; decode(content: Uint8Array): R } {
  return {
    encode(value) {
      // Behind whatever an outer encode has written so far: a codec may encode inside its write.
      const start = scratch.length
      try {
        codec.write(scratch, value)
        return scratch.copyFrom(start)
      } finally {
        scratch.truncate(start)
      }
    },
    decode(content) {
      const buffer = Buffer.from(content.buffer, content.byteOffset, content.byteLength)
      return codec.read(buffer, 0, buffer.length)
    },
  }
}
