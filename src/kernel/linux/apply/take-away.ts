import {
  type AddressResource,
  type NamespaceRef,
  type RouteResource,
  resourceKey,
} from '../../resource.ts'
import { giveBackLinks } from '../kinds/lent-link.ts'
import { lossSteps } from '../kinds/neighbour/neighbour.ts'
import { condemnIfb } from '../kinds/rate/rate.ts'
import type { Place } from '../namespaces/place.ts'
import { isOurs, ROUTE_PROTOCOL } from '../ours.ts'
import { deleteAddress, newAddress } from '../rtnetlink/address.ts'
import { type Link, listLinks } from '../rtnetlink/link.ts'
import { deleteRoute, type NewRoute, newRoute, replaceRoute } from '../rtnetlink/route.ts'
import { condemn, findLink, freeName, ownLink } from './condemn.ts'
import { type Plan, placedLink } from './plan.ts'
import type { Step, Transaction } from './transaction.ts'

/** A veth that goes: its host end as it is, and where its other end is. */
interface Leaving {
  readonly key: string
  readonly link: Link
  /** Absent: somebody else has moved it, who knows where. */
  readonly namespace: NamespaceRef | undefined
  readonly inside: string
}

/** What goes from one namespace that stays, and what takes its place at once. */
interface Loss {
  readonly ref: NamespaceRef | undefined
  readonly addresses: AddressResource[]
  readonly routes: RouteResource[]
  readonly exchanged: RouteResource[]
  readonly leaving: Leaving[]
}

/**
 * Makes ineffective what is removed: inside the sandboxes first, so that they have their new default
 * route before the old one fails, then the host's ends of their links. Nothing is deleted that the
 * kernel would have to wait for. Answers with the host ends that go with each dying namespace.
 */
export function takeAway(
  transaction: Transaction,
  plan: Plan,
): ReadonlyMap<string, readonly number[]> {
  const { host } = transaction
  const leaving = [...listedVeths(host, plan), ...unlistedVeths(transaction, plan)]
  const losses = lossesByPlace(plan, leaving)
  for (const [path, loss] of losses) {
    if (path !== '') takeFromSandbox(transaction, plan, loss)
  }
  giveBackLinks(transaction, plan.remove.lentLinks)
  const hostLoss = losses.get('')
  const steps = lossSteps(transaction, plan)
  if (hostLoss !== undefined) steps.push(...networkSteps(host, plan, hostLoss))
  const dyingLinks = new Map<string, number[]>()
  for (const { key, link, namespace } of leaving) {
    const path = namespace?.path ?? ''
    const dies = plan.dying.has(path)
    if (dies) dyingLinks.set(path, [...(dyingLinks.get(path) ?? []), link.index])
    steps.push(condemn(transaction, link, key, !dies), ...condemnIfb(transaction, link.name, key))
  }
  for (const bridge of plan.remove.bridges) {
    const link = bridge.origin === 'own' && ownLink(host, bridge.name, 'bridge')
    if (link) steps.push(condemn(transaction, link, resourceKey(bridge), true))
  }
  transaction.send(host.socket, steps)
  return dyingLinks
}

/** Whether a route that changes can do so before new links are made. */
export function isExchanged(plan: Plan, route: RouteResource): boolean {
  return (
    plan.before.has(resourceKey(route)) && !plan.unborn.has(placedLink(route.namespace, route.link))
  )
}

export function kernelRoute(place: Place, route: RouteResource): NewRoute {
  const { destination, gateway, link } = route
  return {
    destination,
    link: place.index(link),
    protocol: ROUTE_PROTOCOL,
    ...(gateway === undefined ? {} : { gateway }),
  }
}

function listedVeths(host: Place, plan: Plan): Leaving[] {
  return plan.remove.veths.flatMap((veth) => {
    const { namespace, name: inside } = veth.peer
    const link = ownLink(host, veth.name, 'veth')
    return link === undefined ? [] : [{ key: resourceKey(veth), link, namespace, inside }]
  })
}

