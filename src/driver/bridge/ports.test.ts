import { describe, expect, it } from 'vitest'
import type { Cidr, IpAddress, MacAddress, Prefix } from '../../address/address.ts'
import { parsePorts } from '../../address/port.ts'
import type { EndpointId, NetworkId } from '../../base/id.ts'
import { memoryKernel } from '../../kernel/memory/index.ts'
import { type Resource, resourceKey } from '../../kernel/resource.ts'
import type { EndpointSpec, NetworkSpec, PortBinding, RawOptions } from '../driver.ts'
import { bridge } from './bridge.ts'

const view = await memoryKernel().view()
const driver = bridge()

function network(options: RawOptions = {}, rest: Partial<NetworkSpec> = {}): NetworkSpec {
  const plan = { name: 'web', internal: false, ipv4: true, ipv6: true, auxAddresses: {}, ...rest }
  return {
    id: 'f00d'.repeat(16) as NetworkId,
    name: 'web',
    internal: false,
    ipv4: { subnet: '10.7.0.0/24' as Prefix, gateway: '10.7.0.1' as IpAddress },
    ipv6: { subnet: 'fd00:7::/64' as Prefix, gateway: 'fd00:7::1' as IpAddress },
    options: driver.parseOptions(options, { ...plan, ipv4: true, ipv6: true }, view).options,
    ...rest,
  }
}

const api: EndpointSpec = {
  id: 'beef'.repeat(16) as EndpointId,
  name: 'api',
  ipv4: '10.7.0.2' as IpAddress,
  ipv6: 'fd00:7::2' as IpAddress,
  linkLocal: [],
  ports: [],
  links: [],
}

/** `127.0.0.1 8080 80/udp`; without a port of the host it is reached directly. */
function binding(text: string): PortBinding {
  const [hostAddress, ...ports] = text.split(/[ /]/)
  const protocol = text.endsWith('/udp') ? 'udp' : text.endsWith('/sctp') ? 'sctp' : 'tcp'
  const numbers = ports.filter((it) => /^\d/.test(it)).map(parsePorts)
  return {
    protocol,
    family: hostAddress!.includes(':') ? 6 : 4,
    hostAddress: hostAddress as IpAddress,
    ports: numbers.at(-1)!,
    ...(numbers.length === 2 ? { hostPorts: numbers[0]! } : {}),
  }
}

/** What there is more than without ports, as keys. */
function resources(texts: string[], options: RawOptions = {}, rest: Partial<EndpointSpec> = {}) {
  const endpoint = { ...api, ...rest, ports: texts.map(binding) }
  const found = driver.describeEndpoint(network(options), endpoint, view)
  return keysOf(found.filter((it) => !isOfItself(it)))
}

/** Its MAC and addresses are known at its port, whatever is published. */
function isOfItself(it: Resource): boolean {
  if (it.kind === 'element') return /^(macs|senders|flow_limits)/.test(it.set)
  return it.kind === 'neighbour' || it.kind === 'fdb'
}

function keysOf(found: readonly Resource[]): string[] {
  return found.map((resource) => {
    const value = resource.kind === 'element' ? resource.value?.join(' . ') : undefined
    return value === undefined ? resourceKey(resource) : `${resourceKey(resource)} → ${value}`
  })
}

