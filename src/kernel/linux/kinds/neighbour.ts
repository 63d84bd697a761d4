import { type NeighbourResource, resourceKey } from '../../resource.ts'
import type { ApplyContext } from '../apply/context.ts'
import type { Step, Transaction } from '../apply/transaction.ts'
import type { Comparison } from '../compare/comparison.ts'
import { different, type Finding, missing } from '../compare/finding.ts'
import { ROUTE_PROTOCOL } from '../ours.ts'
import {
  deleteNeighbour,
  listNeighbours,
  type Neighbour,
  newNeighbour,
  replaceNeighbour,
} from '../rtnetlink/neighbour.ts'
import type { SurveyContext } from '../survey/survey-context.ts'
import type { Kind } from './kind.ts'

export const neighbour: Kind<'neighbour'> = {
  apply: { 'settle ports': addAll, retire },
  compare,
  survey: (context) => ({ neighbours: surveyed(context) }),
}

/** Whose address is where: sent together with the settings of the ports they are about. */
function addAll({ transaction, plan, steps: { host } }: ApplyContext): void {
  for (const neighbour of plan.add.of('neighbour')) {
    const key = resourceKey(neighbour)
    const was = plan.before.get(key)
    const step = transaction.attempt(key, () => {
      const index = host.index(neighbour.link)
      if (was?.kind === 'neighbour') return change(transaction, was, neighbour, index)
      return add(transaction, neighbour, index)
    })
    host.push(step)
  }
}

/** Before the links go that they are on: then all of it comes back after those, if it has to. */
function retire({ transaction, plan, steps: { host } }: ApplyContext): void {
  for (const neighbour of plan.remove.of('neighbour')) {
    host.push(...remove(transaction, neighbour))
  }
}

function add(transaction: Transaction, neighbour: NeighbourResource, link: number): Step {
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

function change(
  { host }: Transaction,
  was: NeighbourResource,
  { address, mac }: NeighbourResource,
  index: number,
): Step {
  const to = (it: NeighbourResource['mac']) => replaceNeighbour(index, address, it, ROUTE_PROTOCOL)
  return {
    key: resourceKey(was),
    message: to(mac),
    undo: () => host.socket.request(to(was.mac)),
  }
}

function remove({ host }: Transaction, neighbour: NeighbourResource): Step[] {
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

function compare(comparison: Comparison, { link, address, mac }: NeighbourResource): Finding {
  const index = comparison.host.links.get(link)?.index
  const found = comparison.once(neighboursByAddress).get(`${index} ${address}`)
  if (index === undefined || !found?.permanent) {
    return missing(`no permanent neighbour ${address} on ${link}`)
  }
  if (found.mac !== mac) {
    return different(`neighbour ${address} on ${link} has address ${found.mac}, not ${mac}`)
  }
  // A kernel that can't keep whose it is says nothing.
  if (found.protocol === undefined || found.protocol === ROUTE_PROTOCOL) return undefined
  return different(`neighbour ${address} on ${link} isn't ours`)
}

/** Those of the host, by link and address. */
function neighboursByAddress({ host }: Comparison): ReadonlyMap<string, Neighbour> {
  const all = listNeighbours(host.netns.socket)
  return new Map(all.map((it) => [`${it.link} ${it.address}`, it]))
}

function surveyed({ machinery, names }: SurveyContext): NeighbourResource[] {
  const all = listNeighbours(machinery.host.socket)
  return all.flatMap(({ permanent, protocol, address, mac, link: index }) => {
    const link = names.get(index)
    if (!permanent || protocol !== ROUTE_PROTOCOL || !mac || link === undefined) return []
    return [{ kind: 'neighbour', link, address, mac }]
  })
}
