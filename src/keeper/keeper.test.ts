import fc from 'fast-check'
import { expect, it } from 'vitest'
import { encodeFrame, FrameReader, type KeeperRequest } from './keeper.ts'

it('messages survive being cut into pieces anywhere', () => {
  const message = fc.record({
    op: fc.constant('hold' as const),
    number: fc.nat(),
    label: fc.string({ unit: 'grapheme' }),
  })
  const pieces = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 })
  fc.assert(
    fc.property(fc.array(message), pieces, (messages: KeeperRequest[], sizes) => {
      const bytes = Buffer.concat(messages.map(encodeFrame))
      const reader = new FrameReader()
      const got: unknown[] = []
      for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
        const size = sizes[turn % sizes.length]!
        got.push(...reader.push(bytes.subarray(at, at + size)))
        at += size
      }
      expect(got).toEqual(messages)
    }),
  )
})

it('what no engine sends is refused', () => {
  expect(() => new FrameReader().push(Buffer.from([0xff, 0xff, 0xff, 0xff]))).toThrow('bytes')
  expect(() => new FrameReader().push(Buffer.from([1, 0, 0, 0, 0x7b]))).toThrow()
})