/** A namespace takes its links with it, also where nobody has listed any. */
function unlistedVeths(transaction: Transaction, { remove }: Plan): Leaving[] {
  const listed = new Set(remove.veths.map(({ peer }) => peer.namespace?.path))
  return remove.namespaces.flatMap((resource) => {
    const { namespace } = resource
    const place = listed.has(namespace.path) ? undefined : transaction.places.find(namespace)
    if (place === undefined) return []
    const key = resourceKey(resource)
    return listLinks(place.socket, { kind: 'veth' }).flatMap(({ index, peer, name }) => {
      const link = peer === undefined ? undefined : findLink(transaction.host, peer)
      const isOther = link?.kind === 'veth' && link.peer === index && isOurs(link)
      return isOther ? [{ key, link, namespace, inside: name }] : []
    })
  })
}

function lossesByPlace(plan: Plan, leaving: readonly Leaving[]): Map<string, Loss> {
  const losses = new Map<string, Loss>()
  const at = (ref: NamespaceRef | undefined): Loss | undefined => {
    const path = ref?.path ?? ''
    if (plan.dying.has(path)) return undefined
    let loss = losses.get(path)
    if (loss === undefined) {
      loss = { ref, addresses: [], routes: [], exchanged: [], leaving: [] }
      losses.set(path, loss)
    }
    return loss
  }
  for (const address of plan.remove.addresses) at(address.namespace)?.addresses.push(address)
  for (const route of plan.remove.routes) at(route.namespace)?.routes.push(route)
  for (const each of leaving) at(each.namespace)?.leaving.push(each)
  for (const route of plan.add.routes) {
    if (isExchanged(plan, route)) at(route.namespace)?.exchanged.push(route)
  }
  return losses
}

function takeFromSandbox(transaction: Transaction, plan: Plan, loss: Loss): void {
  const place = transaction.places.find(loss.ref)
  if (place === undefined) return
  const steps = networkSteps(place, plan, loss)
  for (const { key, link, inside } of loss.leaving) {
    // Whatever else has that name now isn't the other end of our link.
    if (link.peer === undefined || place.findIndex(inside) !== link.peer) continue
    steps.push(...freeName(place, link.peer, inside, key))
  }
  transaction.send(place.socket, steps)
}

/** Routes by a gateway go before those that lead to it, and so they come back after them. */
function networkSteps(place: Place, plan: Plan, loss: Loss): Step[] {
  const { exchanged, routes, addresses } = loss
  return [
    ...exchanged.map((route) => exchangeRoute(place, plan, route)),
    ...routes
      .filter(({ gateway }) => gateway !== undefined)
      .flatMap((it) => removeRoute(place, it)),
    ...routes
      .filter(({ gateway }) => gateway === undefined)
      .flatMap((it) => removeRoute(place, it)),
    ...addresses.flatMap((address) => removeAddress(place, address)),
  ]
}

function exchangeRoute(place: Place, plan: Plan, route: RouteResource): Step {
  const key = resourceKey(route)
  const before = plan.before.get(key) as RouteResource
  return {
    key,
    message: replaceRoute(kernelRoute(place, route)),
    restore: () => place.socket.request(replaceRoute(kernelRoute(place, before))),
  }
}

function removeRoute(place: Place, route: RouteResource): Step[] {
  if (place.findIndex(route.link) === undefined) return []
  const wanted = kernelRoute(place, route)
  return [
    {
      key: resourceKey(route),
      message: deleteRoute(wanted),
      refused: ({ errno }) => errno === 'ESRCH' || errno === 'ENODEV',
      restore: () => place.socket.request(newRoute(wanted)),
    },
  ]
}

function removeAddress(place: Place, resource: AddressResource): Step[] {
  const index = place.findIndex(resource.link)
  if (index === undefined) return []
  return [
    {
      key: resourceKey(resource),
      message: deleteAddress(index, resource.address),
      refused: ({ errno }) => errno === 'EADDRNOTAVAIL' || errno === 'ENODEV',
      restore: () => place.socket.request(newAddress(index, resource.address)),
    },
  ]
}
