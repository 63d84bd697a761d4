import { contains, familyOf, type IpAddress, type MacAddress } from '../../address/address.ts'
import { linkLocalOf } from '../../address/link-local.ts'
import { macFor } from '../../address/mac.ts'
import type { EndpointId } from '../../base/id.ts'
import type { Survey, SurveyedNamespace } from '../../kernel/kernel.ts'
import type { EndpointRecord, NetworkRecord } from '../records.ts'

type Identity = Pick<EndpointRecord, 'mac' | 'ipv4' | 'ipv6' | 'addresses' | 'macs'>

/**
 * Who an endpoint without a record is. Its firewall elements tell: what its link says, root inside may have
 * changed to another's. One of an earlier version has none, and is believed.
 */
export function identityOf(
  id: EndpointId,
  link: SurveyedNamespace['links'][number],
  inside: readonly IpAddress[],
  network: NetworkRecord,
  { elements }: Survey,
): Identity {
  const keys = (sets: RegExp) =>
    elements.filter(
      ({ family, set, owner }) => family === 'bridge' && owner === id && sets.test(set),
    )
  const macs = keys(/^macs$/).map(({ key }) => key[1] as MacAddress)
  if (macs.length === 0) return { mac: link.mac, ...firstOf(inside, network) }
  const mac = macs.includes(link.mac) ? link.mac : macs[0]!
  const known = [...new Set(keys(/^senders[46]$/).map(({ key }) => key[2] as IpAddress))]
  // The MAC follows from the own address, unless it was given.
  const derived = known.filter((it) => macFor(network.id, it) === mac)
  const kept = inside.filter((it) => known.includes(it))
  const own = firstOf([...derived, ...kept, ...known], network)
  const addresses = known.filter(
    (it) => it !== own.ipv4 && it !== own.ipv6 && it !== linkLocalOf(mac),
  )
  const others = macs.filter((it) => it !== mac)
  return {
    mac,
    ...own,
    ...(keys(/^any_address$/).length > 0
      ? { addresses: 'any' }
      : addresses.length > 0
        ? { addresses }
        : {}),
    ...(keys(/^any_mac$/).length > 0 ? { macs: 'any' } : others.length > 0 ? { macs: others } : {}),
  }
}

/** The first address of each of the network's families that is one of it. */
function firstOf(
  addresses: readonly IpAddress[],
  { ipv4, ipv6 }: NetworkRecord,
): Pick<Identity, 'ipv4' | 'ipv6'> {
  const of = (family: 4 | 6, subnet: NonNullable<NetworkRecord['ipv4']>['subnet'] | undefined) =>
    subnet &&
    addresses.find(
      (it) => familyOf(it) === family && !it.startsWith('fe80:') && contains(subnet, it),
    )
  const [own4, own6] = [of(4, ipv4?.subnet), of(6, ipv6?.subnet)]
  return { ...(own4 ? { ipv4: own4 } : {}), ...(own6 ? { ipv6: own6 } : {}) }
}
