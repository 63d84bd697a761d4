import { randomBytes } from 'node:crypto'
import { isKernelError, type KernelError } from '../../../base/errors.ts'
import { CONDEMNED_GROUP } from '../../link-groups.ts'
import { rememberNeighbours } from '../kinds/neighbour/neighbour.ts'
import { portSettingsOf } from '../kinds/veth/port-settings.ts'
import type { Place } from '../namespaces/place.ts'
import { condemnedName, isOurs } from '../ours.ts'
import { listAddresses, newAddress } from '../rtnetlink/address.ts'
import { getLink, type Link, type LinkRef, renameLink, setLink } from '../rtnetlink/link.ts'
import {
  listRoutes,
  type NewRoute,
  newRoute,
  type Route,
  RTPROT_KERNEL,
} from '../rtnetlink/route.ts'
import type { Step, Transaction } from './transaction.ts'

/** What links of ours can be. */
export type OwnKind = 'bridge' | 'veth' | 'ifb'

/** A link of ours, by its name; anything else of that name is none of our business. */
export function ownLink(host: Place, name: string, kind: OwnKind): Link | undefined {
  const index = host.findIndex(name)
  const link = index === undefined ? undefined : findLink(host, index)
  return link?.kind === kind && isOurs(link) ? link : undefined
}

export function findLink({ socket }: Place, ref: LinkRef): Link | undefined {
  try {
    return getLink(socket, ref)
  } catch (error) {
    if (isKernelError(error, 'ENODEV')) return undefined
    throw error
  }
}

/**
 * Takes a link of the host down, off its bridge and out of our group: from then on it has no effect.
 * Equivalent to: `ip link set LINK down nomaster group …`.
 */
export function condemn(transaction: Transaction, link: Link, key: string, doomed: boolean): Step {
  const { host } = transaction
  // A bridge loses what is on it by going down; on a veth's end here there is nothing.
  const isBridge = link.kind === 'bridge'
  const restore = isBridge ? remember(host, link.index) : undefined
  const restoreNeighbours = isBridge ? rememberNeighbours(transaction, link.index) : undefined
  return {
    key,
    message: setLink(link.index, {
      up: false,
      group: CONDEMNED_GROUP,
      ...(link.master === undefined ? {} : { master: 0 }),
    }),
    refused: (error) => error.errno === 'ENODEV',
    done: () => {
      if (doomed) transaction.doomLink(link.index)
    },
    undo: () => {
      transaction.spareLink(link.index)
      reprieve(host, link)
      restore?.()
      restoreNeighbours?.()
    },
  }
}

/** Takes a sandbox's end down and gives it another name, so that its own is free at once. */
export function freeName(place: Place, index: number, name: string, key: string): Step[] {
  const { socket } = place
  const restore = remember(place, index)
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
      message: renameLink(index, condemnedName(index)),
      refused: (error) => refused(error) || isNamedOtherwise(place, index, error),
      undo: () => socket.request(renameLink(index, name)),
    },
  ]
}

/** Whether a sandbox has something of that name, or has taken the link up again: then any other will do. */
function isNamedOtherwise({ socket }: Place, index: number, { errno }: KernelError): boolean {
  if (errno !== 'EEXIST' && errno !== 'EBUSY') return false
  // Nobody can know it before. If that is refused as well, its name isn't free until the link is gone.
  const name = `gone${randomBytes(5).toString('hex')}`
  socket.requestAll([setLink(index, { up: false }), renameLink(index, name)])
  return true
}

/** Undoes condemn. */
function reprieve({ socket }: Place, link: Link): void {
  const { index, up, group, master } = link
  const port = master === undefined ? {} : { master }
  socket.request(setLink(index, { up, group, ...port }))
  if (master !== undefined) socket.request(setLink(index, portSettingsOf(link)))
}

/** What is on a link; the answer puts back whatever of it is missing then. */
export function remember({ socket }: Place, link: number): () => void {
  const addresses = listAddresses(socket, { link })
  const routes = listRoutes(socket, { link })
    .filter(({ protocol }) => protocol !== RTPROT_KERNEL)
    .map(asItWas)
  return () => {
    socket.requestAll([
      ...addresses.map(({ address }) => newAddress(link, address)),
      ...routes.filter(({ gateway }) => gateway === undefined).map(newRoute),
      ...routes.filter(({ gateway }) => gateway !== undefined).map(newRoute),
    ])
  }
}

/** What makes a route what it is. */
export function asItWas({ destination, gateway, link, metric, protocol }: Route): NewRoute {
  return {
    destination,
    metric,
    protocol,
    ...(gateway === undefined ? {} : { gateway }),
    ...(link === undefined ? {} : { link }),
  }
}
