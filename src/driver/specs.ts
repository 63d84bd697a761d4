import type { Cidr, IpAddress, MacAddress, Prefix } from '../address/address.ts'
import type { PortRange, Protocol } from '../address/port.ts'
import type { EndpointId, NetworkId } from '../base/id.ts'

/** What drivers are shown of networks and endpoints. */

export type DriverOptions = Readonly<Record<string, string | number | boolean>>

/** A network as its driver sees it. */
export interface NetworkSpec {
  readonly id: NetworkId
  readonly name: string
  readonly internal: boolean
  /** Absent: the network has no addresses of that family. */
  readonly ipv4?: Subnet
  readonly ipv6?: Subnet
  readonly options: DriverOptions
}

export interface Subnet {
  readonly subnet: Prefix
  /** Absent where the driver or the user wants none. */
  readonly gateway?: IpAddress
  /** Addresses that no endpoint gets, by name. */
  readonly auxAddresses?: Readonly<Record<string, IpAddress>>
}

/** A joined endpoint as its driver sees it. */
export interface EndpointSpec {
  readonly id: EndpointId
  readonly name: string
  readonly ipv4?: IpAddress
  readonly ipv6?: IpAddress
  /** Given by the user; without one the driver derives it from network and address. */
  readonly mac?: MacAddress
  /** Further addresses of the endpoint's link. */
  readonly linkLocal: readonly Cidr[]
  /** What it may send from besides its own addresses and MAC. Absent: nothing. */
  readonly addresses?: readonly IpAddress[] | 'any'
  readonly macs?: readonly MacAddress[] | 'any'
  /** What is published now: not while the sandbox's default route of that family leads elsewhere. */
  readonly ports: readonly PortBinding[]
  /** Endpoints of the same network with which it may talk though others may not. */
  readonly links: readonly LinkedEndpoint[]
  readonly rate?: Rate
  /** One of its addresses was another MAC's before, so neighbours have to be told. */
  readonly moved?: boolean
  /** Ports that its programs listen on, published or not. */
  readonly exposed?: readonly ExposedPorts[]
  /** What the driver's own hooks have answered. */
  readonly told?: Told
}

export interface LinkedEndpoint {
  readonly id: EndpointId
  readonly ipv4?: IpAddress
  readonly ipv6?: IpAddress
}

/** Bits per second; an absent direction is not limited. */
export interface Rate {
  readonly toSandbox?: number
  readonly fromSandbox?: number
}

/** Ports of a sandbox as the user wants them published: `-p 127.0.0.1:8080-8090:80-90/udp`. */
export interface PublishedPort {
  readonly protocol: Protocol
  /** Inside. */
  readonly ports: PortRange
  /** Absent: the network's default, usually all addresses. */
  readonly hostAddress?: IpAddress
  /**
   * As many as `ports`, one to one; or more, of which the first free ones are taken. Absent: any free
   * ones.
   */
  readonly hostPorts?: PortRange
}

/** Published ports as they are: as many host ports as ports, one to one. */
export interface PortBinding {
  readonly protocol: Protocol
  readonly ports: PortRange
  readonly family: 4 | 6
  readonly hostAddress: IpAddress
  /** Absent: reached directly. */
  readonly hostPorts?: PortRange
}

export interface ChosenInterface {
  readonly ipv4?: Cidr
  readonly ipv6?: Cidr
  readonly mac?: MacAddress
}

export interface JoinAnswer {
  /** Absent: nothing is added to the sandbox. */
  readonly link?: LinkAnswer
  readonly gateway4?: IpAddress
  readonly gateway6?: IpAddress
  readonly routes: readonly { readonly destination: Prefix; readonly gateway?: IpAddress }[]
}

export interface LinkAnswer {
  /** What the host calls it. */
  readonly hostName: string
  /** Inside: this name, or the prefix and the lowest free number. */
  readonly name?: string
  readonly prefix: string
}

/** What the hooks have answered about an endpoint. */
export interface Told {
  readonly chosen: ChosenInterface
  readonly join?: JoinAnswer
}

export interface ExposedPorts {
  readonly protocol: Protocol
  readonly ports: PortRange
}
