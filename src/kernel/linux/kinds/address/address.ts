import { type Cidr, familyOf } from '../../../../address/address.ts'
import { type AddressResource, resourceKey } from '../../../resource.ts'
import type { ApplyContext } from '../../apply/context.ts'
import type { Step, Transaction } from '../../apply/transaction.ts'
import type { Comparison } from '../../compare/comparison.ts'
import { different, type Finding, missing } from '../../compare/finding.ts'
import type { NetnsHandle } from '../../namespaces/netns-handle.ts'
import { deleteAddress, listAddresses, newAddress } from '../../rtnetlink/address.ts'
import { getLink } from '../../rtnetlink/link.ts'
import { deleteRoute, listRoutes, newRoute } from '../../rtnetlink/route.ts'
import type { Kind } from '../kind.ts'
import { lackedRoute } from './connected-route.ts'
import { awaitNeighbourDiscovery } from './neighbour-discovery.ts'

export const address: Kind<'address'> = {
  apply: {
    leave: (context) => takeAway(context, ({ namespace }) => namespace !== undefined),
    retire: (context) => takeAway(context, ({ namespace }) => namespace === undefined),
    'bring up': addAll,
    await: ({ transaction, plan }) => awaitNeighbourDiscovery(transaction, plan.add.of('address')),
  },
  compare,
  on: ({ namespace, link }) => ({ namespace, name: link }),
}

function takeAway(
  { plan, steps }: ApplyContext,
  isMeant: (address: AddressResource) => boolean,
): void {
  for (const resource of plan.remove.of('address').filter(isMeant)) {
    const { namespace, link, address } = resource
    if (plan.retired.has(namespace?.path ?? '')) continue
    const there = steps.find(namespace)
    const index = there?.netns.findIndex(link)
    if (there === undefined || index === undefined) continue
    there.push({
      key: resourceKey(resource),
      message: deleteAddress(index, address),
      refused: ({ errno }) => errno === 'EADDRNOTAVAIL' || errno === 'ENODEV',
      restore: () => there.netns.socket.request(newAddress(index, address)),
    })
  }
}

function addAll({ transaction, plan, steps }: ApplyContext): void {
  for (const resource of plan.add.of('address')) {
    const key = resourceKey(resource)
    const there = steps.at(resource.namespace, key)
    const index = transaction.attempt(key, () => there.index(resource.link))
    there.push(add(transaction, there.netns, index, resource.address, key))
  }
}

function add(
  transaction: Transaction,
  netns: NetnsHandle,
  index: number,
  address: Cidr,
  key: string,
): Step {
  return {
    key,
    message: newAddress(index, address),
    refused: ({ errno }) => {
      if (errno !== 'EEXIST') return false
      settle(transaction, netns, index, address, key)
      return true
    },
    undo: () => netns.socket.request(deleteAddress(index, address)),
  }
}

/** The address is there; its route to its neighbours may not be. */
function settle(
  transaction: Transaction,
  { socket }: NetnsHandle,
  index: number,
  address: Cidr,
  key: string,
): void {
  const found = listAddresses(socket, { link: index }).find((it) => it.address === address)
  if (found === undefined) return
  const routes = listRoutes(socket, { family: familyOf(address), link: index })
  const lacked = lackedRoute(found, getLink(socket, index), (to) =>
    routes.filter(({ destination }) => destination === to),
  )
  if (lacked === undefined) return
  transaction.send(socket, [
    { key, message: newRoute(lacked), undo: () => socket.request(deleteRoute(lacked)) },
  ])
}

function compare(comparison: Comparison, { namespace, link, address }: AddressResource): Finding {
  const contents = comparison.in(namespace)
  const on = contents?.links.get(link)
  const found = contents?.addresses.find((it) => it.link === on?.index && it.address === address)
  if (on === undefined || found === undefined) return missing(`no address ${address} on ${link}`)
  const lacked = lackedRoute(found, on, (to) => contents?.routes.get(to) ?? [])
  return lacked && different(`no route ${lacked.destination} dev ${link}, by ${address}`)
}
