import { describe, expect, it } from 'vitest'
import {
  isHostname,
  parseExtraHosts,
  parseHostname,
  parseResolverOptions,
  parseSearch,
  parseServers,
} from './name-options.ts'

const where = 'sandbox options'

describe('servers', () => {
  it.each([
    ['10.7.0.5', '10.7.0.5', 53],
    ['10.7.0.5:5353', '10.7.0.5', 5353],
    ['fd00::5', 'fd00::5', 53],
    ['::1', '::1', 53],
    ['[FD00::0:5]', 'fd00::5', 53],
    ['[fd00::5]:5353', 'fd00::5', 5353],
  ])('can be %s', (text, address, port) => {
    expect(parseServers([text], where)).toEqual([{ address, port }])
  })

  it('are each asked once', () => {
    const servers = parseServers(['10.7.0.5', '10.7.0.5:53', '10.7.0.5:54'], where)
    expect(servers.map(({ port }) => port)).toEqual([53, 54])
  })

  it.each([
    ...['', 'dns.example', '10.7.0', '10.7.0.5:', '10.7.0.5:0', '10.7.0.5:65536', '10.7.0.5:x'],
    ...['[fd00::5', '[fd00::5]:', 'fd00::5%eth0', '0.0.0.0', '::', '10.7.0.5 ', '10.7.0.5\n'],
  ])('are not %j', (text) => {
    const message = `sandbox options: dns has ${JSON.stringify(text)}, which is no server`
    expect(() => parseServers([text], where)).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION', message }),
    )
  })

  it.each(['127.0.0.11', '127.0.0.153', '127.0.0.11:5353'])('are not ours: %s', (text) => {
    expect(() => parseServers([text], where)).toThrow(
      expect.objectContaining({
        code: 'INVALID_OPTION',
        message: `sandbox options: dns has ${text}, which is this resolver itself and would be asked in a loop`,
        hint: expect.stringContaining('host’s own servers'),
      }),
    )
  })
})

describe('a hostname', () => {
  const label = 'x'.repeat(63)

  it.each(['a', 'Web-1', 'db.example.org', '0', label])('can be %s', (text) => {
    expect(parseHostname(text, where)).toBe(text)
  })

  it.each([
    '',
    '-a',
    'a-',
    'a_b',
    'a..b',
    'a.',
    '.a',
    'a b',
    'a\nb',
    'ä',
    '10.7.0.9',
    'LocalHost',
    `${label}x`,
    `${label}.a`,
  ])('is not %j', (text) => {
    expect(isHostname(text)).toBe(false)
    expect(() => parseHostname(text, where)).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION' }),
    )
  })
})

describe('search domains', () => {
  it('are kept once each', () => {
    const texts = ['example.org', '_x.example', 'example.org']
    expect(parseSearch(texts, where)).toEqual(['example.org', '_x.example'])
  })

  it('are none for a dot alone', () => {
    expect(parseSearch(['.'], where)).toEqual([])
  })

  it.each([[['.', 'a']], [['a b']], [['a\nnameserver 1.1.1.1']], [['a..b']], [['']]])(
    'are not %j',
    (texts) => {
      expect(() => parseSearch(texts, where)).toThrow(
        expect.objectContaining({ code: 'INVALID_OPTION' }),
      )
    },
  )
})

describe('options of resolv.conf', () => {
  it.each(['ndots:0', 'ndots:15', 'rotate', 'timeout:1', 'trust-ad'])('can be %s', (text) => {
    expect(parseResolverOptions([text], where)).toEqual([text])
  })

  it.each([
    '',
    'a b',
    'rotate\nnameserver 1.1.1.1',
    '#x',
    ';x',
    'ndots',
    'ndots:',
    'ndots:x',
    'ndots:16',
  ])('are not %j', (text) => {
    expect(() => parseResolverOptions([text], where)).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION' }),
    )
  })
})

describe('extra hosts', () => {
  it.each([
    ['db:10.7.0.9', 'db', '10.7.0.9'],
    ['db=10.7.0.9', 'db', '10.7.0.9'],
    ['db.example.org:fd00::9', 'db.example.org', 'fd00::9'],
    ['db=fd00::9', 'db', 'fd00::9'],
    ['db:[fd00::9]', 'db', 'fd00::9'],
    ['db:::1', 'db', '::1'],
    ['gate:host-gateway', 'gate', 'host-gateway'],
  ])('can be %s', (text, name, address) => {
    expect(parseExtraHosts([text], where)).toEqual([{ name, address }])
  })

  it.each([
    ...['db', ':10.7.0.9', 'db:', 'db:here', 'a b:10.7.0.9', 'db:10.7.0.9 x', 'db:10.7.0.9\nx'],
    '10.7.0.8:10.7.0.9',
  ])('are not %j', (text) => {
    expect(() => parseExtraHosts([text], where)).toThrow(
      expect.objectContaining({
        code: 'INVALID_OPTION',
        message: `sandbox options: extraHosts has ${JSON.stringify(text)}, which is no name with an address`,
      }),
    )
  })
})
