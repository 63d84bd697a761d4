import { beforeEach, describe, expect, it } from 'vitest'
import { decodeMessage, encodeQuery } from '../../../test/support/dns-message.ts'
import {
  answerBytes,
  ask,
  endpoint,
  outcome,
  resolver,
  zone,
} from '../../../test/support/name-sources.ts'
import { Names, type View } from '../view/names.ts'
import { DROPPED, lastAnswer } from './answer.ts'

const many = Array.from({ length: 40 }, (_, index) => `10.7.1.${index}`)
const SOA = 'SOA localhost. nobody.invalid. 1'

let turn: number
let names: Names
let view: View

beforeEach(() => {
  turn = 0
  names = new Names(() => turn)
  names.change(
    [],
    [
      resolver('s'),
      endpoint('asker', { sandbox: 's', addresses: ['10.7.0.9'], subnets: ['10.7.0.0/16'] }),
      endpoint('web', { addresses: ['10.7.0.2', 'fd00:7::2'], services: ['80/tcp'] }),
      endpoint('four', { names: ['four', 'app'], addresses: ['10.7.0.3'] }),
      endpoint('more', { names: ['more', 'app'], addresses: ['10.7.0.4'] }),
      endpoint('third', { names: ['third', 'app'], addresses: ['10.7.0.5'] }),
      endpoint('many', { addresses: many }),
    ],
  )
  view = names.view('s')!
})

describe('an answer', () => {
  it('is a message with the question as it was asked', () => {
    expect(ask(view, { name: 'wEb', id: 0xabcd })).toEqual({
      id: 0xabcd,
      flags: 'qr aa rd ra',
      opcode: 0,
      code: 'NOERROR',
      question: 'wEb. A',
      answers: ['wEb. 1 A 10.7.0.2'],
      authorities: [],
      additionals: [],
    })
    expect(lastAnswer).toEqual({ source: 'local', code: 0 })
  })

  it('is about the other family as well', () => {
    expect(ask(view, { name: 'web.dev.', type: 'AAAA' }).answers).toEqual([
      'web.dev. 1 AAAA fd00:7::2',
    ])
  })

  it('is empty, with SOA, for what a name does not have', () => {
    for (const [name, type] of [
      ['four', 'AAAA'],
      ['web', 'MX'],
      ['web', 'TXT'],
      ['web', 'HTTPS'],
      ['web', 'SRV'],
      ['web', 4711],
    ] as const)
      expect(ask(view, { name, type })).toMatchObject({
        flags: 'qr aa rd ra',
        code: 'NOERROR',
        answers: [],
        authorities: [`${name}. 1 ${SOA}`],
      })
  })

  it('to ANY is all addresses', () => {
    expect(ask(view, { name: 'web', type: 'ANY' }).answers).toEqual([
      'web. 1 A 10.7.0.2',
      'web. 1 AAAA fd00:7::2',
    ])
  })

  it('has RD and CD as asked, and never AD', () => {
    expect(ask(view, { name: 'web', flags: 0 }).flags).toBe('qr aa ra')
    // Everything but QR and the opcode.
    expect(ask(view, { name: 'web', flags: 0x07f0 }).flags).toBe('qr aa rd ra cd')
  })

  it('begins with any of several records', () => {
    const first = [0, 0.34, 0.67, 0.999].map((random) => {
      turn = random
      return ask(view, { name: 'app' })
        .answers.map((record) => record.slice(-1))
        .join('')
    })
    expect(first).toEqual(['345', '453', '534', '534'])
  })
})

describe('EDNS', () => {
  it('is answered only to those who have it', () => {
    const { edns } = ask(view, { name: 'web', edns: { size: 4096 } })
    expect(edns).toEqual({ size: 1232, version: 0, do: false })
    expect(ask(view, { name: 'web' }).edns).toBeUndefined()
    expect(ask(view, { name: 'web', edns: { do: true } }).edns?.do).toBe(true)
  })

  it('may have unknown options', () => {
    const cookie = Buffer.from([0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8])
    expect(ask(view, { name: 'web', edns: { options: cookie } }).code).toBe('NOERROR')
  })

  it('of a version to come is told so', () => {
    const told = ask(view, { name: 'web', edns: { version: 1 } })
    expect([told.code, told.edns?.version, told.answers]).toEqual(['BADVERS', 0, []])
    expect(lastAnswer).toEqual({ source: 'malformed', code: 16 })
  })

  it.each([
    // 12 + 10 + 30 * 16, and 11 for EDNS.
    ['without it', undefined, 30],
    ['with less than 512', 100, 29],
    ['with 650', 650, 38],
    ['with one byte too few', 672, 39],
    ['with just enough', 673, 40],
    ['with much', 65535, 40],
  ])('says how much fits: %s', (_, size, count) => {
    const edns = size === undefined ? {} : { edns: { size } }
    const told = ask(view, { name: 'many', ...edns })
    expect(told.flags.includes('tc')).toBe(count < 40)
    expect(told.answers).toHaveLength(count)
    expect(told.authorities).toEqual([])
  })

  it('says nothing about TCP', () => {
    const told = ask(view, { name: 'many' }, 'tcp')
    expect([told.flags, told.answers.length]).toEqual(['qr aa rd ra', 40])
  })

  it('never makes an answer larger than there is room', () => {
    const query = encodeQuery({ name: 'many', edns: { size: 4096 } })
    const told = decodeMessage(answerBytes(view, query, { room: 600 }) as Buffer)
    expect([told.flags.includes('tc'), told.answers.length]).toEqual([true, 35])
  })

  it('leaves out only what does not fit, and each record has its turn', () => {
    const seen = new Set<string>()
    for (turn = 0; turn < 1; turn += 1 / 40) {
      const { flags, answers } = ask(view, { name: 'many' })
      expect([flags, new Set(answers).size]).toEqual(['qr aa tc rd ra', 30])
      for (const record of answers) seen.add(record)
    }
    expect(seen.size).toBe(40)
    turn = 0
    const both = { addresses: ['10.7.2.1', ...many.map((_, index) => `fd00:7::${index}`)] }
    names.change([], [endpoint('both', both)])
    const told = ask(view, { name: 'both', type: 'ANY' })
    expect([told.flags, told.answers.slice(0, 2)]).toEqual([
      'qr aa tc rd ra',
      ['both. 1 A 10.7.2.1', 'both. 1 AAAA fd00:7::'],
    ])
  })
})

