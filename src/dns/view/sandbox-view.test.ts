import { beforeEach, describe, expect, it } from 'vitest'
import {
  ask,
  endpoint,
  outcome,
  resolver,
  server,
  zone,
} from '../../../test/support/name-sources.ts'
import type { NameSource } from './names.ts'
import { Names, type View } from './names.ts'

const SOA = 'SOA localhost. nobody.invalid. 1'

let names: Names
let view: View

const add = (...sources: readonly NameSource[]) => names.change([], sources)

beforeEach(() => {
  names = new Names()
  add(resolver('s'))
  view = names.view('s')!
})

describe('names', () => {
  it('are those of its networks, and of no other', () => {
    add(
      endpoint('me', { sandbox: 's' }),
      endpoint('web', { names: ['web', 'Shop.Front', 'under_score'], addresses: ['10.7.0.2'] }),
      endpoint('other', { network: 'back', addresses: ['10.8.0.2'] }),
    )
    for (const name of ['web', 'shop.front', 'under_score', 'web.dev', 'SHOP.front.DEV'])
      expect(outcome(view, name), name).toBe('NOERROR 10.7.0.2')
    for (const name of ['other', 'web.back'])
      expect(outcome(view, name), name).toMatch(/^(NXDOMAIN|REFUSED)$/)
  })

  it('that can be no names are left out', () => {
    const strange = ['a'.repeat(64), 'a..b', 'localhost', 'x.localhost', '1.0.7.10.in-addr.arpa']
    add(
      endpoint('me', { sandbox: 's', subnets: ['10.7.0.0/24'] }),
      endpoint('web', { names: [...strange, 'web'], addresses: ['10.7.0.2'] }),
    )
    expect(outcome(view, 'web')).toBe('NOERROR 10.7.0.2')
    expect(outcome(view, 'localhost')).toBe('NOERROR 127.0.0.1')
    expect(outcome(view, '1.0.7.10.in-addr.arpa')).toBe('NXDOMAIN')
    expect(outcome(view, '2.0.7.10.in-addr.arpa', 'PTR')).toBe('NOERROR web.dev.')
  })

  it('of its own come first, then those of the gateway’s network, then by name', () => {
    const mine = (network: string, more = {}) =>
      endpoint(`me in ${network}`, { sandbox: 's', network, ...more })
    const theirs = (network: string, address: string) =>
      endpoint(`web in ${network}`, { network, names: ['web'], addresses: [address] })
    add(mine('b'), mine('a'), theirs('a', '10.1.0.1'), theirs('b', '10.2.0.1'))
    add(mine('z'), theirs('z', '10.26.0.1'))
    expect(outcome(view, 'web')).toBe('NOERROR 10.1.0.1')
    add(mine('z', { gateway: true }))
    expect(outcome(view, 'web')).toBe('NOERROR 10.26.0.1')
    expect(outcome(view, 'web.b')).toBe('NOERROR 10.2.0.1')
    add(mine('b', { own: { Web: ['10.99.0.1', 'fd00::1'] } }))
    expect(outcome(view, 'web')).toBe('NOERROR 10.99.0.1')
    expect(outcome(view, 'web', 'AAAA')).toBe('NOERROR fd00::1')
    expect(outcome(view, 'web.z')).toBe('NOERROR 10.26.0.1')
  })

  it('with several endpoints have all their addresses, once', () => {
    const app = (address: string) => ({ names: ['app'], addresses: [address] })
    add(endpoint('me', { sandbox: 's' }), endpoint('a', app('10.7.0.2')))
    add(endpoint('b', app('10.7.0.3')), endpoint('c', app('10.7.0.3')))
    expect(outcome(view, 'app')).toBe('NOERROR 10.7.0.2 10.7.0.3')
    names.change(['names:a', 'names:c'], [])
    expect(outcome(view, 'app')).toBe('NOERROR 10.7.0.3')
    names.change(['names:b'], [])
    expect(outcome(view, 'app')).toBe('NXDOMAIN')
  })

  it('localhost is the sandbox itself', () => {
    expect(outcome(view, 'LocalHost')).toBe('NOERROR 127.0.0.1')
    expect(outcome(view, 'a.localhost', 'AAAA')).toBe('NOERROR ::1')
    expect(outcome(view, 'localhost', 'TXT')).toBe('NOERROR')
    expect(outcome(view, '1.0.0.127.in-addr.arpa', 'PTR')).toBe('NOERROR localhost.')
  })
})

