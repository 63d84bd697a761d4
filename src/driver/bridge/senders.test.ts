import { describe, expect, it } from 'vitest'
import type { Cidr, IpAddress, MacAddress, Prefix } from '../../address/address.ts'
import type { EndpointId, NetworkId } from '../../base/id.ts'
import { memoryKernel } from '../../kernel/memory/index.ts'
import type { EndpointSpec, NetworkSpec, RawOptions } from '../driver.ts'
import { bridge } from './bridge.ts'

const view = await memoryKernel().view()
const driver = bridge()

const mac = '02:42:0a:07:00:02' as MacAddress
const port = 'vethbeefbeefbe'
const api: EndpointSpec = {
  id: 'beef'.repeat(16) as EndpointId,
  name: 'api',
  ipv4: '10.7.0.2' as IpAddress,
  ipv6: 'fd00:7::2' as IpAddress,
  mac,
  linkLocal: [],
  ports: [],
  links: [],
}

function network(options: RawOptions, families: Partial<NetworkSpec>): NetworkSpec {
  const plan = { name: 'web', internal: false, ipv4: true, ipv6: true, auxAddresses: {} }
  const parsed = driver.parseOptions(options, plan, view).options
  const id = 'f00d'.repeat(16) as NetworkId
  return { id, name: 'web', internal: false, ...families, options: parsed }
}

const ipv4 = { subnet: '10.7.0.0/24' as Prefix, gateway: '10.7.0.1' as IpAddress }
const ipv6 = { subnet: 'fd00:7::/64' as Prefix, gateway: 'fd00:7::1' as IpAddress }

/** Its elements of the bridge's table, without the port, which all of them begin with. */
function elements(rest: Partial<EndpointSpec> = {}, options: RawOptions = {}): string[] {
  const families = { ipv4, ...(rest.ipv6 === undefined && 'ipv6' in rest ? {} : { ipv6 }) }
  const found = driver.describeEndpoint(network(options, families), { ...api, ...rest }, view)
  return found.flatMap((each) => {
    if (each.kind !== 'element' || each.family !== 'bridge') return []
    expect([each.key[0], each.owner]).toEqual([port, api.id])
    return [[each.set, ...each.key.slice(1)].join(' ')]
  })
}

const { ipv6: _, ...only4 } = api
const link6 = 'fe80::42:aff:fe07:2'
const usual = [
  `macs ${mac}`,
  `senders4 ${mac} 10.7.0.2`,
  `senders6 ${mac} fd00:7::2`,
  `senders6 ${mac} ${link6}`,
]

describe('an endpoint may send', () => {
  it('from its own MAC, with its own addresses and that of its link', () => {
    expect(elements()).toEqual(usual)
  })

  it('no IPv6 without having some', () => {
    const found = driver.describeEndpoint(network({}, { ipv4 }), only4, view)
    const sets = found.flatMap((it) =>
      it.kind === 'element' && it.family === 'bridge' ? [it.set] : [],
    )
    expect(sets).toEqual(['ipv4_only', 'macs', 'senders4'])
  })

  it('from further addresses of its link', () => {
    const linkLocal = ['169.254.7.7/16', 'fe80::7/64'] as Cidr[]
    expect(elements({ linkLocal })).toEqual([
      ...usual.slice(0, 3),
      `senders4 ${mac} 169.254.7.7`,
      `senders6 ${mac} fe80::7`,
      usual[3],
    ])
  })

  it('from what it was given besides, each once', () => {
    const addresses = ['10.7.0.100', '10.7.0.2', link6] as IpAddress[]
    expect(elements({ addresses })).toEqual([
      ...usual.slice(0, 3),
      `senders4 ${mac} 10.7.0.100`,
      usual[3],
    ])
  })

  it('from several MACs with each of its addresses', () => {
    const other = '02:00:00:00:00:09' as MacAddress
    expect(elements({ macs: [mac, other] })).toEqual([
      usual[0],
      `macs ${other}`,
      ...usual.slice(1),
      'addresses4 10.7.0.2',
      'addresses6 fd00:7::2',
      `addresses6 ${link6}`,
      'addresses6 fe80::ff:fe00:9',
    ])
  })

  it('from any MAC or address that it is said', () => {
    expect(elements({ macs: 'any', addresses: 'any' })).toEqual([
      ...usual,
      'addresses4 10.7.0.2',
      'addresses6 fd00:7::2',
      `addresses6 ${link6}`,
      'any_mac',
      'any_address',
    ])
  })

  it('from any address if it has none from us', () => {
    const { ipv4: __, ...bare } = only4
    const found = driver.describeEndpoint(network({}, { ipv4 }), bare, view)
    const keys = found.flatMap((it) =>
      it.kind === 'element' && it.family === 'bridge' ? [it.set] : [],
    )
    expect(keys).toEqual(['ipv4_only', 'macs', 'any_address'])
  })

  it('anything on a network with VLANs', () => {
    expect(elements({}, { vlan: 'true' })).toEqual([...usual, 'any_protocol'])
  })
})
