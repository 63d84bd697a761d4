import type { TSchema, Type as TypeBox } from 'typebox'

/** Of TypeBox's builder what is used here. Loading all of it takes longer than starting Node. */
type Builder = Pick<
  typeof TypeBox,
  | 'Array'
  | 'Boolean'
  | 'Integer'
  | 'Literal'
  | 'Number'
  | 'Object'
  | 'Optional'
  | 'Record'
  | 'String'
  | 'Undefined'
  | 'Union'
  | 'Unknown'
>

type Properties = Readonly<Record<string, TSchema>>

const optional = new WeakSet<TSchema>()

const simple = (type: string) => (options?: object) => ({ type, ...options })

/** Makes JSON schemas, and the types of what they describe. */
export const Type = {
  Boolean: simple('boolean'),
  Integer: simple('integer'),
  Number: simple('number'),
  String: simple('string'),
  Undefined: simple('undefined'),
  Unknown: (options?: object) => ({ ...options }),
  Array: (items: TSchema, options?: object) => ({ type: 'array', items, ...options }),
  Literal: (value: string | number | boolean) => ({ type: typeof value, const: value }),
  Union: (anyOf: readonly TSchema[], options?: object) => ({ anyOf, ...options }),
  Object(properties: Properties, options?: object) {
    const required = Object.keys(properties).filter((key) => !optional.has(properties[key]!))
    return {
      type: 'object',
      ...(required.length > 0 && { required }),
      properties,
      ...options,
    }
  },
  Optional(schema: TSchema) {
    const copy = { ...schema }
    optional.add(copy)
    return copy
  },
  /** Keys are any strings. */
  Record: (_: TSchema, value: TSchema, options?: object) => ({
    type: 'object',
    patternProperties: { '^.*$': value },
    ...options,
  }),
} as unknown as Builder
