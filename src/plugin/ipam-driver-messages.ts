import { Type } from '../base/schema.ts'
import type { PluginCall } from './call.ts'

/**
 * Calls and answers of the IPAM protocol: `POST /IpamDriver.<Method>`. An empty text is the same as an
 * absent one.
 */

const text = Type.Optional(Type.String())
const flag = Type.Optional(Type.Boolean())
const Texts = Type.Optional(Type.Record(Type.String(), Type.String()))

export const ipamDriverCalls = {
  GetCapabilities: {
    answer: Type.Object({ RequiresMACAddress: flag, RequiresRequestReplay: flag }),
    optional: true,
  },
  GetDefaultAddressSpaces: {
    answer: Type.Object({
      LocalDefaultAddressSpace: text,
      GlobalDefaultAddressSpace: text,
    }),
  },
  RequestPool: {
    request: Type.Object({
      AddressSpace: text,
      Pool: text,
      SubPool: text,
      Options: Texts,
      V6: flag,
    }),
    /** `Pool` is a CIDR. */
    answer: Type.Object({ PoolID: Type.String(), Pool: Type.String(), Data: Texts }),
  },
  ReleasePool: { request: Type.Object({ PoolID: Type.String() }) },
  RequestAddress: {
    request: Type.Object({ PoolID: Type.String(), Address: text, Options: Texts }),
    /** `Address` is a CIDR, with the length of the pool's prefix. */
    answer: Type.Object({ Address: Type.String(), Data: Texts }),
  },
  ReleaseAddress: { request: Type.Object({ PoolID: Type.String(), Address: Type.String() }) },
} as const satisfies Readonly<Record<string, PluginCall>>

export type IpamDriverCalls = typeof ipamDriverCalls

/** Keys of `Options` in which the two sides agree on a meaning. */
export const addressOptionKeys = {
  /** What the address is for: `gatewayAddress`. */
  type: 'RequestAddressType',
  /** That of the endpoint, where `RequiresMACAddress` was answered. */
  macAddress: 'com.docker.network.endpoint.macaddress',
} as const

export const gatewayAddress = 'com.docker.network.gateway'
