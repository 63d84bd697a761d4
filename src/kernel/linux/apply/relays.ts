import { familyOf } from '../../../address/address.ts'
import { isKernelError } from '../../../base/errors.ts'
import type { RelayResource } from '../../kept-resource.ts'
import { portInUse } from '../../port-conflict.ts'
import { resourceKey } from '../../resource.ts'
import { close } from '../ffi/file.ts'
import { findConflict } from '../port-search.ts'
import { openListener } from '../sockets.ts'
import type { Machinery } from './apply.ts'
import type { Plan } from './plan.ts'
import type { Transaction } from './transaction.ts'

/**
 * The sockets of new relays, from the host's namespace. What comes now waits for whoever serves them;
 * those of old ones are closed by whoever does.
 */
export function openRelays(
  transaction: Transaction,
  machinery: Machinery,
  { add, remove }: Plan,
): readonly number[] {
  const { relays } = machinery
  for (const relay of remove.relays) {
    const ear = earOf(relay)
    if (relays.delete(ear)) transaction.onRollback(() => relays.add(ear))
  }
  return add.relays.map((relay) => {
    const ear = earOf(relay)
    const fd = transaction.attempt(resourceKey(relay), () =>
      openRelay(transaction, machinery, relay),
    )
    relays.add(ear)
    transaction.onRollback(() => relays.delete(ear))
    return fd
  })
}

function earOf({ protocol, listen }: RelayResource) {
  return { protocol, ...listen }
}

function openRelay(transaction: Transaction, machinery: Machinery, relay: RelayResource): number {
  const { protocol: type, listen } = relay
  const open = () => {
    const fd = openListener({ type, family: familyOf(listen.address), ...listen })
    transaction.onRollback(() => close(fd))
    return fd
  }
  try {
    return unlessInUse(open) ?? unlessReserved(transaction, machinery, relay, open)
  } catch (error) {
    if (!isKernelError(error, 'EADDRINUSE')) throw error
    const { address, port } = listen
    const wanted = { protocol: type, address, ports: { from: port, to: port } }
    const conflict = findConflict([wanted], machinery.relays)
    const holder = conflict?.holder ?? { protocol: type, ...listen }
    throw portInUse(wanted, holder, resourceKey(relay))
  }
}

function unlessInUse(open: () => number): number | undefined {
  try {
    return open()
  } catch (error) {
    if (!isKernelError(error, 'EADDRINUSE')) throw error
    return undefined
  }
}

/** Ports that were held until their turn came are reserved already, which keeps us off as well. */
function unlessReserved(
  transaction: Transaction,
  { reservations }: Machinery,
  relay: RelayResource,
  open: () => number,
): number {
  const lifted = reservations.covering(earOf(relay))
  transaction.onRollback(() => reservations.add(lifted))
  reservations.remove(lifted)
  const fd = open()
  reservations.add(lifted)
  return fd
}