describe('names of addresses', () => {
  beforeEach(() =>
    add(
      endpoint('me', { sandbox: 's', subnets: ['10.7.4.0/22', 'fd00:7::/64'] }),
      endpoint('web', { names: ['web', 'www'], addresses: ['10.7.5.2', 'fd00:7::1f'] }),
    ),
  )

  const six = `f.1.${'0.'.repeat(22)}7.0.0.0.0.0.d.f.ip6.arpa`

  it.each([
    ['2.5.7.10.in-addr.arpa', 'NOERROR web.dev.'],
    [six, 'NOERROR web.dev.'],
    ['3.5.7.10.in-addr.arpa', 'NXDOMAIN'],
    [six.replace('f.1', 'e.1'), 'NXDOMAIN'],
    // Parts of the tree, and what isn't in there.
    ['5.7.10.in-addr.arpa', 'NOERROR'],
    ['b._dns-sd._udp.0.5.7.10.in-addr.arpa', 'NXDOMAIN'],
    ['x.2.5.7.10.in-addr.arpa', 'NXDOMAIN'],
    ['02.5.7.10.in-addr.arpa', 'NXDOMAIN'],
    [six.slice(4), 'NOERROR'],
    // Others may know these.
    ['2.8.7.10.in-addr.arpa', 'REFUSED'],
    ['7.10.in-addr.arpa', 'REFUSED'],
    ['in-addr.arpa', 'REFUSED'],
    ['256.7.10.in-addr.arpa', 'REFUSED'],
    [six.slice(0, -'0.d.f.ip6.arpa'.length).concat('1.d.f.ip6.arpa'), 'REFUSED'],
  ])('%s: %s', (name, expected) => {
    expect(outcome(view, name, 'PTR')).toBe(expected)
  })

  it('have nothing but that', () => {
    const told = ask(view, { name: '2.5.7.10.in-addr.arpa', type: 'A' })
    expect([told.code, told.answers]).toEqual(['NOERROR', []])
    expect(told.authorities).toEqual([`2.5.7.10.in-addr.arpa. 1 ${SOA}`])
  })
})

describe('services', () => {
  beforeEach(() =>
    add(
      endpoint('me', { sandbox: 's' }),
      endpoint('web', {
        names: ['web', 'app'],
        addresses: ['10.7.0.2', 'fd00::2'],
        services: ['80/tcp', '8000-8010/tcp', '53/udp', '443-443/tcp', '21-23/tcp'],
      }),
      endpoint('two', { names: ['two', 'app'], addresses: ['10.7.0.3'], services: ['80/tcp'] }),
    ),
  )

  it.each([
    ['_http._tcp.web', 'NOERROR 0 0 80 web.dev.'],
    ['_HTTP._TCP.Web.Dev', 'NOERROR 0 0 80 web.dev.'],
    ['_80._tcp.web', 'NOERROR 0 0 80 web.dev.'],
    ['_https._tcp.web', 'NOERROR 0 0 443 web.dev.'],
    ['_8007._tcp.web.dev', 'NOERROR 0 0 8007 web.dev.'],
    ['_domain._udp.web', 'NOERROR 0 0 53 web.dev.'],
    ['_http._tcp.app', 'NOERROR 0 0 80 two.dev. 0 0 80 web.dev.'],
    ['_domain._tcp.web', 'NXDOMAIN'],
    ['_http._udp.web', 'NXDOMAIN'],
    // In a range that has only numbers.
    ['_ssh._tcp.web', 'NXDOMAIN'],
    ['_22._tcp.web', 'NOERROR 0 0 22 web.dev.'],
    ['_080._tcp.web', 'NXDOMAIN'],
    ['_unheard-of._tcp.web', 'NXDOMAIN'],
    // It is there for those below it.
    ['_tcp.web', 'NOERROR'],
    ['_sctp.web', 'NXDOMAIN'],
    ['_http._tcp.nobody', 'REFUSED'],
  ])('%s: %s', (name, expected) => {
    expect(outcome(view, name, 'SRV')).toBe(expected)
  })

  it('come with addresses, as far as they fit', () => {
    const told = ask(view, { name: '_http._tcp.web', type: 'SRV' })
    expect(told.additionals).toEqual(['web.dev. 1 A 10.7.0.2', 'web.dev. 1 AAAA fd00::2'])
    const addresses = Array.from({ length: 40 }, (_, index) => `10.7.2.${index}`)
    add(endpoint('web', { addresses: ['fd00::2', ...addresses], services: ['80/tcp'] }))
    const less = ask(view, { name: '_http._tcp.web', type: 'SRV' })
    expect(less.additionals).toEqual(['web.dev. 1 AAAA fd00::2'])
    expect(less.flags).toBe('qr aa rd ra')
  })

  it('have no addresses themselves', () => {
    expect(outcome(view, '_http._tcp.web', 'A')).toBe('NOERROR')
  })
})

