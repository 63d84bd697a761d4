import { Readable } from 'node:stream'
import { expect, it } from 'vitest'
import { outputOf } from './program-output.ts'

const chunks = (...texts: string[]) => Readable.from(texts.map((text) => Buffer.from(text)))

it('is what was written, also where a character is in two pieces', async () => {
  const [first, second] = [Buffer.from('é').subarray(0, 1), Buffer.from('é').subarray(1)]
  expect(await outputOf(Readable.from([first, second]))).toBe('é')
  expect(await outputOf(undefined)).toBe('')
})

it('may be as much as is allowed, and no more', async () => {
  expect(await outputOf(chunks('ab', 'c'), 3)).toBe('abc')
  const stream = chunks('ab', 'c', 'd')
  await expect(outputOf(stream, 2)).rejects.toMatchObject({ code: 'NOT_ALLOWED' })
  expect(stream.destroyed).toBe(true)
})
