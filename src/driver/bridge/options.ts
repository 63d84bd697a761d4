import { type Cidr, cidrAddress, cidrPrefix, familyOf } from '../../address/address.ts'
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
import { type BridgeOptions, canonical, readAll } from './given-options.ts'
import { checkOptions } from './option-checks.ts'

export type { BridgeOptions } from './given-options.ts'

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
