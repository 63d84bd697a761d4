import { describe, expect, it } from 'vitest'
import type { Cidr, IpAddress, MacAddress, Prefix } from '../../address/address.ts'
import type { EndpointId, NetworkId } from '../../base/id.ts'
import { memoryKernel } from '../../kernel/memory/index.ts'
import type { EndpointSpec, NetworkSpec, RawOptions } from '../driver.ts'
import { bridge } from './bridge.ts'

const view = await memoryKernel().view()
const driver = bridge()

function network(options: RawOptions = {}, rest: Partial<NetworkSpec> = {}): NetworkSpec {
  const plan = { name: 'web', internal: false, ipv4: true, ipv6: true, auxAddresses: {} }
  return {
    id: 'f00d'.repeat(16) as NetworkId,
    name: 'web',
    internal: false,
    ipv4: { subnet: '10.7.0.0/24' as Prefix, gateway: '10.7.0.1' as IpAddress },
    ipv6: { subnet: 'fd00:7::/64' as Prefix, gateway: 'fd00:7::1' as IpAddress },
    options: driver.parseOptions(options, plan, view).options,
    ...rest,
  }
}

const mac = '02:00:00:00:00:07' as MacAddress
const endpoint: EndpointSpec = {
  id: 'beef'.repeat(16) as EndpointId,
  name: 'api',
  ipv4: '10.7.0.2' as IpAddress,
  ipv6: 'fd00:7::2' as IpAddress,
  mac,
  linkLocal: ['169.254.7.7/16' as Cidr],
  ports: [],
  links: [],
}

function known(on: NetworkSpec, of: EndpointSpec = endpoint) {
  return driver
    .describeEndpoint(on, of, view)
    .filter(({ kind }) => kind === 'neighbour' || kind === 'fdb')
}

const link = 'br-f00df00df0'
const fdb = { kind: 'fdb', link: 'vethbeefbeefbe', bridge: link, mac }
const neighbour = (address: string) => ({ kind: 'neighbour', link, address, mac })

describe('what host and bridge know of an endpoint', () => {
  it('is each of its addresses, and behind which port its MAC is', () => {
    const all = ['10.7.0.2', 'fd00:7::2', '169.254.7.7'].map(neighbour)
    expect(known(network())).toEqual([fdb, ...all])
    expect(driver.attachment(network(), endpoint, view).link).toMatchObject({ learning: false })
  })

  it('is no address where the host has none itself', () => {
    expect(known(network({ inhibit4: true }))).toEqual([fdb, neighbour('fd00:7::2')])
    const { gateway: _, ...bare } = network().ipv6!
    expect(known(network({}, { ipv6: bare }))).not.toContainEqual(neighbour('fd00:7::2'))
  })

  it('is the MAC alone on a foreign bridge', () => {
    const adopted = network()
    const options = { ...adopted.options, own: false }
    expect(known({ ...adopted, options })).toEqual([fdb])
  })

  it('is the MAC that follows from network and address where none is given', () => {
    const { mac: _, ...plain } = endpoint
    const attached = driver.attachment(network(), plain, view).link
    const derived = attached?.type === 'veth' ? attached.mac : undefined
    expect(known(network(), plain)).toMatchObject([{ mac: derived }, {}, {}, {}])
  })

  it('is less where it may send from others', () => {
    const learns = (of: EndpointSpec) => {
      expect(driver.attachment(network(), of, view).link).not.toHaveProperty('learning')
      return known(network(), of)
    }
    expect(learns({ ...endpoint, macs: ['00:00:5e:00:01:01' as MacAddress] })).toEqual([fdb])
    expect(learns({ ...endpoint, macs: 'any' })).toEqual([])
    expect(known(network(), { ...endpoint, addresses: 'any' })).toEqual([fdb])
    const floating = '10.7.0.99' as IpAddress
    expect(known(network(), { ...endpoint, addresses: [floating] })).toHaveLength(4)
  })

  it('is nothing where others may have the same MAC', () => {
    const { mac: _, ipv4: __, ipv6: ___, ...bare } = endpoint
    expect(known(network(), { ...bare, linkLocal: [] })).toEqual([])
    expect(driver.attachment(network(), bare, view).link).not.toHaveProperty('learning')
  })
})

describe('how many flows an endpoint may begin', () => {
  const limits = (options: RawOptions, of: EndpointSpec = endpoint) =>
    driver
      .describeEndpoint(network(options), of, view)
      .flatMap((it) => (it.kind === 'element' && it.set === 'flow_limits' ? [it] : []))

  it('is the network’s option, and generous', () => {
    expect(limits({})).toMatchObject([{ key: [link, mac], limit: { rate: 2000, burst: 10_000 } }])
    expect(limits({ newFlowsPerSecond: 50 })).toMatchObject([{ limit: { rate: 50, burst: 250 } }])
    expect(limits({ newFlowsPerSecond: 0 })).toEqual([])
    expect(() => limits({ newFlowsPerSecond: -1 })).toThrow('newFlowsPerSecond')
  })

  it('counts for the network where it may have any MAC', () => {
    expect(limits({}, { ...endpoint, macs: 'any' })).toEqual([])
    const rest = driver.describeNetwork(network(), view).find((it) => {
      return it.kind === 'element' && it.set === 'flow_limits_rest'
    })
    expect(rest).toMatchObject({ key: [link], limit: { rate: 2000 } })
  })
})
