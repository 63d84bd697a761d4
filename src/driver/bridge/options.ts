import { type Cidr, cidrAddress, cidrPrefix, familyOf } from '../../address/address.ts'
import { CnmError } from '../../base/errors.ts'
import { isLinkName, linkNameHint } from '../../base/link-name.ts'
import type { HostView } from '../../kernel/kernel.ts'
import type { DriverOptions, NetworkPlan, ParsedOptions, RawOptions, Subnet } from '../driver.ts'

/** A bridge network's options in the form that is stored. All but `bridge` are always there. */
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
  readonly prefix: string
}

type Key = 'bridge' | 'mtu' | 'icc' | 'masquerade' | 'prefix'

/** Docker's labels and our own short names for them. */
const keys: Readonly<Record<string, Key>> = {
  bridge: 'bridge',
  'com.docker.network.bridge.name': 'bridge',
  mtu: 'mtu',
  'com.docker.network.driver.mtu': 'mtu',
  icc: 'icc',
  'com.docker.network.bridge.enable_icc': 'icc',
  masquerade: 'masquerade',
  'com.docker.network.bridge.enable_ip_masquerade': 'masquerade',
  prefix: 'prefix',
  'com.docker.network.container_iface_prefix': 'prefix',
}

export function parseBridgeOptions(
  raw: RawOptions,
  network: NetworkPlan,
  view: HostView,
): ParsedOptions {
  const given = canonical(raw, network)
  const name = given.bridge === undefined ? undefined : linkName(given.bridge, network)
  const adopted = name === undefined ? undefined : adoptable(name, network, view)
  const mtu = given.mtu === undefined ? undefined : parseMtu(given.mtu, network)
  const options: BridgeOptions = {
    ...(name === undefined ? {} : { bridge: name }),
    own: adopted === undefined,
    ownAddress4: adopted?.ipv4 === undefined,
    ownAddress6: adopted?.ipv6 === undefined,
    mtu: mtu ?? adopted?.mtu ?? mtuOutwards(view),
    icc: flag('icc', given.icc ?? true, network),
    masquerade: flag('masquerade', given.masquerade ?? true, network),
    prefix: linkPrefix(given.prefix ?? 'eth', network),
  }
  return {
    options: options as unknown as DriverOptions,
    given: Object.keys(given),
    ...(adopted?.ipv4 === undefined ? {} : { ipv4: adopted.ipv4 }),
    ...(adopted?.ipv6 === undefined ? {} : { ipv6: adopted.ipv6 }),
  }
}

function canonical(raw: RawOptions, network: NetworkPlan) {
  const given: Partial<Record<Key, string | number | boolean>> = {}
  for (const [label, value] of Object.entries(raw)) {
    const key = keys[label]
    if (key === undefined) {
      throw invalid(
        network,
        `unknown option "${label}"`,
        `known are ${Object.keys(keys).join(', ')}`,
      )
    }
    if (given[key] !== undefined && String(given[key]) !== String(value)) {
      throw invalid(network, `option "${key}" is given twice with different values`)
    }
    given[key] = value
  }
  return given
}

/** A device of that name that was there before us: it must be a bridge, and its addresses count. */
function adoptable(name: string, network: NetworkPlan, view: HostView) {
  const link = view.links.find((candidate) => candidate.name === name)
  if (link === undefined || link.ours) return undefined
  if (link.type !== 'bridge') {
    throw invalid(network, `"${name}" is a ${link.type}, not a bridge`, 'name another device')
  }
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

function parseMtu(value: string | number | boolean, network: NetworkPlan): number {
  const mtu = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value
  const least = network.ipv6 ? 1280 : 68
  if (typeof mtu !== 'number' || !Number.isInteger(mtu) || mtu < least || mtu > 65535) {
    throw invalid(network, `option "mtu" is ${JSON.stringify(value)}`, `give ${least} to 65535`)
  }
  return mtu
}

function flag(key: Key, value: string | number | boolean, network: NetworkPlan): boolean {
  if (typeof value === 'boolean') return value
  if (value === 'true' || value === '1' || value === 1) return true
  if (value === 'false' || value === '0' || value === 0) return false
  throw invalid(network, `option "${key}" is ${JSON.stringify(value)}`, 'give true or false')
}

function linkName(value: string | number | boolean, network: NetworkPlan): string {
  if (typeof value === 'string' && isLinkName(value)) return value
  throw invalid(
    network,
    `option "bridge" is ${JSON.stringify(value)}, which is no name for a link`,
    linkNameHint(),
  )
}

/** The number that follows must fit into the name too. */
const longestPrefix = 11

function linkPrefix(value: string | number | boolean, network: NetworkPlan): string {
  if (typeof value === 'string' && isLinkName(value, longestPrefix)) return value
  throw invalid(
    network,
    `option "prefix" is ${JSON.stringify(value)}, which is no beginning of a link's name`,
    linkNameHint(longestPrefix),
  )
}

function invalid(network: NetworkPlan, what: string, hint?: string): CnmError {
  return new CnmError('INVALID_OPTION', `network "${network.name}": ${what}`, {
    details: { network: network.name },
    ...(hint === undefined ? {} : { hint }),
  })
}
