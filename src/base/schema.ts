import type { Type as Typebox } from 'typebox'

export type { Static, TSchema } from 'typebox'

/**
 * What typebox makes of its types at run time: schemas as plain data, of the sorts that are used here. Its
 * own code takes 150 ms to load, which is more than a command may need to start; its types cost nothing.
 */

type Schema = Readonly<Record<string, unknown>>

/** As typebox marks it: not enumerable, so that it isn't written as JSON. */
const optional = '~optional'

function objectOf(properties: Readonly<Record<string, Schema>>, more: Schema = {}): Schema {
  const required = Object.keys(properties).filter((key) => !(optional in (properties[key] ?? {})))
  return {
    type: 'object',
    ...(required.length === 0 ? {} : { required }),
    properties,
    ...more,
  }
}

const light = {
  Object: objectOf,
  Optional: (schema: Schema): Schema =>
    Object.defineProperty({ ...schema }, optional, { value: true }),
  String: (more: Schema = {}): Schema => ({ type: 'string', ...more }),
  Number: (more: Schema = {}): Schema => ({ type: 'number', ...more }),
  Integer: (more: Schema = {}): Schema => ({ type: 'integer', ...more }),
  Boolean: (more: Schema = {}): Schema => ({ type: 'boolean', ...more }),
  Null: (): Schema => ({ type: 'null' }),
  Undefined: (): Schema => ({ type: 'undefined' }),
  Unknown: (more: Schema = {}): Schema => more,
  Literal: (value: string | number | boolean): Schema => ({ type: typeof value, const: value }),
  Array: (items: Schema, more: Schema = {}): Schema => ({ type: 'array', items, ...more }),
  Union: (anyOf: readonly Schema[], more: Schema = {}): Schema => ({ anyOf, ...more }),
  /** With any key. */
  Record: (_: Schema, values: Schema, more: Schema = {}): Schema => ({
    type: 'object',
    patternProperties: { '^.*$': values },
    ...more,
  }),
}

export const Type = light as unknown as Pick<typeof Typebox, keyof typeof light>