describe('a port', () => {
  it('of all addresses is forwarded, kept from others, and ends with its flows', () => {
    expect(resources(['0.0.0.0 8080 80'])).toEqual([
      'element:inet cnm:published4:tcp . 8080 → 10.7.0.2 . 80',
      'reservation:tcp 0.0.0.0 8080',
      'flows:tcp 10.7.0.2 80',
    ])
  })

  it('of all IPv6 addresses is relayed at the one from which nothing can be forwarded', () => {
    expect(resources([':: 8080 80', ':: 53 53/udp', ':: 9 9/sctp'])).toEqual([
      'element:inet cnm:published6:tcp . 8080 → fd00:7::2 . 80',
      'element:inet cnm:published6:udp . 53 → fd00:7::2 . 53',
      'element:inet cnm:published6:sctp . 9 → fd00:7::2 . 9',
      'reservation:tcp :: 8080',
      'reservation:udp :: 53',
      'reservation:sctp :: 9',
      'flows:tcp fd00:7::2 80',
      'flows:udp fd00:7::2 53',
      'flows:sctp fd00:7::2 9',
      'relay:tcp ::1 8080',
      'relay:udp ::1 53',
    ])
  })

  it('of ::1 is relayed, and nothing else', () => {
    expect(resources(['::1 8080 80'])).toEqual(['reservation:tcp ::1 8080', 'relay:tcp ::1 8080'])
  })

  it('published twice has two ways in', () => {
    expect(resources(['0.0.0.0 8080 80', '127.0.0.1 9090 80'])).toEqual([
      'element:inet cnm:published4:tcp . 8080 → 10.7.0.2 . 80',
      'element:inet cnm:published4_at:127.0.0.1 . tcp . 9090 → 10.7.0.2 . 80',
      'reservation:tcp 0.0.0.0 8080',
      'reservation:tcp 127.0.0.1 9090',
      'flows:tcp 10.7.0.2 80',
    ])
  })

  it('is open where it is reached directly, or by links that are trusted', () => {
    const routed = { gatewayMode4: 'routed' }
    expect(resources(['0.0.0.0 80', '0.0.0.0 1000-1999/udp'], routed)).toEqual([
      'element:inet cnm:open4:10.7.0.2 . tcp . 80',
      'element:inet cnm:open4_ranges:10.7.0.2 . udp . 1000-1999',
      'flows:tcp 10.7.0.2 80',
      'flows:udp 10.7.0.2 1000-1999',
    ])
    const trusted = resources(['0.0.0.0 8080 80', '127.0.0.1 9 9'], { trustedInterfaces: 'eth1' })
    expect(trusted.filter((key) => key.includes(':open'))).toEqual([
      'element:inet cnm:open4:10.7.0.2 . tcp . 80',
    ])
  })

  it('of a range of any size is one element', () => {
    expect(resources(['0.0.0.0 10000-19999 10000-19999/udp'])).toHaveLength(3)
    expect(resources(['0.0.0.0 10000-19999 20000-29999/udp'])).toEqual([
      'element:inet cnm:published4:udp . 10000+10000 → 10.7.0.2 . 20000',
      'reservation:udp 0.0.0.0 10000-19999',
      'flows:udp 10.7.0.2 20000-29999',
    ])
  })

  it('has no more relays than an endpoint may, and those first who asked for ::1', () => {
    const keys = resources([':: 1000-1299 1000-1299', '::1 80 80'])
    const relays = keys.filter((key) => key.startsWith('relay'))
    expect(relays).toHaveLength(256)
    expect(relays[0]).toBe('relay:tcp ::1 80')
  })

  it('lets an endpoint reach itself where endpoints are kept apart', () => {
    const pairs = resources(['0.0.0.0 8080 80'], { icc: false }).filter((it) =>
      it.includes('pairs'),
    )
    expect(pairs).toEqual([
      'element:bridge cnm:pairs:vethbeefbeefbe . vethbeefbeefbe',
      'element:inet cnm:pairs4:10.7.0.2 . 10.7.0.2',
    ])
    expect(resources([], { icc: false })).toEqual(['element:bridge cnm:icc_off:vethbeefbeefbe'])
  })
})

