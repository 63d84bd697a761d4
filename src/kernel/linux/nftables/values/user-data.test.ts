import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { commentOf, encodeComment, encodeUserData, userDataField } from './user-data.ts'

describe('user data', () => {
  it('is a list of fields, each found by its number', () => {
    const field = fc.tuple(fc.nat(255), fc.uint8Array({ maxLength: 100 }))
    fc.assert(
      fc.property(
        fc.uniqueArray(field, { selector: ([type]) => type, maxLength: 10 }),
        (fields) => {
          const data = encodeUserData(fields)
          for (const [type, value] of fields) {
            expect(Buffer.from(userDataField(data, type)!)).toEqual(Buffer.from(value))
          }
        },
      ),
    )
  })

  it('holds comments as nft writes them', () => {
    const data = encodeUserData([encodeComment('häh?')])
    expect([...data]).toEqual([0, 6, ...Buffer.from('häh?'), 0])
    expect(commentOf(data)).toBe('häh?')
  })

  it('holds comments of up to 239 bytes', () => {
    expect(commentOf(encodeUserData([encodeComment('x'.repeat(239))]))).toHaveLength(239)
    expect(() => encodeComment('ä'.repeat(120))).toThrow('is longer than 239 bytes')
  })

  it('of somebody else may be anything', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (data) => {
        expect(typeof (commentOf(data) ?? '')).toBe('string')
      }),
    )
  })
})
