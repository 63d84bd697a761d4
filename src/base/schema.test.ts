import { Type as TypeBox } from 'typebox'
import { expect, it } from 'vitest'
import { Type } from './schema.ts'

type Builder = typeof Type

const schemas: Readonly<Record<string, (type: Builder) => unknown>> = {
  simple: (type) => [type.Boolean(), type.Integer(), type.Number(), type.String(), type.Unknown()],
  'options of them': (type) => [
    type.Number({ minimum: 0, maximum: 7 }),
    type.String({ minLength: 1, pattern: '^[a-z]+$' }),
  ],
  nothing: (type) => [type.Null(), type.Undefined()],
  literals: (type) => [type.Literal('a'), type.Literal(7), type.Literal(false)],
  array: (type) => type.Array(type.String(), { maxItems: 3 }),
  union: (type) => type.Union([type.Literal('a'), type.Undefined()]),
  record: (type) => type.Record(type.String(), type.Union([type.String(), type.Number()])),
  'record with options': (type) => type.Record(type.String(), type.String(), { maxProperties: 2 }),
  object: (type) =>
    type.Object(
      { a: type.String(), b: type.Optional(type.Number({ minimum: 1 })), c: type.Boolean() },
      { additionalProperties: false },
    ),
  'object of nothing needed': (type) =>
    type.Object({ a: type.Optional(type.Array(type.Object({ b: type.Integer() }))) }),
}

it.each(Object.entries(schemas))('makes the schemas that TypeBox makes: %s', (_, make) => {
  expect(JSON.parse(JSON.stringify(make(Type)))).toEqual(
    JSON.parse(JSON.stringify(make(TypeBox as unknown as Builder))),
  )
})
