import { isCnmError, isKernelError } from '../../../base/errors.ts'
import {
  type AddressResource,
  type NamespaceRef,
  type RouteResource,
  resourceKey,
  type VethResource,
} from '../../resource.ts'
import { CONDEMNED_GROUP, condemnedName, LINK_GROUP, ROUTE_PROTOCOL } from '../ours.ts'
import type { Place } from '../place.ts'
import { deleteAddress, newAddress } from '../rtnetlink/address.ts'
import { getLink, type Link, renameLink, setLink } from '../rtnetlink/link.ts'
import { deleteRoute, type NewRoute, newRoute, replaceRoute } from '../rtnetlink/route.ts'
import { type Plan, placedLink } from './plan.ts'
import type { Step, Transaction } from './transaction.ts'

/** A veth that is removed, with its host end as it is. */
interface Leaving {
  readonly veth: VethResource
  readonly link: Link
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
  const leaving = leavingVeths(transaction.host, plan)
  const losses = lossesByPlace(plan, leaving)
  for (const [path, loss] of losses) {
    if (path !== '') takeFromSandbox(transaction, plan, loss)
  }
  const host = losses.get('')
  const steps = host === undefined ? [] : networkSteps(transaction.host, plan, host)
  const dyingLinks = new Map<string, number[]>()
  for (const { veth, link } of leaving) {
    const { path } = veth.peer.namespace
    const dies = plan.dying.has(path)
    if (dies) dyingLinks.set(path, [...(dyingLinks.get(path) ?? []), link.index])
    steps.push(condemn(transaction, link, resourceKey(veth), !dies))
  }
  for (const bridge of plan.remove.bridges) {
    const link = bridge.origin === 'own' && ownLink(transaction.host, bridge.name, 'bridge')
    if (link) steps.push(condemn(transaction, link, resourceKey(bridge), true))
  }
  transaction.send(transaction.host.socket, steps)
  return dyingLinks
}

/** Whether a route that changes can do so before new links are made. */
export function isExchanged(plan: Plan, route: RouteResource): boolean {
  return (
    plan.before.has(resourceKey(route)) && !plan.unborn.has(placedLink(route.namespace, route.link))
  )
}

/**
 * Takes a link down, off its bridge and out of our group: from then on it has no effect.
 * Equivalent to: `ip link set LINK down nomaster group …`.
 */
export function condemn(transaction: Transaction, link: Link, key: string, doomed: boolean): Step {
  return {
    key,
    done: () => {
      if (doomed) transaction.doomLink(link.index)
    },
    message: setLink(link.index, {
      up: false,
      group: CONDEMNED_GROUP,
      ...(link.master === undefined ? {} : { master: 0 }),
    }),
    refused: (error) => error.errno === 'ENODEV',
    undo: () => {
      transaction.spareLink(link.index)
      reprieve(transaction.host, link)
    },
  }
}

/** Undoes condemn. */
function reprieve(host: Place, link: Link): void {
  const { index, up, master, hairpin } = link
  host.socket.request(
    setLink(index, { up, group: LINK_GROUP, ...(master === undefined ? {} : { master }) }),
  )
  if (hairpin) host.socket.request(setLink(index, { hairpin }))
}

/** A link of ours, by its name; anything else of that name is none of our business. */
export function ownLink(host: Place, name: string, kind: 'veth' | 'bridge'): Link | undefined {
  const link = findLink(host, name)
  return link?.group === LINK_GROUP && link.kind === kind ? link : undefined
}

export function findLink(place: Place, name: string): Link | undefined {
  const index = place.findIndex(name)
  if (index === undefined) return undefined
  try {
    return getLink(place.socket, index)
  } catch (error) {
    if (isKernelError(error, 'ENODEV')) return undefined
    throw error
  }
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

function leavingVeths(host: Place, plan: Plan): Leaving[] {
  return plan.remove.veths.flatMap((veth) => {
    const link = ownLink(host, veth.name, 'veth')
    return link === undefined ? [] : [{ veth, link }]
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
  for (const each of leaving) at(each.veth.peer.namespace)?.leaving.push(each)
  for (const route of plan.add.routes) {
    if (isExchanged(plan, route)) at(route.namespace)?.exchanged.push(route)
  }
  return losses
}

function takeFromSandbox(transaction: Transaction, plan: Plan, loss: Loss): void {
  const place = placeIfThere(transaction, loss.ref)
  if (place === undefined) return
  const steps = networkSteps(place, plan, loss)
  for (const { veth, link } of loss.leaving) {
    const index = link.peer
    // Whatever else has that name now isn't the other end of our link.
    if (index === undefined || place.findIndex(veth.peer.name) !== index) continue
    steps.push(...freeName(place, index, veth.peer.name, resourceKey(veth)))
  }
  transaction.send(place.socket, steps)
}

/** Takes a sandbox's end down and gives it another name, so that its own is free at once. */
function freeName(place: Place, index: number, name: string, key: string): Step[] {
  const gone = (error: { readonly errno: string }) => error.errno === 'ENODEV'
  return [
    {
      key,
      message: setLink(index, { up: false }),
      refused: gone,
      undo: () => place.socket.request(setLink(index, { up: true })),
    },
    {
      key,
      message: renameLink(index, condemnedName(index)),
      refused: gone,
      undo: () => place.socket.request(renameLink(index, name)),
    },
  ]
}

/** undefined: the sandbox has gone by itself, and everything in it. */
function placeIfThere(transaction: Transaction, ref: NamespaceRef | undefined): Place | undefined {
  try {
    return transaction.places.at(ref)
  } catch (error) {
    if (isCnmError(error, 'NAMESPACE_NOT_FOUND')) return undefined
    throw error
  }
}

function networkSteps(place: Place, plan: Plan, loss: Loss): Step[] {
  return [
    ...loss.exchanged.map((route) => exchangeRoute(place, plan, route)),
    ...loss.routes.flatMap((route) => removeRoute(place, route)),
    ...loss.addresses.flatMap((address) => removeAddress(place, address)),
  ]
}

function exchangeRoute(place: Place, plan: Plan, route: RouteResource): Step {
  const key = resourceKey(route)
  const before = plan.before.get(key) as RouteResource
  return {
    key,
    message: replaceRoute(kernelRoute(place, route)),
    undo: () => place.socket.request(replaceRoute(kernelRoute(place, before))),
  }
}

function removeRoute(place: Place, route: RouteResource): Step[] {
  if (place.findIndex(route.link) === undefined) return []
  return [
    {
      key: resourceKey(route),
      message: deleteRoute(kernelRoute(place, route)),
      refused: ({ errno }) => errno === 'ESRCH' || errno === 'ENODEV',
      undo: () => place.socket.request(newRoute(kernelRoute(place, route))),
    },
  ]
}

function removeAddress(place: Place, { link, address, ...resource }: AddressResource): Step[] {
  const index = place.findIndex(link)
  if (index === undefined) return []
  return [
    {
      key: resourceKey({ link, address, ...resource }),
      message: deleteAddress(index, address),
      refused: ({ errno }) => errno === 'EADDRNOTAVAIL' || errno === 'ENODEV',
      undo: () => place.socket.request(newAddress(index, address)),
    },
  ]
}
