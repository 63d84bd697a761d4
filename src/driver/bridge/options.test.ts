import { describe, expect, it } from 'vitest'
import type { IpAddress } from '../../address/address.ts'
import { memoryKernel } from '../../kernel/memory/index.ts'
import type { NetworkPlan, RawOptions } from '../driver.ts'
import { parseBridgeOptions } from './options.ts'

const plan: NetworkPlan = {
  name: 'x',
  internal: false,
  ipv4: true,
  ipv6: true,
  auxAddresses: {},
}

const kernel = memoryKernel()
kernel.addLink({ name: 'eth0', type: 'device' })
const view = await kernel.view()

function parse(options: RawOptions, rest: Partial<NetworkPlan> = {}) {
  return parseBridgeOptions(options, { ...plan, ...rest }, view)
}

describe('an option', () => {
  it.each([
    ['gatewayMode4', 'gateway_mode_ipv4', 'routed', 'routed'],
    ['gatewayMode6', 'gateway_mode_ipv6', 'nat-unprotected', 'nat-unprotected'],
    ['inhibit4', 'inhibit_ipv4', 'true', true],
    ['hostBinding', 'host_binding_ipv4', '127.0.0.1', '127.0.0.1'],
    ['hostBinding', 'host_binding_ipv4', '::', '::'],
    ['hostBinding', 'host_binding_ipv4', '0.0.0.0', undefined],
    ['defaultBridge', 'default_bridge', '1', true],
    ['trustedInterfaces', 'trusted_host_interfaces', 'eth1:eth2:eth1', 'eth1:eth2'],
    ['trustedInterfaces', 'trusted_host_interfaces', '', undefined],
    ['icc', 'enable_icc', 'false', false],
    ['masquerade', 'enable_ip_masquerade', false, false],
    ['bridge', 'name', 'br-new', 'br-new'],
  ])('%s is %s of Docker too: %s', (key, label, value, read) => {
    const [short, long] = [key, `com.docker.network.bridge.${label}`].map((name) =>
      parse({ [name]: value }),
    )
    expect(short!.options[key]).toBe(read)
    expect(long).toEqual(short)
    expect(long!.given).toEqual([key])
  })

  it.each([
    ['mtu', 'driver.mtu', '1400', 1400],
    ['mtu', 'driver.mtu', 0, 1500],
    ['prefix', 'container_iface_prefix', 'net', 'net'],
    ['snat4', 'host_ipv4', '192.0.2.7', '192.0.2.7'],
    ['snat6', 'host_ipv6', '2001:DB8::7', '2001:db8::7'],
    ['advertiseCount', 'advertise_addr_nmsgs', '0', 0],
    ['advertiseMs', 'advertise_addr_ms', 2000, 2000],
  ])('%s is %s of Docker too: %s', (key, label, value, read) => {
    expect(parse({ [key]: value }).options[key]).toBe(read)
    expect(parse({ [`com.docker.network.${label}`]: value }).options[key]).toBe(read)
  })

  it.each<[RawOptions, string]>([
    [{ gatewayMode4: 'nta' }, 'option "gatewayMode4" is "nta"'],
    [{ gatewayMode4: 'isolated' }, `option "gatewayMode4" is "isolated", but the network isn't`],
    [{ snat4: '2001:db8::7' }, 'option "snat4" is "2001:db8::7"'],
    [{ snat6: '192.0.2.7' }, 'option "snat6" is "192.0.2.7"'],
    [{ hostBinding: 'localhost' }, 'option "hostBinding" is "localhost"'],
    [{ trustedInterfaces: 'eth1:' }, 'option "trustedInterfaces" is ""'],
    [{ advertiseCount: 4 }, 'option "advertiseCount" is 4'],
    [{ advertiseMs: 99 }, 'option "advertiseMs" is 99'],
    [{ mtu: -1 }, 'option "mtu" is -1'],
    [{ mtu: 1279 }, 'option "mtu" is 1279'],
    [{ bridge: 'eth0' }, '"eth0" is a device, not a bridge'],
    [{ bridge: 'nowhere', defaultBridge: true }, 'there is no device "nowhere"'],
    [{ constructor: '1' }, 'unknown option "constructor"'],
  ])('%j is refused', (options, message) => {
    expect(() => parse(options)).toThrow(
      expect.objectContaining({
        code: 'INVALID_OPTION',
        message: expect.stringContaining(message),
      }),
    )
  })
})

describe('a network', () => {
  it('has no gateway from its pool where the host needs no address', () => {
    expect(parse({}).noGateway).toBeUndefined()
    expect(parse({ inhibit4: true }).noGateway).toBeUndefined()
    const internal = { internal: true }
    expect(parse({ inhibit4: true }, internal).noGateway).toEqual([4])
    expect(parse({ gatewayMode6: 'isolated' }, internal).noGateway).toEqual([6])
    const both = { gatewayMode4: 'isolated', gatewayMode6: 'isolated', inhibit4: true }
    expect(parse(both, internal).noGateway).toEqual([4, 6])
  })

  it('that is internal has no gateway of other people either', () => {
    const auxAddresses = { DefaultGatewayIPv4: '10.7.0.9' as IpAddress }
    expect(() => parse({}, { auxAddresses })).not.toThrow()
    expect(() => parse({}, { auxAddresses, internal: true })).toThrow('"DefaultGatewayIPv4"')
  })
})
