import fc from 'fast-check'
import { expect, it } from 'vitest'
import { readSpecText } from './spec-text.ts'

it.each(['\t', '  ', '    '])('keeps the indentation %j', (indent) => {
  const text = `${JSON.stringify({ a: { b: [1, 'x'] } }, undefined, indent)}\n`
  const { value, print } = readSpecText(text, 'config.json')
  expect(print(value)).toBe(text)
})

it('keeps numbers as they are written', () => {
  const text =
    '{"hard":18446744073709551615,"swap":-9223372036854775808,"a":[1.0,1e3,-0,0.1,12],"s":"18446744073709551615"}'
  const { value, print } = readSpecText(text, 'config.json')
  expect(value).toMatchObject({
    a: [expect.anything(), expect.anything(), expect.anything(), 0.1, 12],
  })
  expect(print(value)).toBe(text)
})

it('gives back whatever was read', () => {
  fc.assert(
    fc.property(fc.json(), (json) => {
      const text = JSON.stringify(JSON.parse(json))
      const { value, print } = readSpecText(text, 'config.json')
      expect(print(value)).toBe(text)
    }),
  )
})

it.each(['"\\u0001number:true"', '"number :true"', `"${'1'.repeat(8_000_000)}"`])(
  'takes no text for a number (%#)',
  (json) => {
    const { value, print } = readSpecText(json, 'config.json')
    expect(print(value)).toBe(json)
  },
)

it('refuses what is no JSON', () => {
  expect(() => readSpecText('{', '/b/config.json')).toThrow('/b/config.json is no JSON: ')
})
