import { beforeEach, describe, expect, it } from 'vitest'
import { ask, endpoint, outcome, zone } from '../../../test/support/name-sources.ts'
import { Names, type View } from './names.ts'

let names: Names
let view: View

beforeEach(() => {
  names = new Names()
  const subnets = ['10.7.0.0/24']
  names.change(
    [],
    [
      zone('cnm.internal'),
      endpoint('web', {
        names: ['web', 'a.b'],
        addresses: ['10.7.0.2'],
        subnets,
        services: ['80/tcp'],
      }),
      endpoint('db', { network: 'back.end', addresses: ['10.8.0.2', 'fd00::2'] }),
      endpoint('odd', {
        network: 'x'.repeat(64),
        addresses: ['10.9.0.2'],
        subnets: ['10.9.0.0/24'],
      }),
    ],
  )
  view = names.zoneView('cnm.internal')!
})

describe('what the host sees', () => {
  it.each([
    ['web.dev.cnm.internal', 'A', 'NOERROR 10.7.0.2'],
    ['A.B.Dev.cnm.internal', 'A', 'NOERROR 10.7.0.2'],
    ['db.back.end.cnm.internal', 'AAAA', 'NOERROR fd00::2'],
    ['web.dev.cnm.internal', 'AAAA', 'NOERROR'],
    ['2.0.7.10.in-addr.arpa', 'PTR', 'NOERROR web.dev.cnm.internal.'],
    ['_http._tcp.web.dev.cnm.internal', 'SRV', 'NOERROR 0 0 80 web.dev.cnm.internal.'],
    ['cnm.internal', 'A', 'NOERROR'],
    ['dev.cnm.internal', 'A', 'NOERROR'],
    ['end.cnm.internal', 'A', 'NOERROR'],
    ['b.dev.cnm.internal', 'A', 'NOERROR'],
    ['nobody.dev.cnm.internal', 'A', 'NXDOMAIN'],
    ['web.cnm.internal', 'A', 'NXDOMAIN'],
    ['web.back.end.cnm.internal', 'A', 'NXDOMAIN'],
    ['_http._tcp.db.back.end.cnm.internal', 'SRV', 'NXDOMAIN'],
    ['3.0.7.10.in-addr.arpa', 'PTR', 'NXDOMAIN'],
    // Its network has no name in DNS, but no other server knows more of it.
    ['2.0.9.10.in-addr.arpa', 'PTR', 'NXDOMAIN'],
    ['web', 'A', 'REFUSED'],
    ['web.dev', 'A', 'REFUSED'],
    ['localhost', 'A', 'REFUSED'],
    ['internal', 'A', 'REFUSED'],
    ['example.com', 'A', 'REFUSED'],
    ['2.0.8.10.in-addr.arpa', 'PTR', 'NOERROR db.back.end.cnm.internal.'],
    ['3.0.8.10.in-addr.arpa', 'PTR', 'REFUSED'],
    ['.', 'A', 'REFUSED'],
  ] as const)('%s %s: %s', (name, type, expected) => {
    expect(outcome(view, name, type)).toBe(expected)
  })

  it('has an authority of its own', () => {
    const soa = 'cnm.internal. 1 SOA localhost. nobody.invalid. 1'
    expect(ask(view, { name: 'cnm.internal', type: 'SOA' }).answers).toEqual([soa])
    expect(ask(view, { name: 'web.cnm.internal' }).authorities).toEqual([soa])
  })

  it('says why it refuses', () => {
    const told = ask(view, { name: 'example.com', edns: {} })
    expect(told.edns?.extended).toEqual([20, 'only names below the zone are known here'])
    expect(view.upstreams).toEqual({ from: 'none' })
  })

  it('follows changes, and ends with the zone', () => {
    names.change(['names:web'], [])
    expect(outcome(view, 'web.dev.cnm.internal')).toBe('NXDOMAIN')
    expect(outcome(view, 'dev.cnm.internal')).toBe('NXDOMAIN')
    names.change(['zone:cnm.internal'], [zone('other.test')])
    expect(names.zoneView('cnm.internal')).toBeUndefined()
    expect(outcome(names.zoneView('other.test'), 'db.back.end.other.test')).toBe('NOERROR 10.8.0.2')
  })
})
