import { type FdbResource, type NeighbourResource, resourceKey } from '../../../resource.ts'
import type { Plan } from '../../apply/plan.ts'
import type { Step, Transaction } from '../../apply/transaction.ts'
import { ROUTE_PROTOCOL } from '../../ours.ts'
import { deleteFdb, listFdb, newFdb, replaceFdb } from '../../rtnetlink/fdb.ts'
import type { Link } from '../../rtnetlink/link.ts'
import {
  deleteNeighbour,
  listNeighbours,
  newNeighbour,
  replaceNeighbour,
} from '../../rtnetlink/neighbour.ts'

/** Whose address and whose MAC is where: sent together with the settings of the ports they are about. */
export function neighbourSteps(
  transaction: Transaction,
  { add, before }: Plan,
  indexOf: (link: string) => number,
): Step[] {
  return [
    ...add.fdbs.map((fdb) =>
      transaction.attempt(resourceKey(fdb), () => addFdb(transaction, fdb, indexOf(fdb.link))),
    ),
    ...add.neighbours.map((neighbour) => {
      const key = resourceKey(neighbour)
      const was = before.get(key)
      return transaction.attempt(key, () =>
        was?.kind === 'neighbour'
          ? changeNeighbour(transaction, was, neighbour)
          : addNeighbour(transaction, neighbour, indexOf(neighbour.link)),
      )
    }),
  ]
}

/**
 * To be sent before the links go that they are on: then all of it comes back after those, if it has to. What
 * goes by itself, with its port, is only put back.
 */
export function lossSteps(transaction: Transaction, { remove }: Plan): Step[] {
  const going = new Set(remove.veths.map(({ name }) => name))
  return [
    ...remove.neighbours.flatMap((neighbour) => removeNeighbour(transaction, neighbour)),
    ...remove.fdbs.flatMap((fdb) => removeFdb(transaction, fdb, going.has(fdb.link))),
  ]
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

function addNeighbour(transaction: Transaction, neighbour: NeighbourResource, link: number): Step {
  const { socket } = transaction.host
  const { address, mac } = neighbour
  const key = resourceKey(neighbour)
  const undo = () => socket.request(deleteNeighbour(link, address))
  return {
    key,
    message: newNeighbour(link, address, mac, ROUTE_PROTOCOL),
    undo,
    refused: ({ errno }) => {
      if (errno !== 'EEXIST') return false
      // Mostly one that was asked for, and would be forgotten some time.
      const found = listNeighbours(socket, { link }).find((it) => it.address === address)
      const isOurs = found?.permanent && found.protocol === ROUTE_PROTOCOL
      if (isOurs && found.mac === mac) return true
      const back = () => {
        if (!found?.permanent || found.mac === undefined) return undo()
        socket.request(replaceNeighbour(link, address, found.mac, found.protocol))
      }
      const message = replaceNeighbour(link, address, mac, ROUTE_PROTOCOL)
      transaction.send(socket, [{ key, message, undo: back }])
      return true
    },
  }
}

function changeNeighbour(
  { host }: Transaction,
  was: NeighbourResource,
  { link, address, mac }: NeighbourResource,
): Step {
  const index = host.index(link)
  const to = (it: NeighbourResource['mac']) => replaceNeighbour(index, address, it, ROUTE_PROTOCOL)
  return {
    key: resourceKey(was),
    message: to(mac),
    undo: () => host.socket.request(to(was.mac)),
  }
}

function addFdb(transaction: Transaction, fdb: FdbResource, port: number): Step {
  const { host } = transaction
  const { mac } = fdb
  const key = resourceKey(fdb)
  const undo = () => host.socket.request(deleteFdb(port, mac))
  return {
    key,
    message: newFdb(port, mac),
    undo,
    refused: ({ errno }) => {
      if (errno !== 'EEXIST') return false
      const all = listFdb(host.socket, host.index(fdb.bridge))
      const found = all.find((it) => it.mac === mac)
      if (found?.fixed && found.port === port) return true
      const back = () => (found?.fixed ? host.socket.request(replaceFdb(found.port, mac)) : undo())
      transaction.send(host.socket, [{ key, message: replaceFdb(port, mac), undo: back }])
      return true
    },
  }
}

function removeNeighbour({ host }: Transaction, neighbour: NeighbourResource): Step[] {
  const { address, mac } = neighbour
  const link = host.findIndex(neighbour.link)
  if (link === undefined) return []
  return [
    {
      key: resourceKey(neighbour),
      message: deleteNeighbour(link, address),
      // With a link that was down for a while it went by itself.
      refused: ({ errno }) => errno === 'ENOENT' || errno === 'ENODEV',
      undo: () => host.socket.request(replaceNeighbour(link, address, mac, ROUTE_PROTOCOL)),
    },
  ]
}

function removeFdb(transaction: Transaction, fdb: FdbResource, goesWithPort: boolean): Step[] {
  const { host } = transaction
  const port = host.findIndex(fdb.link)
  if (port === undefined) return []
  const undo = () => host.socket.request(replaceFdb(port, fdb.mac))
  if (goesWithPort) {
    transaction.onRollback(undo)
    return []
  }
  return [
    {
      key: resourceKey(fdb),
      message: deleteFdb(port, fdb.mac),
      refused: ({ errno }) => errno === 'ENOENT' || errno === 'ENODEV' || errno === 'EOPNOTSUPP',
      undo,
    },
  ]
}
