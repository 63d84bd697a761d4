import { familyOf } from '../../../../address/address.ts'
import { isKernelError } from '../../../../base/errors.ts'
import type { RelayResource } from '../../../kept-resource.ts'
import { portInUse } from '../../../port-conflict.ts'
import { resourceKey } from '../../../resource.ts'
import type { ApplyContext } from '../../apply/context.ts'
import type { Machinery } from '../../apply/machinery.ts'
import type { Transaction } from '../../apply/transaction.ts'
import { close } from '../../ffi/file.ts'
import { type KeptSockets, openAll } from '../../keeper/keeping.ts'
import { findConflict } from '../../ports/port-search.ts'
import { openListener } from '../../ports/sockets.ts'
import type { Kind } from '../kind.ts'
import { compareKept } from './kept.ts'

export const relay: Kind<'relay'> = {
  apply: { 'listen first': (context) => context.keeping.take(openRelays(context)) },
  compare: compareKept,
}

/** The sockets of new relays, from the host's namespace. What comes now waits for the keeper. */
function openRelays({ transaction, machinery, plan }: ApplyContext): KeptSockets {
  return openAll((opened) => {
    for (const relay of plan.add.of('relay')) {
      if (machinery.keeper?.mirror.hasSocketsOf(relay)) continue
      const key = resourceKey(relay)
      const socket = transaction.attempt(key, () => openRelay(transaction, machinery, relay))
      opened.set(key, [socket])
    }
  })
}

function openRelay(transaction: Transaction, machinery: Machinery, relay: RelayResource): number {
  try {
    return openRelayListener(transaction, machinery, relay)
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

function openRelayListener(
  transaction: Transaction,
  { reservations }: Machinery,
  { protocol, listen: { address, port } }: RelayResource,
): number {
  const open = () => openListener({ type: protocol, family: familyOf(address), address, port })
  const socket = unlessInUse(open)
  if (socket !== undefined) return socket
  // Ports that were held until their turn came are reserved already, which keeps us off as well.
  const lifted = reservations.covering({ protocol, address, port })
  transaction.onRollback(() => reservations.add(lifted))
  reservations.remove(lifted)
  let opened: number | undefined
  try {
    try {
      opened = open()
    } finally {
      reservations.add(lifted)
    }
    return opened
  } catch (error) {
    if (opened !== undefined) close(opened)
    throw error
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
