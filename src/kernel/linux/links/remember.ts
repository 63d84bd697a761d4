import type { Transaction } from '../apply/transaction.ts'
import type { NetnsHandle } from '../namespaces/netns-handle.ts'
import { ROUTE_PROTOCOL } from '../ours.ts'
import { listAddresses, newAddress } from '../rtnetlink/address.ts'
import { listFdb, replaceFdb } from '../rtnetlink/fdb.ts'
import type { Link } from '../rtnetlink/link.ts'
import { listNeighbours, replaceNeighbour } from '../rtnetlink/neighbour.ts'
import {
  listRoutes,
  type NewRoute,
  newRoute,
  type Route,
  RTPROT_KERNEL,
} from '../rtnetlink/route.ts'

/** What is on a link; the answer puts back whatever of it is missing then. */
export function remember({ socket }: NetnsHandle, link: number): () => void {
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

/** The neighbours of ours on a link; the answer puts them back. */
export function rememberNeighbours({ host }: Transaction, link: number): () => void {
  const ours = listNeighbours(host.socket, { link }).filter(
    ({ permanent, protocol }) => permanent && protocol === ROUTE_PROTOCOL,
  )
  return () => {
    host.socket.requestAll(
      ours.map(({ address, mac }) => replaceNeighbour(link, address, mac!, ROUTE_PROTOCOL)),
    )
  }
}

/** What a bridge has of a port for good; the answer puts it to the port that is called so then. */
export function rememberFixed(
  transaction: Transaction,
  { index, name, master }: Link,
  key: string,
): () => void {
  const { host } = transaction
  const all = master === undefined ? [] : listFdb(host.socket, master)
  const macs = all.filter(({ port, fixed }) => fixed && port === index).map(({ mac }) => mac)
  return () => {
    const port = host.index(name)
    const steps = macs.map((mac) => ({ key, message: replaceFdb(port, mac) }))
    transaction.send(host.socket, steps)
  }
}