describe('what nothing here has', () => {
  const me = { sandbox: 's', names: ['me', 'a.b'] }
  const outside = { ...me, outside: true }

  it('is forwarded where its networks lead outside', () => {
    add(endpoint('me', outside))
    for (const name of [
      'nobody',
      'nobody.dev',
      'dev',
      'b',
      'example.com',
      '.',
      '8.8.8.8.in-addr.arpa',
    ])
      expect(outcome(view, name), name).toBe('forward')
    expect(view.upstreams).toEqual({ from: 'host' })
  })

  it('is answered where they do not', () => {
    add(endpoint('me', me))
    expect(view.upstreams).toEqual({ from: 'none' })
    for (const name of ['nobody', 'nobody.dev', 'x.nobody.dev'])
      expect(outcome(view, name), name).toBe('NXDOMAIN')
    // There are names below.
    for (const name of ['b', 'dev', 'b.dev']) expect(outcome(view, name), name).toBe('NOERROR')
    for (const name of ['example.com', '.', '8.8.8.8.in-addr.arpa'])
      expect(outcome(view, name), name).toBe('REFUSED')
    const told = ask(view, { name: 'example.com', edns: {} })
    expect(told.edns?.extended).toEqual([18, 'no network of this sandbox leads outside'])
    expect(told.flags).toBe('qr rd ra')
  })

  it('is said with the SOA of the name above', () => {
    expect(ask(view, { name: 'nobody' }).authorities).toEqual([`. 1 ${SOA}`])
    add(endpoint('me', me))
    expect(ask(view, { name: 'nobody.dev' }).authorities).toEqual([`dev. 1 ${SOA}`])
  })

  it('is no data where the user has set ndots, if it has no dot', () => {
    add(resolver('s', { ndots: true }), endpoint('me', outside))
    expect(outcome(view, 'nobody')).toBe('NOERROR')
    expect(outcome(view, 'nobody', 'AAAA')).toBe('NOERROR')
    expect(outcome(view, 'nobody', 'MX')).toBe('forward')
    expect(outcome(view, 'nobody.dev')).toBe('forward')
    expect(outcome(view, '.')).toBe('forward')
  })

  it('never leaves the zone', () => {
    add(zone('CNM.internal'), endpoint('me', { ...outside, addresses: ['10.7.0.2'] }))
    add(endpoint('far', { network: 'back', addresses: ['10.8.0.2'] }))
    for (const [name, expected] of [
      ['me.dev.cnm.internal', 'NOERROR 10.7.0.2'],
      ['a.b.dev.CNM.internal', 'NOERROR 10.7.0.2'],
      ['cnm.internal', 'NOERROR'],
      ['dev.cnm.internal', 'NOERROR'],
      ['b.dev.cnm.internal', 'NOERROR'],
      ['me.cnm.internal', 'NXDOMAIN'],
      ['far.back.cnm.internal', 'NXDOMAIN'],
      ['back.cnm.internal', 'NXDOMAIN'],
      ['nobody.dev.cnm.internal', 'NXDOMAIN'],
      ['internal', 'forward'],
    ] as const)
      expect(outcome(view, name), name).toBe(expected)
    const none = ask(view, { name: 'me.dev.cnm.internal', type: 'MX' })
    expect(none.authorities).toEqual([`cnm.internal. 1 ${SOA}`])
    expect(ask(view, { name: 'x.dev.cnm.internal' }).authorities).toEqual(none.authorities)
    const authority = ask(view, { name: 'cnm.internal', type: 'SOA' })
    expect(authority.answers).toEqual(none.authorities)
    names.change(['zone:CNM.internal'], [])
    expect(outcome(view, 'me.dev.cnm.internal')).toBe('forward')
  })
})

describe('upstreams', () => {
  const me = (network: string, more: object) =>
    endpoint(network, { sandbox: 's', network, ...more })
  const from = (...servers: readonly string[]) => ({
    from: 'sandbox',
    servers: servers.map(server),
  })

  it('are none without networks, unless it has its own', () => {
    expect(view.upstreams).toEqual({ from: 'none' })
    add(resolver('s', { servers: ['192.0.2.1'] }))
    expect(view.upstreams).toEqual(from('192.0.2.1'))
  })

  it('are its own, those of its endpoints, the gateway’s first, or the host’s', () => {
    add(me('b', { servers: ['192.0.2.2', '192.0.2.3'] }), me('a', { servers: ['192.0.2.1'] }))
    add(me('z', { gateway: true, outside: true, servers: ['192.0.2.9', '192.0.2.1'] }))
    expect(view.upstreams).toEqual(from('192.0.2.9', '192.0.2.1', '192.0.2.2', '192.0.2.3'))
    add(resolver('s', { servers: ['192.0.2.7'] }))
    expect(view.upstreams).toEqual(from('192.0.2.7'))
    add(resolver('s'), me('a', {}), me('b', {}), me('z', { outside: true }))
    expect(view.upstreams).toEqual({ from: 'host' })
    names.change(['names:z'], [])
    expect(view.upstreams).toEqual({ from: 'none' })
  })
})
