import { isKernelError } from '../../../base/errors.ts'
import type { ZoneResource } from '../../kept-resource.ts'
import { resourceKey } from '../../resource.ts'
import type { Machinery } from './apply.ts'
import type { KeptSockets } from './keeping.ts'
import type { Plan } from './plan.ts'
import { openAll, openEars } from './relays.ts'
import type { Transaction } from './transaction.ts'

/** The sockets of new zones, from the host's namespace, but for those whose address isn't to be had. */
export function openZones(
  transaction: Transaction,
  machinery: Machinery,
  { add }: Plan,
): KeptSockets {
  return openAll(add.zones, machinery, (zone) =>
    transaction.attempt(resourceKey(zone), () => openIfFree(transaction, machinery, zone)),
  )
}

// Somebody else answers there, it is no address of this host, or others may not listen there.
const notToBeHad = ['EADDRINUSE', 'EADDRNOTAVAIL', 'EACCES']

function openIfFree(
  transaction: Transaction,
  machinery: Machinery,
  zone: ZoneResource,
): readonly number[] | undefined {
  try {
    return openEars(transaction, machinery, zone)
  } catch (error) {
    if (notToBeHad.some((errno) => isKernelError(error, errno))) return undefined
    throw error
  }
}
