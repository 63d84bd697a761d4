import { randomBytes } from 'node:crypto'
import type { KernelError } from '../../../base/errors.ts'
import { RETIRED_GROUP } from '../../link-groups.ts'
import type { Step, Transaction } from '../apply/transaction.ts'
import type { NetnsHandle } from '../namespaces/netns-handle.ts'
import { retiredName } from '../ours.ts'
import { type Link, renameLink, setLink } from '../rtnetlink/link.ts'
import { portSettingsOf } from './port-settings.ts'
import { remember, rememberNeighbours } from './remember.ts'

/**
 * Takes a link of the host down, off its bridge and out of our group: from then on it has no effect.
 * Equivalent to: `ip link set LINK down nomaster group …`. `isDeleted`: later, in the background; or it goes with
 * its namespace.
 */
export function retireLink(
  transaction: Transaction,
  link: Link,
  key: string,
  isDeleted: boolean,
): Step {
  const { host } = transaction
  // A bridge loses what is on it by going down; on a veth's end here there is nothing.
  const isBridge = link.kind === 'bridge'
  const restore = isBridge ? remember(host, link.index) : undefined
  const restoreNeighbours = isBridge ? rememberNeighbours(transaction, link.index) : undefined
  return {
    key,
    message: setLink(link.index, {
      up: false,
      group: RETIRED_GROUP,
      ...(link.master === undefined ? {} : { master: 0 }),
    }),
    refused: (error) => error.errno === 'ENODEV',
    done: () => {
      if (isDeleted) transaction.addRetiredLink(link.index)
    },
    undo: () => {
      transaction.cancelRetiredLink(link.index)
      cancelRetire(host, link)
      restore?.()
      restoreNeighbours?.()
    },
  }
}

/** Takes a sandbox's end down and gives it another name, so that its own is free at once. */
export function freeName(netns: NetnsHandle, index: number, name: string, key: string): Step[] {
  const { socket } = netns
  const restore = remember(netns, index)
  const refused = (error: { readonly errno: string }) => error.errno === 'ENODEV'
  return [
    {
      key,
      message: setLink(index, { up: false }),
      refused,
      undo: () => {
        socket.request(setLink(index, { up: true }))
        restore()
      },
    },
    {
      key,
      message: renameLink(index, retiredName(index)),
      refused: (error) => refused(error) || isNamedOtherwise(netns, index, error),
      undo: () => socket.request(renameLink(index, name)),
    },
  ]
}

/** Whether a sandbox has something of that name, or has taken the link up again: then any other will do. */
function isNamedOtherwise({ socket }: NetnsHandle, index: number, { errno }: KernelError): boolean {
  if (errno !== 'EEXIST' && errno !== 'EBUSY') return false
  // It can't be known before. If that is refused as well, its name isn't free until the link is gone.
  const name = `gone${randomBytes(5).toString('hex')}`
  socket.requestAll([setLink(index, { up: false }), renameLink(index, name)])
  return true
}

/** Undoes retireLink. */
function cancelRetire({ socket }: NetnsHandle, link: Link): void {
  const { index, up, group, master } = link
  const port = master === undefined ? {} : { master }
  socket.request(setLink(index, { up, group, ...port }))
  if (master !== undefined) socket.request(setLink(index, portSettingsOf(link)))
}
