import fc from 'fast-check'
import { expect, it } from 'vitest'
import { parseAddress } from '../../address/address.ts'
import { isOurs, ndotsOf, parseResolvConf, resolvConfText } from './resolv-conf.ts'

const nothing = { search: [], options: [] }
const serversOf = (text: string) => parseResolvConf(text).servers.map(({ address }) => address)

it('servers are read in their order, each once', () => {
  const text =
    'nameserver 10.0.0.2\nnameserver fd00::0:1\nnameserver 10.0.0.2\nnameserver\t10.0.0.1\n'
  expect(parseResolvConf(text).servers).toEqual([
    { address: '10.0.0.2', port: 53 },
    { address: 'fd00::1', port: 53 },
    { address: '10.0.0.1', port: 53 },
  ])
})

it('what glibc passes over is passed over', () => {
  const text = `; nameserver 10.0.0.1
#nameserver 10.0.0.2
  # nameserver 10.0.0.3
nameserver
nameserver localhost
nameserver fe80::1%
nameserver 10.0.0.4%eth0
nameserver fd00::1%eth0
nameservers 10.0.0.4
nameserver 10.0.0.5 # the good one
sortlist 10.0.0.0/24
\0\u{1f431}
nameserver 10.0.0.6\r
nameserver 10.0.0.7`
  expect(serversOf(text)).toEqual(['10.0.0.5', '10.0.0.6', '10.0.0.7'])
})

it('a link-local address is one on its link', () => {
  const text = 'nameserver FE80::1%eth0\nnameserver fe80::1%eth1\nnameserver fe80::0:1%eth0\n'
  expect(parseResolvConf(text).servers).toEqual([
    { address: 'fe80::1', port: 53, link: 'eth0' },
    { address: 'fe80::1', port: 53, link: 'eth1' },
  ])
})

it("a local stub is a server like others, our own addresses aren't", () => {
  const text = 'nameserver 127.0.0.11\nnameserver 127.0.0.53\nnameserver 127.0.0.153\n'
  expect(serversOf(text)).toEqual(['127.0.0.53'])
  expect(isOurs({ address: parseAddress('127.0.0.153') })).toBe(true)
})

it('the last search or domain counts, and options add up', () => {
  const text = `options ndots:2 rotate
search a.example b.example # others
domain c.example ignored
options rotate edns0
search d.example e.example`
  expect(parseResolvConf(text)).toEqual({
    servers: [],
    search: ['d.example', 'e.example'],
    options: ['ndots:2', 'rotate', 'edns0'],
  })
  expect(parseResolvConf('search a b\ndomain c d\n').search).toEqual(['c'])
  expect(parseResolvConf('search .\n').search).toEqual([])
})

it('any text can be read', () => {
  const word = fc.constantFrom('nameserver', 'search', 'options', ' ', '\n', '#', '::', '1.2.3.4')
  const text = fc.array(fc.oneof(word, fc.string())).map((parts) => parts.join(''))
  fc.assert(fc.property(text, (any) => parseResolvConf(any).servers.length >= 0))
})

it("a sandbox's file says what the host's says, but for the server", () => {
  const host = { search: ['corp.example'], options: ['edns0', 'trust-ad'] }
  expect(
    resolvConfText({ host }),
  ).toBe(`# Written by libcnm for this sandbox, whose resolver is at this address.
# Once it has been edited, it is left as it is.
nameserver 127.0.0.11
search corp.example
options edns0 trust-ad ndots:0
`)
})

it('what its user wants takes the place of that', () => {
  const host = { search: ['corp.example'], options: ['edns0', 'ndots:5'] }
  const text = resolvConfText({ search: ['a', 'b'], options: ['ndots:2', 'rotate'], host })
  expect(text).toContain('\nsearch a b\noptions ndots:2 rotate\n')
  expect(resolvConfText({ search: ['.'], host })).not.toContain('search')
  expect(resolvConfText({ search: [], host })).not.toContain('search')
  expect(resolvConfText({ host })).toContain('\noptions edns0 ndots:5\n')
})

it('an ndots that is none is replaced', () => {
  const options = ['ndots:x', 'ndots', 'ndots:-1', 'rotate']
  expect(resolvConfText({ options, host: nothing })).toContain('\noptions rotate ndots:0\n')
  expect(ndotsOf(options)).toBeUndefined()
  expect(ndotsOf(['ndots:1', 'rotate', 'ndots:3'])).toBe(3)
})

it('the own file can be read', () => {
  const text = resolvConfText({ search: ['x'], options: ['ndots:1'], host: nothing })
  expect(parseResolvConf(text)).toEqual({ servers: [], search: ['x'], options: ['ndots:1'] })
})
