import type { IpAddress } from '../../address/address.ts'
import type { Attachment, EndpointSpec, NetworkDriver, PortBinding } from '../../driver/driver.ts'
import type { HostView } from '../../kernel/kernel.ts'
import type { Resource } from '../../kernel/resource.ts'
import type { EndpointRecord, NetworkRecord } from '../records.ts'
import { endpointSpec, networkSpec } from './specs.ts'

/** An endpoint of a sandbox together with what its driver says of it. */
export interface PlannedEndpoint {
  readonly record: EndpointRecord
  readonly network: NetworkRecord
  readonly attachment: Attachment
  /** Those of the endpoints it links to, by what only its own sandbox calls them. */
  readonly linkNames: Readonly<Record<string, readonly IpAddress[]>>
  /** Its part of the host, with these ports published. */
  readonly describe: (ports: readonly PortBinding[]) => readonly Resource[]
}

/** What of other endpoints concerns one: those it links to that exist. */
interface PlannedLinks extends Pick<PlannedEndpoint, 'linkNames'> {
  readonly links: EndpointSpec['links']
}

/** Asks the driver about a joined endpoint. */
export function planEndpoint(
  record: EndpointRecord,
  network: NetworkRecord,
  driver: NetworkDriver,
  { links, linkNames }: PlannedLinks,
  view: HostView,
): PlannedEndpoint {
  const spec = networkSpec(network)
  const endpoint = endpointSpec(record, links)
  return {
    record,
    network,
    attachment: driver.attachment(spec, endpoint, view),
    linkNames,
    describe: (ports) =>
      driver.describeEndpoint(spec, ports.length === 0 ? endpoint : { ...endpoint, ports }, view),
  }
}
