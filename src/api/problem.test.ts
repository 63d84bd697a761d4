import fc from 'fast-check'
import { expect, it } from 'vitest'
import { CnmError, type ErrorCode, errorCodes } from '../base/errors.ts'
import { parser } from '../base/parse.ts'
import { errorFrom, ProblemShape } from './problem.ts'

const codes = Object.keys(errorCodes) as ErrorCode[]

/** What JSON can say, as it is after it has been said. */
const json = fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as unknown)
const problems = fc
  .record(
    {
      code: fc.constantFrom(...codes),
      message: fc.string({ unit: 'binary' }),
      details: fc.dictionary(fc.string(), json),
      hint: fc.string(),
    },
    { requiredKeys: ['code', 'message', 'details'] },
  )
  .map(({ code, message, ...options }) => new CnmError(code, message, options))

it('every error is the same after the trip', () => {
  const parse = parser(ProblemShape, 'a problem')
  fc.assert(
    fc.property(problems, (error) => {
      const sent = JSON.parse(JSON.stringify(error)) as unknown
      parse(sent)
      const arrived = errorFrom(sent)
      expect(arrived?.toJSON()).toEqual(error.toJSON())
    }),
  )
})

it.each(codes)('%s arrives as itself', (code) => {
  const error = new CnmError(code, 'what happened', { details: { a: 1 }, hint: 'the way out' })
  const arrived = errorFrom(JSON.parse(JSON.stringify(error)))
  expect(arrived).toMatchObject({ ...error, message: error.message, name: 'CnmError' })
})

it('keeps the words of a code that it does not know', () => {
  for (const code of ['TOO_NEW', 'toString', '__proto__']) {
    const arrived = errorFrom({ code, message: 'new', details: { a: 1 }, hint: 'so' })
    expect(arrived).toMatchObject({
      code: 'INTERNAL',
      message: 'new',
      details: { a: 1, code },
      hint: 'so',
    })
  }
})

it.each([
  ['a page', '<html>'],
  ['JSON of another program', { error: 'no' }],
  ['half of one', { code: 'CLOSED' }],
  ['a list', [1]],
  ['nothing', null],
])('knows that %s is none', (_, body) => {
  expect(errorFrom(body)).toBeUndefined()
})
