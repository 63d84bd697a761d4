import { describe, expect, it } from 'vitest'
import { isWithin, keyText, lowerKey, nameKey, parentKeys, skipName } from './name.ts'

describe('nameKey', () => {
  it.each([
    ['web', '\x03web'],
    ['Web.Dev', '\x03web\x03dev'],
    ['web.dev.', '\x03web\x03dev'],
    ['a_b', '\x03a_b'],
    ['é', '\x02\xc3\xa9'],
    ['a'.repeat(63), `?${'a'.repeat(63)}`],
  ])('of %s is as on the wire', (text, key) => {
    expect(nameKey(text)).toBe(key)
  })

  it.each(['', '.', 'a..b', '.a', 'a'.repeat(64), `${'a.'.repeat(127)}b`])(
    'of %s is none',
    (text) => {
      expect(nameKey(text)).toBeUndefined()
    },
  )

  it('of 255 bytes on the wire is the longest', () => {
    expect(nameKey('a.'.repeat(127))).toHaveLength(254)
  })
})

describe('lowerKey', () => {
  it('changes ASCII only', () => {
    expect(lowerKey('\x04WÀZw')).toBe('\x04wÀzw')
  })
})

describe('keyText', () => {
  it.each([
    ['', '.'],
    ['\x03web\x03dev', 'web.dev.'],
    ['\x05_http\x04_tcp', '_http._tcp.'],
    ['\x04a.b\0', 'a\\046b\\000.'],
    ['\x02\\ \x02\xc3\xa9', '\\092\\032.\\195\\169.'],
  ])('of %j is %s', (key, text) => {
    expect(keyText(key)).toBe(text)
  })
})

describe('isWithin', () => {
  it('is about labels, not bytes', () => {
    const suffix = '\x03cnm\x08internal'
    expect(isWithin(`\x01a${suffix}`, suffix)).toBe(true)
    expect(isWithin(suffix, suffix)).toBe(true)
    expect(isWithin('\x08internal', suffix)).toBe(false)
    // One label, which has the bytes of another in it.
    expect(isWithin('\x05a\x03cnm\x08internal', suffix)).toBe(false)
    expect(isWithin('\x01a', '')).toBe(true)
  })
})

describe('parentKeys', () => {
  it('are those above, nearest first', () => {
    expect(parentKeys('\x01a\x01b\x01c')).toEqual(['\x01b\x01c', '\x01c'])
    expect(parentKeys('\x01a')).toEqual([])
  })
})

describe('skipName', () => {
  it.each([
    ['\x03web\0rest', 5],
    ['\0', 1],
    ['\x01a\xc0\x0c', 4],
    ['\x01a\xc0', -1],
    ['\x03we', -1],
    ['\x03web', -1],
    ['\x40', -1],
    ['', -1],
  ])('of %j ends at %i', (bytes, end) => {
    expect(skipName(Buffer.from(bytes, 'latin1'), 0)).toBe(end)
  })
})
