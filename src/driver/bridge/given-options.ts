import type { IpAddress } from '../../address/address.ts'
import { didYouMean } from '../../base/did-you-mean.ts'
import type { GatewayMode } from '../../firewall/firewall.ts'
import type { NetworkPlan, RawOptions } from '../driver.ts'
import * as read from './option-values.ts'
import { invalid, type Value } from './option-values.ts'

/** A bridge network's options in the form that is stored. */
export interface BridgeOptions {
  /** The device's name; absent: derived from the network's id. */
  readonly bridge?: string
  /** false: the device was there before the network and stays after it. */
  readonly own: boolean
  /** Whether the host's gateway address on the bridge is ours to put there and to remove. */
  readonly ownAddress4: boolean
  readonly ownAddress6: boolean
  readonly mtu: number
  readonly icc: boolean
  readonly masquerade: boolean
  /** What endpoints send may be anything inside: two VLAN tags, or no IP at all. */
  readonly vlan: boolean
  /** How many flows a second an endpoint may begin; 0: any number. */
  readonly newFlowsPerSecond: number
  /** Its subnets may overlap with what the host uses. */
  readonly hostOverlap: boolean
  readonly prefix: string
  readonly gatewayMode4: GatewayMode
  readonly gatewayMode6: GatewayMode
  /** The host takes no IPv4 address: another machine on the bridge is the gateway. */
  readonly inhibit4: boolean
  /** Marks the network that sandboxes without a wish join. */
  readonly defaultBridge: boolean
  /** Where ports are published if nothing is said; absent: at all addresses. */
  readonly hostBinding?: IpAddress
  /** Links of the host with `:` between them. */
  readonly trustedInterfaces?: string
  /** What leaves the network gets this address, instead of that of the link it leaves by. */
  readonly snat4?: IpAddress
  readonly snat6?: IpAddress
  /** How often, and after how long again, neighbours are told of an address. */
  readonly advertiseCount?: number
  readonly advertiseMs?: number
}

const modes: readonly GatewayMode[] = ['nat', 'nat-unprotected', 'routed', 'isolated']

/** How each option's value is read. */
const readers = {
  bridge: read.linkName,
  mtu: read.mtu,
  icc: read.flag,
  masquerade: read.flag,
  vlan: read.flag,
  newFlowsPerSecond: (given: read.Given) => read.wholeNumber(given, 0, 1_000_000),
  hostOverlap: read.flag,
  prefix: read.linkPrefix,
  gatewayMode4: (given: read.Given) => read.oneOf(given, modes),
  gatewayMode6: (given: read.Given) => read.oneOf(given, modes),
  inhibit4: read.flag,
  hostBinding: (given: read.Given) => {
    const address = read.address(given)
    return address === '0.0.0.0' ? undefined : address
  },
  defaultBridge: read.flag,
  trustedInterfaces: read.linkNames,
  snat4: (given: read.Given) => read.address(given, 4),
  snat6: (given: read.Given) => read.address(given, 6),
  advertiseCount: (given: read.Given) => read.wholeNumber(given, 0, 3),
  advertiseMs: (given: read.Given) => read.wholeNumber(given, 100, 2000),
} as const satisfies Partial<Record<keyof BridgeOptions, (given: read.Given) => unknown>>

type Key = keyof typeof readers

/** The options the user gave, read. */
export type GivenOptions = Partial<Pick<BridgeOptions, Key>>

/** Docker's labels. Our own short names are those of the readers. */
const labels: Readonly<Record<string, Key>> = {
  'com.docker.network.bridge.name': 'bridge',
  'com.docker.network.driver.mtu': 'mtu',
  'com.docker.network.bridge.enable_icc': 'icc',
  'com.docker.network.bridge.enable_ip_masquerade': 'masquerade',
  'com.docker.network.container_iface_prefix': 'prefix',
  'com.docker.network.bridge.gateway_mode_ipv4': 'gatewayMode4',
  'com.docker.network.bridge.gateway_mode_ipv6': 'gatewayMode6',
  'com.docker.network.bridge.inhibit_ipv4': 'inhibit4',
  'com.docker.network.bridge.host_binding_ipv4': 'hostBinding',
  'com.docker.network.bridge.default_bridge': 'defaultBridge',
  'com.docker.network.bridge.trusted_host_interfaces': 'trustedInterfaces',
  'com.docker.network.host_ipv4': 'snat4',
  'com.docker.network.host_ipv6': 'snat6',
  'com.docker.network.advertise_addr_nmsgs': 'advertiseCount',
  'com.docker.network.advertise_addr_ms': 'advertiseMs',
}

function isKey(name: string): name is Key {
  return Object.hasOwn(readers, name)
}

/** By our names, whatever they were called. Errors: INVALID_OPTION. */
export function canonical(raw: RawOptions, network: NetworkPlan): Partial<Record<Key, Value>> {
  const given: Partial<Record<Key, Value>> = {}
  for (const [name, value] of Object.entries(raw)) {
    const key = isKey(name) ? name : Object.hasOwn(labels, name) ? labels[name] : undefined
    if (key === undefined) {
      const known = [...Object.keys(readers), ...Object.keys(labels)]
      const hint = didYouMean(name, known) ?? `known are ${known.join(', ')}`
      throw invalid(network, `unknown option "${name}"`, hint)
    }
    if (given[key] !== undefined && String(given[key]) !== String(value)) {
      throw invalid(network, `option "${key}" is given twice with different values`)
    }
    given[key] = value
  }
  return given
}

export function readAll(values: Partial<Record<Key, Value>>, network: NetworkPlan): GivenOptions {
  const entries = Object.entries(values).map(([key, value]) => {
    return [key, readers[key as Key]({ key, value, network })] as const
  })
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined))
}
