import { type Static, Type } from '../base/schema.ts'
import type { PluginCall } from './call.ts'

/**
 * Calls and answers of the network driver protocol: `POST /NetworkDriver.<Method>`. An empty text is
 * the same as an absent one.
 */

const text = Type.Optional(Type.String())
const Anything = Type.Record(Type.String(), Type.Unknown())
const Texts = Type.Record(Type.String(), Type.String())

/** A pool of a network. `Pool`, `Gateway` and `AuxAddresses` are CIDRs: `10.7.0.0/24`, `10.7.0.1/24`. */
const PoolData = Type.Object({
  AddressSpace: text,
  Pool: text,
  Gateway: text,
  AuxAddresses: Type.Optional(Texts),
})
export type PoolData = Static<typeof PoolData>

const pools = {
  IPv4Data: Type.Optional(Type.Array(PoolData)),
  IPv6Data: Type.Optional(Type.Array(PoolData)),
}

/** `Address` and `AddressIPv6` are CIDRs. */
const InterfaceData = Type.Object({ Address: text, AddressIPv6: text, MacAddress: text })
export type InterfaceData = Static<typeof InterfaceData>

/** What the host calls the link before it is moved, and its name inside: whole, or a number is added. */
const LinkName = Type.Object({ SrcName: text, DstName: text, DstPrefix: text })
export type LinkName = Static<typeof LinkName>

export const routeTypes = { nextHop: 0, connected: 1 } as const

const StaticRoute = Type.Object({
  Destination: Type.String(),
  RouteType: Type.Optional(Type.Integer()),
  NextHop: text,
})
export type StaticRoute = Static<typeof StaticRoute>

const ofNetwork = { NetworkID: Type.String() }
const ofEndpoint = { NetworkID: Type.String(), EndpointID: Type.String() }
const options = { Options: Type.Optional(Anything) }

/** 1 is a node of a cluster. */
const Discovery = Type.Object({
  DiscoveryType: Type.Integer(),
  DiscoveryData: Type.Optional(Type.Unknown()),
})

export const networkDriverCalls = {
  GetCapabilities: {
    answer: Type.Object({ Scope: text, ConnectivityScope: text, GwAllocChecker: flag() }),
  },
  AllocateNetwork: {
    request: Type.Object({ ...ofNetwork, Options: Type.Optional(Texts), ...pools }),
    answer: Type.Object({ Options: Type.Optional(Texts) }),
    optional: true,
  },
  FreeNetwork: { request: Type.Object(ofNetwork), optional: true },
  GwAllocCheck: {
    request: Type.Object(options),
    answer: Type.Object({ SkipIPv4: flag(), SkipIPv6: flag() }),
    optional: true,
  },
  CreateNetwork: { request: Type.Object({ ...ofNetwork, ...options, ...pools }) },
  DeleteNetwork: { request: Type.Object(ofNetwork) },
  CreateEndpoint: {
    request: Type.Object({
      ...ofEndpoint,
      Interface: Type.Optional(InterfaceData),
      ...options,
    }),
    answer: Type.Object({ Interface: Type.Optional(InterfaceData) }),
  },
  DeleteEndpoint: { request: Type.Object(ofEndpoint) },
  EndpointOperInfo: {
    request: Type.Object(ofEndpoint),
    answer: Type.Object({ Value: Type.Optional(Anything) }),
  },
  Join: {
    request: Type.Object({ ...ofEndpoint, SandboxKey: text, ...options }),
    answer: Type.Object({
      InterfaceName: Type.Optional(LinkName),
      Gateway: text,
      GatewayIPv6: text,
      StaticRoutes: Type.Optional(Type.Array(StaticRoute)),
      DisableGatewayService: flag(),
    }),
  },
  Leave: { request: Type.Object(ofEndpoint) },
  ProgramExternalConnectivity: {
    request: Type.Object({ ...ofEndpoint, ...options }),
    optional: true,
  },
  RevokeExternalConnectivity: { request: Type.Object(ofEndpoint), optional: true },
  DiscoverNew: { request: Discovery, optional: true },
  DiscoverDelete: { request: Discovery, optional: true },
} as const satisfies Readonly<Record<string, PluginCall>>

export type NetworkDriverCalls = typeof networkDriverCalls

function flag() {
  return Type.Optional(Type.Boolean())
}

/** Keys of `Options` in which the two sides agree on a meaning. */
export const networkOptionKeys = {
  /** The driver's own options, as texts. */
  generic: 'com.docker.network.generic',
  internal: 'com.docker.network.internal',
  ipv4: 'com.docker.network.enable_ipv4',
  ipv6: 'com.docker.network.enable_ipv6',
} as const

export const endpointOptionKeys = {
  /** `ExposedPort[]` */
  exposedPorts: 'com.docker.network.endpoint.exposedports',
  /** `PortMapping[]` */
  portMap: 'com.docker.network.portmap',
  macAddress: 'com.docker.network.endpoint.macaddress',
} as const

/** `Proto` is the protocol's number: 6 TCP, 17 UDP, 132 SCTP. */
export const ExposedPort = Type.Object({ Proto: Type.Integer(), Port: port() })
export type ExposedPort = Static<typeof ExposedPort>

export const PortMapping = Type.Object({
  Proto: Type.Integer(),
  IP: text,
  Port: port(),
  HostIP: text,
  HostPort: Type.Optional(port()),
  HostPortEnd: Type.Optional(port()),
})
export type PortMapping = Static<typeof PortMapping>

function port() {
  return Type.Integer({ minimum: 0, maximum: 65535 })
}
