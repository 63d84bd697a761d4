import type { IpAddress } from '../../address/address.ts'
import type {
  Attachment,
  EndpointSpec,
  HostAddress,
  MovedLink,
  NetworkSpec,
  PublishedPort,
} from '../driver.ts'
import { cidrIn } from './requests.ts'

/** The sandbox's side, as the plugin has answered. */
export function attachmentOf(network: NetworkSpec, endpoint: EndpointSpec): Attachment {
  const { ipv4, ipv6, linkLocal, told } = endpoint
  const { link, gateway4, gateway6, routes = [] } = told?.join ?? {}
  if (link === undefined) return { addresses: [], routes: [] }
  return {
    link: movedLink(link, endpoint),
    addresses: [
      ...(ipv4 ? [told?.chosen.ipv4 ?? cidrIn(network.ipv4, ipv4)] : []),
      ...(ipv6 ? [told?.chosen.ipv6 ?? cidrIn(network.ipv6, ipv6)] : []),
      ...linkLocal,
    ],
    ...(gateway4 ? { gateway4 } : {}),
    ...(gateway6 ? { gateway6 } : {}),
    routes,
  }
}

function movedLink(
  link: NonNullable<NonNullable<NonNullable<EndpointSpec['told']>['join']>['link']>,
  { mac, ipv6 }: EndpointSpec,
): MovedLink {
  const { hostName, name, prefix } = link
  return {
    type: 'moved',
    hostName,
    prefix,
    ...(name ? { name } : {}),
    ...(mac ? { mac } : {}),
    ipv6: ipv6 !== undefined,
  }
}

/** Where the plugin is told to publish: as the user says, or everywhere. */
export function hostAddressesOf(
  { ipv4, ipv6 }: EndpointSpec,
  { hostAddress }: PublishedPort,
): readonly HostAddress[] {
  const all = [ipv4 && '0.0.0.0', ipv6 && '::'].filter((each) => each !== undefined)
  const addresses = hostAddress === undefined ? (all as IpAddress[]) : [hostAddress]
  return addresses.map((address) => ({
    address,
    family: address.includes(':') ? 6 : 4,
    direct: false,
  }))
}
