import {
  type Cidr,
  cidrAddress,
  contains,
  familyOf,
  type IpAddress,
  isUnspecified,
  parseAddress,
  parseCidr,
  parsePrefix,
  prefixLength,
} from '../../address/address.ts'
import { parseMac } from '../../address/mac.ts'
import { isLinkName, linkNameHint } from '../../base/link-name.ts'
import type { PluginAnswerOf } from '../../plugin/call.ts'
import {
  type InterfaceData,
  type NetworkDriverCalls,
  routeTypes,
  type StaticRoute,
} from '../../plugin/network-driver-messages.ts'
import { Reading } from '../../plugin/reading.ts'
import type { EndpointSpec, NetworkSpec, Subnet } from '../driver.ts'
import type { ChosenInterface, JoinAnswer } from '../hooks.ts'

/** Each is recorded, and made one by one. */
const mostRoutes = 1_000

/** What a plugin answers, as what it means. Errors: PLUGIN_FAILED, naming plugin, method and value. */

export function chosenIn(
  plugin: string,
  network: NetworkSpec,
  endpoint: EndpointSpec,
  answer: InterfaceData,
): ChosenInterface {
  const reading = new Reading(plugin, 'NetworkDriver.CreateEndpoint')
  const { Address, AddressIPv6, MacAddress } = answer
  const ipv4 = reading.take('Address', Address, (text) => cidrOfFamily(text, 4))
  const ipv6 = reading.take('AddressIPv6', AddressIPv6, (text) => cidrOfFamily(text, 6))
  const mac = reading.take('MacAddress', MacAddress, parseMac)
  refuseRepeated(reading, 'Address', ipv4, endpoint.ipv4)
  refuseRepeated(reading, 'AddressIPv6', ipv6, endpoint.ipv6)
  refuseRepeated(reading, 'MacAddress', mac, endpoint.mac)
  refuseOutside(reading, 'Address', ipv4, network.ipv4)
  refuseOutside(reading, 'AddressIPv6', ipv6, network.ipv6)
  return { ...(ipv4 ? { ipv4 } : {}), ...(ipv6 ? { ipv6 } : {}), ...(mac ? { mac } : {}) }
}

export function joinIn(
  plugin: string,
  network: NetworkSpec,
  answer: PluginAnswerOf<NetworkDriverCalls['Join']>,
): JoinAnswer {
  const reading = new Reading(plugin, 'NetworkDriver.Join')
  const { InterfaceName = {}, Gateway, GatewayIPv6, StaticRoutes = [] } = answer
  const { SrcName, DstName, DstPrefix } = InterfaceName
  const hostName = reading.take('InterfaceName.SrcName', SrcName, linkName)
  const name = reading.take('InterfaceName.DstName', DstName, linkName)
  const prefix = reading.take('InterfaceName.DstPrefix', DstPrefix, linkPrefix) ?? 'eth'
  const gateway4 = reading.take('Gateway', Gateway, (text) => addressOfFamily(text, 4))
  const gateway6 = reading.take('GatewayIPv6', GatewayIPv6, (text) => addressOfFamily(text, 6))
  if (hostName === undefined && (gateway4 ?? gateway6)) {
    throw reading.refusal('InterfaceName.SrcName', 'is missing, though there is a gateway')
  }
  // An internal network gets no way out, whatever the plugin says.
  if (StaticRoutes.length > mostRoutes) {
    throw reading.refusal(
      'StaticRoutes',
      `has ${StaticRoutes.length} routes, more than ${mostRoutes}`,
    )
  }
  const ways = network.internal
    ? {}
    : { ...(gateway4 ? { gateway4 } : {}), ...(gateway6 ? { gateway6 } : {}) }
  return {
    ...(hostName ? { link: { hostName, prefix, ...(name ? { name } : {}) } } : {}),
    ...ways,
    routes: StaticRoutes.map((route, at) => routeIn(reading, route, `StaticRoutes.${at}`)),
  }
}

function routeIn(
  reading: Reading,
  { Destination, RouteType = routeTypes.nextHop, NextHop }: StaticRoute,
  path: string,
): JoinAnswer['routes'][number] {
  const destination = reading.take(`${path}.Destination`, Destination, parsePrefix)
  if (destination === undefined) throw reading.refusal(`${path}.Destination`, 'is missing')
  // Which endpoint is the way out the engine decides, and whether there is one.
  if (prefixLength(destination) === 0) {
    throw reading.refusal(`${path}.Destination`, `is ${destination}, which is for Gateway to say`)
  }
  if (RouteType === routeTypes.connected) return { destination }
  if (RouteType !== routeTypes.nextHop) {
    throw reading.refusal(`${path}.RouteType`, `is ${RouteType}, not 0 or 1`)
  }
  const family = familyOf(destination)
  const gateway = reading.take(`${path}.NextHop`, NextHop, (text) => addressOfFamily(text, family))
  if (gateway === undefined) throw reading.refusal(`${path}.NextHop`, 'is missing')
  return { destination, gateway }
}

function cidrOfFamily(text: string, family: 4 | 6): Cidr {
  const cidr = parseCidr(text)
  if (familyOf(cidr) === family && !isUnspecified(cidrAddress(cidr))) return cidr
  throw new Error(`${cidr} is no address of IPv${family}`)
}

function addressOfFamily(text: string, family: 4 | 6): IpAddress {
  const address = parseAddress(text)
  if (familyOf(address) === family && !isUnspecified(address)) return address
  throw new Error(`${address} is no address of IPv${family}`)
}

function linkName(text: string): string {
  if (isLinkName(text)) return text
  throw new Error(`is ${short(text)}, which is no name of a link: ${linkNameHint()}`)
}

/** A number comes behind it. */
function linkPrefix(text: string): string {
  if (isLinkName(`${text}0`, 12)) return text
  throw new Error(`is ${short(text)}, which is no beginning of a link's name`)
}

function short(text: string): string {
  return JSON.stringify(text.slice(0, 50))
}

/** What the engine has decided is not the plugin's to decide. */
function refuseRepeated(reading: Reading, path: string, answer?: string, given?: string): void {
  if (answer === undefined || given === undefined) return
  throw reading.refusal(path, `is ${answer}, though it was told ${given}`)
}

function refuseOutside(reading: Reading, path: string, cidr?: Cidr, pool?: Subnet): void {
  if (cidr === undefined) return
  if (pool === undefined) {
    throw reading.refusal(path, `is ${cidr}, but the network has no addresses of that family`)
  }
  if (contains(pool.subnet, cidrAddress(cidr))) return
  throw reading.refusal(path, `is ${cidr}, which is not in ${pool.subnet}`)
}