describe('the addresses of a port', () => {
  const ask = (
    hostAddress?: string,
    spec = network(),
    endpoint: EndpointSpec = api,
    ports = '80/tcp',
  ) => {
    const [range, protocol] = ports.split('/') as [string, 'tcp' | 'sctp']
    const at = hostAddress === undefined ? {} : { hostAddress: hostAddress as IpAddress }
    return driver.hostAddresses!(spec, endpoint, { protocol, ports: parsePorts(range), ...at }).map(
      ({ address, direct }) => (direct ? `${address} directly` : address),
    )
  }
  const { ipv6: _, ...only4 } = api

  it('are all of both families, or the one given, or the one of the network', () => {
    expect(ask()).toEqual(['0.0.0.0', '::'])
    expect(ask(undefined, network(), only4)).toEqual(['0.0.0.0'])
    expect(ask('127.0.0.1')).toEqual(['127.0.0.1'])
    const bound = network({ hostBinding: '192.0.2.1' })
    expect(ask(undefined, bound)).toEqual(['192.0.2.1'])
    expect(ask('::1', bound)).toEqual(['::1'])
  })

  it('are not the host’s in a family that is routed', () => {
    const mixed = network({ gatewayMode6: 'routed' })
    expect(ask(undefined, mixed)).toEqual(['0.0.0.0', ':: directly'])
    expect(ask('2001:db8::1', mixed)).toEqual([':: directly'])
  })

  it.each<[string, Parameters<typeof ask>, string]>([
    ['of another family', ['::', network(), only4], 'it has no IPv6 address'],
    ['of ::1, another family', ['::1', network(), only4], 'it has no IPv6 address'],
    ['by the option', [undefined, network({ hostBinding: '::' }), only4], 'it has no IPv6 address'],
    ['of an internal network', [undefined, network({}, { internal: true })], 'is internal'],
    ['of one link', ['fe80::1'], 'nothing can be forwarded from fe80::1'],
    ['of groups', ['224.0.0.1'], 'nothing can be forwarded from 224.0.0.1'],
    ['of the loopback', ['127.0.0.1', network({ gatewayMode4: 'routed' })], 'is routed'],
    ['of SCTP', ['::1', network(), api, '80/sctp'], 'only TCP and UDP'],
    ['of many', ['::1', network(), api, '1-257/tcp'], '256 ports at most'],
  ])('%s are refused', (_, args, message) => {
    expect(() => ask(...args)).toThrow(
      expect.objectContaining({
        code: 'NOT_ALLOWED',
        message: expect.stringContaining(message),
        hint: expect.any(String),
      }),
    )
  })
})

describe('an endpoint', () => {
  it('has links and a rate', () => {
    const links = [{ id: 'cafe'.repeat(16) as EndpointId, ipv6: 'fd00:7::3' as IpAddress }]
    const rate = { toSandbox: 1_000_000 }
    expect(resources([], { icc: false }, { links, rate }).slice(1)).toEqual([
      'element:bridge cnm:pairs:vethbeefbeefbe . vethcafecafeca',
      'element:inet cnm:pairs6:fd00:7::2 . fd00:7::3',
      'element:bridge cnm:pairs:vethcafecafeca . vethbeefbeefbe',
      'element:inet cnm:pairs6:fd00:7::3 . fd00:7::2',
      'rate:vethbeefbeefbe',
    ])
  })

  it('has its link-local addresses besides the others', () => {
    const linkLocal = ['169.254.7.7/16', 'fe80::7/64'] as Cidr[]
    const { addresses } = driver.attachment(network(), { ...api, linkLocal }, view)
    expect(addresses).toEqual(['10.7.0.2/24', 'fd00:7::2/64', ...linkLocal])
  })

  it.each<[string, RawOptions, Partial<EndpointSpec>, unknown]>([
    ['keeps quiet', {}, {}, undefined],
    ['tells if it has a MAC of its own', {}, { mac: '02:00:00:00:00:01' as MacAddress }, [3, 1000]],
    ['tells if it has the address of another', {}, { moved: true }, [3, 1000]],
    ['tells if it shall', { advertiseMs: 100 }, {}, [3, 100]],
    ['tells as often as it shall', { advertiseCount: 1 }, {}, [1, 1000]],
    ['never tells if it shall not', { advertiseCount: 0 }, { moved: true }, undefined],
  ])('%s', (_, options, rest, announce) => {
    const found = driver.attachment(network(options), { ...api, ...rest }, view).announce
    expect(found && [found.times, found.intervalMs]).toEqual(announce)
  })

  it('has the gateway of other people if there is one', () => {
    const ipv4 = {
      subnet: '10.7.0.0/24' as Prefix,
      gateway: '10.7.0.1' as IpAddress,
      auxAddresses: { DefaultGatewayIPv4: '10.7.0.9' as IpAddress },
    }
    const { gateway4, gateway6 } = driver.attachment(network({}, { ipv4 }), api, view)
    expect([gateway4, gateway6]).toEqual(['10.7.0.9', 'fd00:7::1'])
  })
})
