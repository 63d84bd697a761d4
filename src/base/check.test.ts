import fc from 'fast-check'
import { Type as Typebox } from 'typebox'
import { Compile } from 'typebox/compile'
import { expect, it } from 'vitest'
import { failuresOf } from './check.ts'
import { Type } from './schema.ts'

/** The same schema by ours and by typebox. */
function sample(type: typeof Type) {
  const Name = type.String({ pattern: '^[a-z][a-z0-9]*$' })
  return type.Object(
    {
      name: Name,
      note: type.Optional(type.String({ minLength: 1 })),
      count: type.Integer({ minimum: 1, maximum: 9 }),
      rate: type.Optional(type.Union([type.Number(), type.String()])),
      on: type.Optional(type.Boolean()),
      nothing: type.Null(),
      family: type.Union([type.Literal(4), type.Literal(6), type.Literal('both')]),
      list: type.Optional(
        type.Array(type.Object({ key: type.Unknown() }, { additionalProperties: false }), {
          minItems: 1,
        }),
      ),
      labels: type.Record(type.String(), type.Union([type.String(), type.Undefined()])),
    },
    { additionalProperties: false },
  )
}

const ours = sample(Type)
const theirs = sample(Typebox)

const anything = fc.oneof(
  fc.constantFrom<unknown>(undefined, null, true, 0, 4, 6, 'both', 1.5, -1, 10, NaN, '', 'ab', 'A'),
  fc.constantFrom<unknown>([], {}, [{}], [{ key: 1 }], [{ key: 1, more: 2 }], { a: 'b' }, { a: 1 }),
  fc.constantFrom<unknown>({ 'a/b~c': 7 }, { a: undefined }, [1, 'x'], { '\n': 3 }),
)
const right = {
  name: 'ab',
  note: 'x',
  count: 3,
  rate: 'y',
  on: true,
  nothing: null,
  family: 4,
  list: [{ key: 1 }],
  labels: { a: 'b' },
}
const keys = [...Object.keys(right), 'other', 'toString']

it('finds wrong what typebox finds wrong, with the same words in the same order', () => {
  const check = Compile(theirs)
  expect(failuresOf(ours, right)).toEqual([])
  const changes = fc.array(fc.tuple(fc.constantFrom(...keys), anything), { maxLength: 4 })
  const removed = fc.array(fc.constantFrom(...keys), { maxLength: 3 })
  const values = fc.oneof(
    { weight: 9, arbitrary: fc.tuple(changes, removed).map(changed) },
    { weight: 1, arbitrary: anything },
  )
  fc.assert(
    fc.property(values, (value) => {
      const errors = check.Check(value) ? [] : [...check.Errors(value)]
      // It says so of each key that there must not be, too, and ends after eight.
      const expected = errors.filter(({ keyword }) => keyword !== 'boolean')
      const all = failuresOf(ours, value)
      expect(all.length === 0).toBe(errors.length === 0)
      const found = all.slice(0, expected.length)
      expect(found.map(({ path, message }) => ({ path, message }))).toEqual(
        expected.map(({ instancePath: path, message }) => ({ path, message })),
      )
    }),
    { numRuns: 3000 },
  )
})

function changed([changes, removed]: [[string, unknown][], string[]]): unknown {
  const value: Record<string, unknown> = { ...right, ...Object.fromEntries(changes) }
  for (const key of removed) delete value[key]
  return value
}
