import {
  type Cidr,
  cidrAddress,
  cidrPrefix,
  familyOf,
  type IpAddress,
} from '../../address/address.ts'
import type { GatewayMode } from '../../firewall/firewall.ts'
import type { HostView } from '../../kernel/kernel.ts'
import type {
  DriverOptions,
  NetworkPlan,
  NetworkSpec,
  ParsedOptions,
  RawOptions,
  Subnet,
} from '../driver.ts'
import { checkOptions } from './option-checks.ts'
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
  /** The host takes no IPv4 address: somebody else on the bridge is the gateway. */
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

/** What a network has that says nothing, and one that was stored before there was such an option. */
const defaults = {
  icc: true,
  masquerade: true,
  vlan: false,
  newFlowsPerSecond: 2000,
  hostOverlap: false,
  prefix: 'eth',
  gatewayMode4: 'nat',
  gatewayMode6: 'nat',
  inhibit4: false,
  defaultBridge: false,
} as const

export function optionsOf({ options }: NetworkSpec): BridgeOptions {
  const known = completed.get(options)
  if (known !== undefined) return known
  const complete = { ...defaults, ...(options as unknown as BridgeOptions) }
  completed.set(options, complete)
  return complete
}

/** Every attach asks several times. */
const completed = new WeakMap<DriverOptions, BridgeOptions>()

export function gatewayMode(options: BridgeOptions, family: 4 | 6): GatewayMode {
  return family === 4 ? options.gatewayMode4 : options.gatewayMode6
}

/** Whether ports are published at addresses of the host. */
export function translates(options: BridgeOptions, family: 4 | 6): boolean {
  const mode = gatewayMode(options, family)
  return mode === 'nat' || mode === 'nat-unprotected'
}

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

export function parseBridgeOptions(
  raw: RawOptions,
  network: NetworkPlan,
  view: HostView,
): ParsedOptions {
  const values = canonical(raw, network)
  const given = readAll(values, network)
  checkOptions(given, network, view)
  const adopted = given.bridge === undefined ? undefined : adoptable(given.bridge, view)
  const options: BridgeOptions = {
    ...defaults,
    own: adopted === undefined,
    ownAddress4: adopted?.ipv4 === undefined,
    ownAddress6: adopted?.ipv6 === undefined,
    mtu: adopted?.mtu ?? mtuOutwards(view),
    ...given,
  }
  const noGateway = withoutGateway(options, network)
  return {
    options: options as unknown as DriverOptions,
    given: Object.keys(values),
    ...(adopted?.ipv4 === undefined ? {} : { ipv4: adopted.ipv4 }),
    ...(adopted?.ipv6 === undefined ? {} : { ipv6: adopted.ipv6 }),
    ...(noGateway.length === 0 ? {} : { noGateway }),
  }
}

function withoutGateway(options: BridgeOptions, network: NetworkPlan): (4 | 6)[] {
  const { gatewayMode4, gatewayMode6, inhibit4 } = options
  const unused4 = gatewayMode4 === 'isolated' || (inhibit4 && network.internal)
  return [...(unused4 ? [4 as const] : []), ...(gatewayMode6 === 'isolated' ? [6 as const] : [])]
}

function isKey(name: string): name is Key {
  return Object.hasOwn(readers, name)
}

function canonical(raw: RawOptions, network: NetworkPlan): Partial<Record<Key, Value>> {
  const given: Partial<Record<Key, Value>> = {}
  for (const [name, value] of Object.entries(raw)) {
    const key = isKey(name) ? name : Object.hasOwn(labels, name) ? labels[name] : undefined
    if (key === undefined) {
      const known = [...Object.keys(readers), ...Object.keys(labels)].join(', ')
      throw invalid(network, `unknown option "${name}"`, `known are ${known}`)
    }
    if (given[key] !== undefined && String(given[key]) !== String(value)) {
      throw invalid(network, `option "${key}" is given twice with different values`)
    }
    given[key] = value
  }
  return given
}

function readAll(values: Partial<Record<Key, Value>>, network: NetworkPlan): GivenOptions {
  const entries = Object.entries(values).map(([key, value]) => {
    return [key, readers[key as Key]({ key, value, network })] as const
  })
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined))
}

/** What is known of a bridge that was there before us. */
function adoptable(name: string, view: HostView) {
  const link = view.links.find((candidate) => candidate.name === name && !candidate.ours)
  if (link === undefined) return undefined
  const addresses = view.addresses.filter((entry) => entry.link === name)
  return { mtu: link.mtu, ipv4: subnetOf(addresses, 4), ipv6: subnetOf(addresses, 6) }
}

function subnetOf(addresses: HostView['addresses'], family: 4 | 6): Subnet | undefined {
  const found = addresses
    .map((entry): Cidr => entry.address)
    .find((address) => familyOf(address) === family && !address.startsWith('fe80:'))
  return found === undefined
    ? undefined
    : { subnet: cidrPrefix(found), gateway: cidrAddress(found) }
}

/** The MTU of the route outwards, so that nothing needs to be fragmented on the way. */
function mtuOutwards(view: HostView): number {
  const route = view.routes.find(
    ({ destination }) => destination === '0.0.0.0/0' || destination === '::/0',
  )
  return view.links.find(({ name }) => name === route?.link)?.mtu ?? 1500
}
