import { describe, expect, it } from 'vitest'
import { decodeMessage, encodeQuery } from '../../../test/support/dns-message.ts'
import { Code, codeName, emptyReply, readQuestion, Type, typeName } from './message.ts'

const webQuery = encodeQuery({ name: 'Web.dev', type: 'AAAA', id: 0xbeef, edns: { do: true } })

describe('readQuestion', () => {
  it('reads what was asked', () => {
    expect(readQuestion(webQuery)).toEqual({
      id: 0xbeef,
      flags: 0x0100,
      name: 'web.dev.',
      wireName: Buffer.from('\x03Web\x03dev\0'),
      type: Type.AAAA,
      class: 1,
      edns: { size: 1232, do: true, version: 0 },
      end: 25,
    })
  })

  it('escapes what is no letter, and knows the root', () => {
    const name = (labels: readonly string[]) => readQuestion(encodeQuery({ name: labels }))?.name
    expect(name(['a.b', '\0Ä'])).toBe('a\\046b.\\000\\196.')
    expect(name([])).toBe('.')
  })

  it('does so in an answer as well', () => {
    const answer = emptyReply(webQuery, Code.NXDOMAIN)
    expect(readQuestion(answer)).toMatchObject({ name: 'web.dev.', flags: 0x8183 })
  })

  it('does without EDNS where the rest is not whole', () => {
    const question = readQuestion(webQuery.subarray(0, -1))
    expect(question?.name).toBe('web.dev.')
    expect(question?.edns).toBeUndefined()
  })

  it('reads nothing where there is not exactly one question', () => {
    const none = Buffer.from(webQuery)
    none.writeUInt16BE(0, 4)
    const two = Buffer.from(webQuery)
    two.writeUInt16BE(2, 4)
    const pointer = Buffer.concat([webQuery.subarray(0, 12), Buffer.from([0xc0, 12, 0, 1, 0, 1])])
    const cut = webQuery.subarray(0, 24)
    const long = encodeQuery({ name: Array.from({ length: 128 }, () => 'a') })
    for (const bytes of [none, two, pointer, cut, long, Buffer.alloc(11), Buffer.alloc(0)])
      expect(readQuestion(bytes)).toBeUndefined()
  })

  it('reads from the middle of a larger buffer', () => {
    const around = Buffer.concat([Buffer.alloc(7, 255), webQuery, Buffer.alloc(7, 255)])
    const inside = new Uint8Array(around.buffer, around.byteOffset + 7, webQuery.length)
    expect(readQuestion(inside)?.name).toBe('web.dev.')
  })
})

describe('emptyReply', () => {
  it('has id, question and what else was asked', () => {
    const query = encodeQuery({ name: 'Web', type: 'MX', id: 7, flags: 0x0130 })
    expect(decodeMessage(emptyReply(query, Code.SERVFAIL, { code: 22, text: 'x' }))).toEqual({
      id: 7,
      flags: 'qr rd ra cd',
      opcode: 0,
      code: 'SERVFAIL',
      question: 'Web. MX',
      answers: [],
      authorities: [],
      additionals: [],
    })
  })

  it('says why to those who know EDNS', () => {
    const text = 'no server of the host answers: 192.0.2.1 é'
    const told = decodeMessage(emptyReply(webQuery, Code.SERVFAIL, { code: 22, text }))
    expect(told.edns).toEqual({ size: 1232, version: 0, do: true, extended: [22, text] })
  })

  it('has codes that only EDNS has room for', () => {
    expect(decodeMessage(emptyReply(webQuery, Code.BADVERS)).code).toBe('BADVERS')
  })

  it('leaves the query as it is', () => {
    const before = Buffer.from(webQuery)
    emptyReply(webQuery, Code.REFUSED)
    expect(webQuery).toEqual(before)
  })

  it.each([0, 1, 11, 12, 15])('of %i bytes has at least a header', (length) => {
    const told = decodeMessage(emptyReply(webQuery.subarray(0, length), Code.FORMERR))
    expect([told.code, told.question]).toEqual(['FORMERR', undefined])
    expect(told.id).toBe(length === 0 ? 0 : length === 1 ? 0xbe00 : 0xbeef)
  })
})

describe('typeName and codeName', () => {
  it('have names for most', () => {
    expect([1, 28, 33, 65, 255, 4711].map(typeName)).toEqual([
      'A',
      'AAAA',
      'SRV',
      'HTTPS',
      'ANY',
      'TYPE4711',
    ])
    expect([0, 3, 16, 24].map(codeName)).toEqual(['NOERROR', 'NXDOMAIN', 'BADVERS', 'RCODE24'])
  })
})