describe('what is no good', () => {
  const changed = (at: number, value: number) => {
    const query = encodeQuery({ name: 'web' })
    query[at] = value
    return query
  }
  const told = (query: Uint8Array) => decodeMessage(answerBytes(view, query) as Buffer)

  it('is not answered if it is an answer, or no message', () => {
    expect(answerBytes(view, changed(2, 0x81))).toBe(DROPPED)
    expect(answerBytes(view, encodeQuery({ name: 'web' }).subarray(0, 11))).toBe(DROPPED)
    expect(answerBytes(view, Buffer.alloc(0))).toBe(DROPPED)
  })

  it.each([
    ['NOTIMP', 'another opcode', changed(2, 0x20), 'web. A'],
    ['FORMERR', 'no question', changed(5, 0), undefined],
    ['FORMERR', 'two questions', changed(5, 2), undefined],
    ['FORMERR', 'a label too long', changed(12, 64), undefined],
    ['FORMERR', 'a pointer as its name', changed(12, 0xc0), undefined],
    ['FORMERR', 'a question cut off', changed(0, 1).subarray(0, 20), undefined],
    ['FORMERR', 'more records than there are', changed(11, 1), 'web. A'],
    ['FORMERR', 'very many records', changed(8, 255), 'web. A'],
    ['FORMERR', 'type 0', changed(18, 0), 'web. TYPE0'],
    ['FORMERR', 'type OPT', changed(18, 41), 'web. OPT'],
    ['REFUSED', 'another class', changed(20, 3), 'web. A'],
    ['REFUSED', 'a transfer', changed(18, 252), 'web. AXFR'],
    ['REFUSED', 'a transfer of changes', changed(18, 251), 'web. IXFR'],
  ])('gets %s: %s', (code, _, query, question) => {
    const { answers, authorities, additionals, id, ...rest } = told(query)
    expect([rest.code, rest.question]).toEqual([code, question])
    expect([...answers, ...authorities, ...additionals]).toEqual([])
    expect(id).toBe(query.readUInt16BE(0))
    expect(rest.flags).toBe(query[2] === 0x20 ? 'qr ra' : 'qr rd ra')
    expect(lastAnswer.source).toBe(code === 'REFUSED' ? 'refused' : 'malformed')
  })

  it('keeps the opcode', () => {
    expect(told(changed(2, 0x28)).opcode).toBe(5)
  })

  it('gets FORMERR with EDNS twice, in the wrong place, or with broken options', () => {
    const query = encodeQuery({ name: 'web', edns: {} })
    const twice = Buffer.concat([query, query.subarray(-11)])
    twice[11] = 2
    const early = Buffer.from(query)
    early[7] = 1
    early[11] = 0
    const named = Buffer.concat([query.subarray(0, 21), Buffer.from([1, 97]), query.subarray(21)])
    const options = encodeQuery({ name: 'web', edns: { options: Buffer.from([0, 10, 0, 9, 1]) } })
    for (const bytes of [twice, early, named, options]) expect(told(bytes).code).toBe('FORMERR')
  })

  it('may have something behind it, which is ignored', () => {
    const query = Buffer.concat([encodeQuery({ name: 'web' }), Buffer.alloc(600, 7)])
    expect(told(query).answers).toEqual(['web. 1 A 10.7.0.2'])
  })

  it('says so over EDNS, too', () => {
    const query = encodeQuery({ name: 'web', class: 3, edns: { do: true } })
    expect(told(query)).toMatchObject({ code: 'REFUSED', edns: { do: true } })
  })
})

describe('a query that is not answered here', () => {
  it('stays as it is', () => {
    names.change([], [resolver('s', { servers: ['192.0.2.1'] })])
    const query = encodeQuery({ name: 'Example.COM', edns: { do: true } })
    const buffer = Buffer.concat([query, Buffer.alloc(2048)])
    expect(outcome(view, 'Example.COM')).toBe('forward')
    expect(answerBytes(view, query)).toBe(-1)
    expect(buffer.subarray(0, query.length)).toEqual(query)
  })
})

describe('a name in strange bytes', () => {
  it('is not taken for another one', () => {
    names.change([], [zone('cnm.internal')])
    expect(outcome(view, 'web.dev.cnm.internal')).toBe('NOERROR 10.7.0.2')
    // The first label has the bytes of the second name in it.
    const labels = ['web\x03dev\x03cnm', 'internal']
    const told = ask(view, { name: labels, edns: {} })
    expect([told.code, told.edns?.extended?.[0]]).toEqual(['REFUSED', 18])
    expect(outcome(view, 'wéb')).toBe('NXDOMAIN')
  })
})
