import type { EndpointSpec, NetworkSpec, Subnet } from '../../driver/driver.ts'
import type { EndpointRecord, NetworkRecord, PoolRecord } from '../records.ts'
import { addressesOf } from './senders.ts'

/** A network as its driver sees it. */
export function networkSpec(record: NetworkRecord): NetworkSpec {
  const { id, name, internal, options } = record
  return {
    id,
    name,
    internal,
    options,
    ...(record.ipv4 ? { ipv4: subnetOf(record.ipv4) } : {}),
    ...(record.ipv6 ? { ipv6: subnetOf(record.ipv6) } : {}),
  }
}

function subnetOf(pool: PoolRecord): Subnet {
  const { subnet, gateway, auxAddresses } = pool
  return { subnet, ...(gateway ? { gateway } : {}), ...(auxAddresses ? { auxAddresses } : {}) }
}

/** An endpoint as its driver sees it. */
export function endpointSpec(record: EndpointRecord, links: EndpointSpec['links']): EndpointSpec {
  const { id, name, ipv4, ipv6, mac, linkLocal = [], rate, moved, exposed, told } = record
  const addresses = record.addresses ?? addressesOf(record.sysctls)
  return {
    id,
    name,
    ...(ipv4 ? { ipv4 } : {}),
    ...(ipv6 ? { ipv6 } : {}),
    ...(mac ? { mac } : {}),
    linkLocal,
    ...(addresses ? { addresses } : {}),
    ...(record.macs ? { macs: record.macs } : {}),
    ports: [],
    links,
    ...(rate ? { rate } : {}),
    ...(moved ? { moved } : {}),
    ...(exposed ? { exposed } : {}),
    ...(told ? { told } : {}),
  }
}
