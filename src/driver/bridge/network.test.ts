import { describe, expect, it } from 'vitest'
import type { Cidr, IpAddress, Prefix } from '../../address/address.ts'
import type { NetworkId } from '../../base/id.ts'
import { memoryKernel } from '../../kernel/memory/index.ts'
import { resourceKey } from '../../kernel/resource.ts'
import type { NetworkSpec, RawOptions } from '../driver.ts'
import { bridge } from './bridge.ts'

const empty = await memoryKernel().view()
const kernel = memoryKernel()
kernel.addLink({ name: 'br0', type: 'bridge', addresses: ['10.7.0.1/24' as Cidr] })
const withBridge = await kernel.view()
const driver = bridge()
const ipv4 = { subnet: '10.7.0.0/24' as Prefix, gateway: '10.7.0.1' as IpAddress }
const ipv6 = { subnet: 'fd00:7::/64' as Prefix, gateway: 'fd00:7::1' as IpAddress }

/** What a network needs besides the tables, its own name for the bridge left out. */
function describeNetwork(options: RawOptions, rest: Partial<NetworkSpec> = {}, view = empty) {
  const spec = { id: 'f00d'.repeat(16) as NetworkId, name: 'x', internal: false, ipv4, ipv6 }
  const { internal } = { ...spec, ...rest }
  const plan = { name: 'x', internal, ipv4: true, ipv6: true, auxAddresses: {} }
  const parsed = driver.parseOptions(options, plan, view)
  return driver
    .describeNetwork({ ...spec, options: parsed.options, ...rest }, view)
    .filter(({ kind }) => kind !== 'table')
}

function keysOf(...args: Parameters<typeof describeNetwork>): string[] {
  return describeNetwork(...args).map((resource) =>
    resourceKey(resource).replaceAll('br-f00df00df0', 'BR').replace('inet cnm:', ''),
  )
}

describe('a network', () => {
  it('is translated, hidden, and reached from the host’s loopback', () => {
    expect(keysOf({})).toEqual([
      'element:bridges:BR',
      'element:same_bridge:BR . BR',
      'element:sources4:BR . 10.7.0.0/24',
      'element:subnets4:10.7.0.0/24',
      'element:sources6:BR . fd00:7::/64',
      'element:subnets6:fd00:7::/64',
      'element:gateway_mode:ipv4 . BR',
      'element:hairpin4:BR . 10.7.0.0/24',
      'element:masquerade4:BR . 10.7.0.0/24',
      'element:gateway_mode:ipv6 . BR',
      'element:hairpin6:BR . fd00:7::/64',
      'element:masquerade6:BR . fd00:7::/64',
      'element:flow_limits_rest:BR',
      'link::BR',
      'address::BR:10.7.0.1/24',
      'address::BR:fd00:7::1/64',
      'sysctl::net/ipv4/conf/BR/forwarding',
      'sysctl::net/ipv6/conf/BR/force_forwarding',
      'sysctl::net/ipv4/conf/BR/route_localnet',
    ])
  })

  it.each<[string, RawOptions, string[], string[]]>([
    [
      'routed is neither hidden nor translated',
      { gatewayMode4: 'routed' },
      [],
      ['hairpin4', 'masquerade4', 'route_localnet'],
    ],
    ['without masquerade is not hidden', { masquerade: false }, ['hairpin4'], ['masquerade']],
    [
      'with an address to be seen by has it in any case',
      { snat4: '192.0.2.7', masquerade: false },
      ['snat4:BR . 10.7.0.0/24'],
      ['masquerade'],
    ],
    [
      'whose gateway is another machine takes no address',
      { inhibit4: true },
      ['address::BR:fd00:7::1/64', 'sources4:BR . 0.0.0.0/0', 'sources6:BR . fd00:7::/64'],
      ['address::BR:10.7.0.1/24', 'subnets4'],
    ],
    [
      'trusts links of the host',
      { trustedInterfaces: 'eth1:eth2' },
      ['trusted:eth1 . BR', 'trusted:eth2 . BR'],
      [],
    ],
  ])('%s', (_, options, there, missing) => {
    const keys = keysOf(options)
    for (const part of there) expect(keys).toContainEqual(expect.stringContaining(part))
    for (const part of missing) expect(keys).not.toContainEqual(expect.stringContaining(part))
  })

  it('that is internal is in no way open, and isolated has nothing of the host', () => {
    const { gateway: _, ...without } = ipv6
    const options = { gatewayMode6: 'isolated', trustedInterfaces: 'eth1', snat4: '192.0.2.7' }
    const rest = { internal: true, ipv6: without }
    expect(keysOf(options, rest)).toEqual([
      'element:bridges:BR',
      'element:same_bridge:BR . BR',
      'element:internal:BR',
      'element:sources4:BR . 10.7.0.0/24',
      'element:subnets4:10.7.0.0/24',
      'element:sources6:BR . fd00:7::/64',
      'element:flow_limits_rest:BR',
      'link::BR',
      'address::BR:10.7.0.1/24',
    ])
    expect(describeNetwork(options, rest)).toContainEqual(
      expect.objectContaining({ kind: 'bridge', ipv6: false }),
    )
  })

  it('lets any address send where there is a foreign gateway', () => {
    const auxAddresses = { DefaultGatewayIPv6: 'fd00:7::9' as IpAddress }
    const keys = keysOf({}, { ipv6: { ...ipv6, auxAddresses } })
    expect(keys).toContain('element:sources6:BR . ::/0')
    expect(keys).toContain('element:sources4:BR . 10.7.0.0/24')
  })
})

describe('a bridge of other people', () => {
  const localnet = 'net/ipv4/conf/br0/route_localnet'

  it('gets back what its loopback setting was', () => {
    expect(describeNetwork({ bridge: 'br0' }, {}, withBridge)).toContainEqual({
      kind: 'sysctl',
      name: localnet,
      value: '1',
      restore: '0',
    })
  })

  it('keeps what it has', () => {
    const links = withBridge.links.map((link) => ({ ...link, routeLocalnet: true }))
    const keys = keysOf({ bridge: 'br0' }, {}, { ...withBridge, links })
    expect(keys).not.toContain(`sysctl::${localnet}`)
    expect(keys).not.toContain('address::br0:10.7.0.1/24')
    expect(keys).toContain('element:sources4:br0 . 0.0.0.0/0')
    expect(keys).toContain('element:hairpin4:br0 . 10.7.0.0/24')
  })
})
