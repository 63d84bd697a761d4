import { familyOf } from '../../../address/address.ts'
import { isKernelError } from '../../../base/errors.ts'
import type { KeptResource, RelayResource } from '../../kept-resource.ts'
import { portInUse } from '../../port-conflict.ts'
import { resourceKey } from '../../resource.ts'
import { close } from '../ffi/file.ts'
import { earsOf } from '../open-listeners.ts'
import { findConflict } from '../port-search.ts'
import { openListener } from '../sockets.ts'
import type { Machinery } from './apply.ts'
import type { KeptSockets } from './keeping.ts'
import type { Plan } from './plan.ts'
import type { Transaction } from './transaction.ts'

/** The sockets of new relays, from the host's namespace. What comes now waits for the keeper. */
export function openRelays(
  transaction: Transaction,
  machinery: Machinery,
  { add }: Plan,
): KeptSockets {
  return openAll(add.relays, machinery, (relay) =>
    transaction.attempt(resourceKey(relay), () => openRelay(transaction, machinery, relay)),
  )
}

/** The sockets of all that the keeper has none of yet; of none of them if one can't be opened. */
export function openAll<R extends KeptResource>(
  resources: readonly R[],
  { keeper }: Machinery,
  open: (resource: R) => readonly number[] | undefined,
): KeptSockets {
  const opened = new Map<string, readonly number[]>()
  try {
    for (const resource of resources) {
      if (keeper?.mirror.hasSocketsOf(resource)) continue
      const sockets = open(resource)
      if (sockets !== undefined) opened.set(resourceKey(resource), sockets)
    }
    return opened
  } catch (error) {
    for (const fd of [...opened.values()].flat()) close(fd)
    throw error
  }
}

function openRelay(
  transaction: Transaction,
  machinery: Machinery,
  relay: RelayResource,
): readonly number[] {
  try {
    return openEars(transaction, machinery, relay)
  } catch (error) {
    if (!isKernelError(error, 'EADDRINUSE')) throw error
    const { protocol, listen } = relay
    const { address, port } = listen
    const wanted = { protocol, address, ports: { from: port, to: port } }
    const conflict = findConflict([wanted], machinery.listeners)
    const holder = conflict?.holder ?? { protocol, ...listen }
    throw portInUse(wanted, holder, resourceKey(relay))
  }
}

/** Listening sockets for what a resource listens to on the host: all of them or none. */
export function openEars(
  transaction: Transaction,
  { reservations }: Machinery,
  resource: KeptResource,
): readonly number[] {
  const fds: number[] = []
  try {
    for (const ear of earsOf(resource)) {
      const { protocol: type, address, port } = ear
      const open = () => fds.push(openListener({ type, family: familyOf(address), address, port }))
      if (unlessInUse(open)) continue
      // Ports that were held until their turn came are reserved already, which keeps us off as well.
      const lifted = reservations.covering(ear)
      transaction.onRollback(() => reservations.add(lifted))
      reservations.remove(lifted)
      try {
        open()
      } finally {
        reservations.add(lifted)
      }
    }
    return fds
  } catch (error) {
    for (const fd of fds) close(fd)
    throw error
  }
}

function unlessInUse(open: () => void): boolean {
  try {
    open()
    return true
  } catch (error) {
    if (!isKernelError(error, 'EADDRINUSE')) throw error
    return false
  }
}
