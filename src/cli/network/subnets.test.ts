import { expect, it } from 'vitest'
import { subnetOptions } from './subnets.ts'

const none = { subnet: [], ipRange: [], gateway: [], auxAddress: {} }

it('gives each subnet what lies in it', () => {
  const options = subnetOptions({
    subnet: ['10.7.0.0/24', 'fd00:7::/64'],
    ipRange: ['10.7.0.128/25'],
    gateway: ['fd00:7::9', '10.7.0.9'],
    auxAddress: { printer: '10.7.0.3', scanner: 'fd00:7::3' },
  })
  expect(options).toEqual([
    {
      subnet: '10.7.0.0/24',
      range: '10.7.0.128/25',
      gateway: '10.7.0.9',
      auxAddresses: { printer: '10.7.0.3' },
    },
    { subnet: 'fd00:7::/64', gateway: 'fd00:7::9', auxAddresses: { scanner: 'fd00:7::3' } },
  ])
  expect(subnetOptions(none)).toEqual([])
})

it.each([
  [{ gateway: ['10.8.0.1'] }, 'gateway 10.8.0.1 is in no subnet'],
  [{ ipRange: ['10.0.0.0/8'] }, 'range 10.0.0.0/8 is in no subnet'],
  [{ auxAddress: { a: 'fd00::1' } }, 'auxiliary address fd00::1 is in no subnet'],
  [{ gateway: ['10.7.0.1', '10.7.0.2'] }, 'subnet 10.7.0.0/24 has more than one gateway'],
  [{ subnet: ['foo'] }, '--subnet: "foo" is not an IP address'],
  [{ subnet: ['10.7.0.0'] }, '--subnet: "10.7.0.0" has no length'],
  [{ ipRange: ['10.7.0.1/25'] }, '--ip-range: "10.7.0.1/25" has bits set beyond'],
  [{ gateway: ['foo'] }, '--gateway: "foo" is not an IP address'],
  [{ auxAddress: { a: 'foo' } }, '--aux-address: "foo" is not an IP address'],
])('refuses %j', (flags, sentence) => {
  expect(() => subnetOptions({ ...none, subnet: ['10.7.0.0/24'], ...flags })).toThrow(sentence)
})
