import fc from 'fast-check'
import { expect, it } from 'vitest'
import { addressFromBytes } from '../../address/address.ts'
import type { PublishedPort } from '../../driver/driver.ts'
import { mergePublished, parseExposed, parsePublished, publishedText } from './port-spec.ts'

const one = (from: number, to = from) => ({ from, to })

it.each([
  ['80', { protocol: 'tcp', ports: one(80) }],
  [':80', { protocol: 'tcp', ports: one(80) }],
  ['0:80', { protocol: 'tcp', ports: one(80) }],
  ['80/UDP', { protocol: 'udp', ports: one(80) }],
  ['8080:80', { protocol: 'tcp', ports: one(80), hostPorts: one(8080) }],
  ['8000-8010:80', { protocol: 'tcp', ports: one(80), hostPorts: one(8000, 8010) }],
  [
    '8000-8010:9000-9010/sctp',
    { protocol: 'sctp', ports: one(9000, 9010), hostPorts: one(8000, 8010) },
  ],
  ['3000-3005', { protocol: 'tcp', ports: one(3000, 3005) }],
  ['127.0.0.1::80', { protocol: 'tcp', ports: one(80), hostAddress: '127.0.0.1' }],
  [
    '127.0.0.1:8080:80/udp',
    { protocol: 'udp', ports: one(80), hostAddress: '127.0.0.1', hostPorts: one(8080) },
  ],
  [
    '[0:0::1]:8080:80',
    { protocol: 'tcp', ports: one(80), hostAddress: '::1', hostPorts: one(8080) },
  ],
  ['[::1]::80', { protocol: 'tcp', ports: one(80), hostAddress: '::1' }],
] as const)('reads %s as Docker does', (text, published) => {
  expect(parsePublished(text)).toEqual(published)
})

it('reads the same as data', () => {
  expect(parsePublished({ ports: 80 })).toEqual(parsePublished('80'))
  const data = {
    ports: '80-90',
    protocol: 'udp',
    hostAddress: '::1',
    hostPorts: '8080-8090',
  } as const
  expect(parsePublished(data)).toEqual(parsePublished('[::1]:8080-8090:80-90/udp'))
})

it.each([
  ['', 'no port'],
  ['eighty', 'no port'],
  ['0', 'no port'],
  ['65536', 'no port'],
  ['90-80', 'no port'],
  ['80/icmp', '"icmp"'],
  ['80/', '""'],
  ['8080:', 'no port'],
  ['8000-8010:80-82', "11 host ports can't lead to 3 ports"],
  ['8000:80-82', "1 host ports can't lead to 3 ports"],
  ['::1:8080:80', 'too many parts'],
  ['[::1]:80', 'too many parts'],
  ['[::1:8080:80', 'too many parts'],
  ['[10.0.0]:8080:80', 'IP'],
  ['localhost:8080:80', 'localhost'],
  ['[fe80::1%eth0]:8080:80', 'zone'],
])('refuses %j in one sentence that quotes it', (text, reason) => {
  expect(() => parsePublished(text)).toThrow(
    expect.objectContaining({
      code: 'INVALID_PORT',
      message: expect.stringMatching(/^".*" can't be published: .+/),
    }),
  )
  expect(() => parsePublished(text)).toThrow(JSON.stringify(text))
  expect(() => parsePublished(text)).toThrow(reason)
})

it('tells how an IPv6 address is written', () => {
  expect(() => parsePublished('fd00::7:8080:80')).toThrow(
    expect.objectContaining({ hint: expect.stringContaining('[::1]:8080:80') }),
  )
})

it('takes no host port for what is only exposed', () => {
  expect(parseExposed('53/udp')).toEqual({ protocol: 'udp', ports: one(53) })
  expect(() => parseExposed('53:53')).toThrow('"53:53"')
})

const port = fc.integer({ min: 1, max: 65535 })
const range = fc.tuple(port, port).map(([a, b]) => one(Math.min(a, b), Math.max(a, b)))
const address = fc
  .oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc.uint8Array({ minLength: 16, maxLength: 16 }).filter((bytes) => bytes.some((b) => b !== 0)),
  )
  .map(addressFromBytes)
const published: fc.Arbitrary<PublishedPort> = fc
  .record(
    {
      protocol: fc.constantFrom('tcp', 'udp', 'sctp'),
      ports: range,
      hostAddress: address,
      hostPorts: range,
    },
    { requiredKeys: ['protocol', 'ports'] },
  )
  .map(({ hostPorts, ...rest }): PublishedPort => {
    if (hostPorts === undefined) return rest
    const size = rest.ports.to - rest.ports.from
    const from = Math.min(hostPorts.from, 65535 - size)
    return { ...rest, hostPorts: size === 0 ? hostPorts : one(from, from + size) }
  })

it('reads what it prints', () => {
  fc.assert(
    fc.property(published, (wanted) => {
      expect(parsePublished(publishedText(wanted))).toEqual(wanted)
    }),
  )
})

it('makes one range of ports that continue each other', () => {
  const merged = (...texts: string[]) =>
    mergePublished(texts.map(parsePublished)).map(publishedText)
  expect(merged('8000:80', '8001:81', '8002-8009:82-89')).toEqual(['8000-8009:80-89/tcp'])
  expect(merged('8000:80', '8001:81/udp')).toHaveLength(2)
  expect(merged('8000:80', '8002:81')).toHaveLength(2)
  expect(merged('127.0.0.1:8000:80', '8001:81')).toHaveLength(2)
  expect(merged('80', '81')).toHaveLength(2)
  expect(merged('80', '8080:80', '80')).toEqual(['80/tcp', '8080:80/tcp'])
  const thousand = Array.from({ length: 1000 }, (_, n) => `${8000 + n}:${80 + n}`)
  expect(merged(...thousand)).toEqual(['8000-8999:80-1079/tcp'])
})
