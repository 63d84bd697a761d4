import {
  addressBytes,
  addressFromBytes,
  cidrAddress,
  familyOf,
  type IpAddress,
} from '../../../../address/address.ts'
import type { AddressResource } from '../../../resource.ts'
import { byNamespace } from '../../apply/plan.ts'
import type { Transaction } from '../../apply/transaction.ts'
import { listMulticastGroups } from '../../rtnetlink/address.ts'

const PATIENCE_MS = 20
const LOOK_AGAIN_MS = 0.2

/**
 * A new IPv6 address can be used at once, but a host that asks for it gets an answer only when the link
 * listens to the address's group, which the kernel sees to in the background. The asker would try
 * again after a second, so it is worth a few microseconds to wait here.
 */
export function awaitNeighbourDiscovery(
  { handles }: Transaction,
  addresses: readonly AddressResource[],
): void {
  const deadline = performance.now() + PATIENCE_MS
  const ipv6 = addresses.filter(({ address }) => familyOf(address) === 6)
  for (const list of byNamespace(ipv6).values()) {
    const netns = handles.at(list[0]!.namespace)
    for (const { link, address } of list) {
      const group = solicitedNodeGroup(cidrAddress(address))
      const index = netns.index(link)
      while (!listMulticastGroups(netns.socket, index).includes(group)) {
        if (performance.now() > deadline) return
        Atomics.wait(clock, 0, 0, LOOK_AGAIN_MS)
      }
    }
  }
}

const clock = new Int32Array(new SharedArrayBuffer(4))

/** RFC 4291, 2.7.1: `ff02::1:ff00:0` with the last three bytes of the address. */
export function solicitedNodeGroup(address: IpAddress): IpAddress {
  const bytes = addressBytes('ff02::1:ff00:0' as IpAddress)
  bytes.set(addressBytes(address).subarray(13), 13)
  return addressFromBytes(bytes)
}
