import { RESOLVER_ADDRESS, type ResolverResource } from '../../../kept-resource.ts'
import { resourceKey } from '../../../resource.ts'
import type { Machinery } from '../../apply/machinery.ts'
import type { Plan, Sorted } from '../../apply/plan.ts'
import type { Transaction } from '../../apply/transaction.ts'
import { close } from '../../ffi/file.ts'
import type { Place } from '../../namespaces/place.ts'
import type { NetlinkSocket } from '../../netlink/netlink-socket.ts'
import { setLink } from '../../rtnetlink/link.ts'
import type { KeptSockets } from '../names/keeping.ts'
import { findResolverPorts, openResolverSockets, USUAL_PORTS } from './resolver-sockets.ts'
import {
  isTableFor,
  makeResolverTable,
  portsOf,
  type ResolverPorts,
  type ResolverTable,
  readResolverTable,
  replaceResolverTable,
  resolverTable,
} from './resolver-table.ts'

/**
 * The sockets of resolvers that nobody keeps yet, inside their sandboxes, and the way to them from port
 * 53; where they are kept, only that is mended.
 */
export function openResolvers(
  transaction: Transaction,
  machinery: Machinery,
  { add, remove, dying }: Plan,
  isKept: (key: string) => boolean,
): KeptSockets {
  for (const resource of remove.resolvers) {
    if (dying.has(resource.namespace.path)) continue
    transaction.attempt(resourceKey(resource), () => {
      const place = transaction.places.find(resource.namespace)
      if (place !== undefined) changeTable(transaction, machinery, place, () => undefined)
    })
  }
  const opened = new Map<string, readonly number[]>()
  try {
    takePrepared(transaction, machinery, add, opened)
    for (const resource of add.resolvers) {
      const key = resourceKey(resource)
      if (opened.has(key)) continue
      transaction.attempt(key, () => {
        const place = upPlace(transaction, resource)
        if (isKept(key)) mendTable(transaction, machinery, place)
        else opened.set(key, openResolver(transaction, machinery, place))
      })
    }
    return opened
  } catch (error) {
    for (const fd of [...opened.values()].flat()) close(fd)
    throw error
  }
}

/** What new namespaces have of a resolver. */
function takePrepared(
  transaction: Transaction,
  { stock }: Machinery,
  { namespaces, resolvers }: Sorted,
  taken: Map<string, readonly number[]>,
): void {
  const keys = new Map(resolvers.map((it) => [it.namespace.path, resourceKey(it)]))
  for (const resource of namespaces) {
    const { namespace } = resource
    transaction.attempt(resourceKey(resource), () => {
      const key = keys.get(namespace.path)
      const sockets = stock.takeResolver(transaction.places.at(namespace), key !== undefined)
      if (key !== undefined && sockets !== undefined) taken.set(key, sockets)
    })
  }
}

function upPlace({ places }: Transaction, { namespace }: ResolverResource): Place {
  const place = places.at(namespace)
  // In somebody's namespace it may be down, and then there is no such address.
  place.socket.request(setLink('lo', { up: true }))
  return place
}

function mendTable(transaction: Transaction, machinery: Machinery, place: Place): void {
  changeTable(transaction, machinery, place, (before) => {
    return findResolverPorts(RESOLVER_ADDRESS) ?? (before && portsOf(before)) ?? USUAL_PORTS
  })
}

function openResolver(
  transaction: Transaction,
  machinery: Machinery,
  place: Place,
): readonly number[] {
  const { ports, descriptors } = machinery.namespaces.enter(place.fd, () =>
    openResolverSockets(RESOLVER_ADDRESS),
  )
  try {
    changeTable(transaction, machinery, place, () => ports)
    return descriptors
  } catch (error) {
    for (const fd of descriptors) close(fd)
    throw error
  }
}

/** Makes it lead to the ports that `choose` wants, from inside; undefined: away with it. */
function changeTable(
  transaction: Transaction,
  { namespaces, stock }: Machinery,
  place: Place,
  choose: (before: ResolverTable | undefined) => ResolverPorts | undefined,
): void {
  const inside = (work: (socket: NetlinkSocket, deletes: () => void) => void) =>
    namespaces.enter(place.fd, () => stock.lingering.with(work))
  inside((socket, deletes) => {
    const before = stock.isNew(place) ? undefined : readResolverTable(socket)
    const ports = choose(before)
    if (isTableFor(before, ports)) return
    if (before === undefined && ports !== undefined) makeResolverTable(socket, ports)
    else {
      deletes()
      replaceResolverTable(socket, ports && resolverTable(ports))
    }
    if (stock.isNew(place)) return
    transaction.onRollback(() =>
      inside((again, deletesAgain) => {
        deletesAgain()
        replaceResolverTable(again, before)
      }),
    )
  })
}
