import { familyOf } from '../../../address/address.ts'
import type { KernelError } from '../../../base/errors.ts'
import { type RouteResource, resourceKey } from '../../resource.ts'
import type { ApplyContext } from '../apply/context.ts'
import { linkKey, type Plan } from '../apply/plan.ts'
import type { NetnsSteps } from '../apply/step-batches.ts'
import type { Step, Transaction } from '../apply/transaction.ts'
import type { Comparison } from '../compare/comparison.ts'
import { different, type Finding, missing } from '../compare/finding.ts'
import { asItWas } from '../links/remember.ts'
import type { NetnsHandle } from '../namespaces/netns-handle.ts'
import { ROUTE_PROTOCOL } from '../ours.ts'
import {
  deleteRoute,
  listRoutes,
  type NewRoute,
  newRoute,
  type Route,
  replaceRoute,
} from '../rtnetlink/route.ts'
import type { Kind } from './kind.ts'

export const route: Kind<'route'> = {
  apply: {
    leave: (context) => takeAway(context, ({ namespace }) => namespace !== undefined),
    retire: (context) => takeAway(context, ({ namespace }) => namespace === undefined),
    'bring up': addAll,
  },
  compare,
  on: ({ namespace, link }) => ({ namespace, name: link }),
}

/**
 * What leads another way from now on, and what goes. Routes by a gateway go before those that lead to it, and
 * so they come back after them.
 */
function takeAway({ plan, steps }: ApplyContext, isMeant: (route: RouteResource) => boolean): void {
  const each = (
    routes: readonly RouteResource[],
    step: (netns: NetnsHandle, route: RouteResource) => Step | undefined,
  ) => {
    for (const route of routes.filter(isMeant)) {
      if (plan.retired.has(route.namespace?.path ?? '')) continue
      const there = steps.find(route.namespace)
      if (there === undefined) continue
      const one = step(there.netns, route)
      if (one !== undefined) there.push(one)
    }
  }
  const gone = plan.remove.of('route')
  const exchanged = plan.add.of('route').filter((route) => isExchanged(plan, route))
  each(exchanged, (netns, route) => exchange(netns, plan, route))
  each(gone.filter(isByGateway), remove)
  each(
    gone.filter((route) => !isByGateway(route)),
    remove,
  )
}

function isByGateway({ gateway }: RouteResource): boolean {
  return gateway !== undefined
}

/** Whether a route that changes can do so before new links are made. */
function isExchanged(plan: Plan, route: RouteResource): boolean {
  return (
    plan.before.has(resourceKey(route)) && !plan.unborn.has(linkKey(route.namespace, route.link))
  )
}

function exchange(netns: NetnsHandle, plan: Plan, route: RouteResource): Step {
  const key = resourceKey(route)
  const before = plan.before.get(key) as RouteResource
  return {
    key,
    message: replaceRoute(kernelRoute(netns, route)),
    restore: () => netns.socket.request(replaceRoute(kernelRoute(netns, before))),
  }
}

function remove(netns: NetnsHandle, route: RouteResource): Step | undefined {
  if (netns.findIndex(route.link) === undefined) return undefined
  const wanted = kernelRoute(netns, route)
  return {
    key: resourceKey(route),
    message: deleteRoute(wanted),
    refused: ({ errno }) => errno === 'ESRCH' || errno === 'ENODEV',
    restore: () => netns.socket.request(newRoute(wanted)),
  }
}

/** A gateway may be reached by another route of the same change. */
function addAll({ transaction, plan, steps }: ApplyContext): void {
  const routes = plan.add.of('route').filter((route) => !isExchanged(plan, route))
  const ordered = [...routes].sort((a, b) => Number(isByGateway(a)) - Number(isByGateway(b)))
  for (const route of ordered) {
    const key = resourceKey(route)
    const there = steps.at(route.namespace, key)
    there.push(transaction.attempt(key, () => add(transaction, there, plan, route, key)))
  }
}

function add(
  transaction: Transaction,
  { netns, index }: NetnsSteps,
  plan: Plan,
  route: RouteResource,
  key: string,
): Step {
  const wanted = kernelRoute({ index }, route)
  const before = plan.before.get(key)
  if (before !== undefined) {
    const undo = () =>
      netns.socket.request(replaceRoute(kernelRoute(netns, before as RouteResource)))
    return { key, message: replaceRoute(wanted), undo }
  }
  return {
    key,
    message: newRoute(wanted),
    refused: (error) => settle(transaction, netns, wanted, key, error),
    undo: () => netns.socket.request(deleteRoute(wanted)),
  }
}

/** If there is a route to that destination: fine if it leads the same way, else ours takes its place. */
function settle(
  transaction: Transaction,
  netns: NetnsHandle,
  wanted: NewRoute,
  key: string,
  error: KernelError,
): boolean {
  if (['ENETUNREACH', 'EHOSTUNREACH'].includes(error.errno)) {
    // What leads to its gateway has just come back with an address, or this fails again.
    transaction.send(netns.socket, [
      {
        key,
        message: newRoute(wanted),
        refused: (again) =>
          again.errno === 'EEXIST' && settle(transaction, netns, wanted, key, again),
        undo: () => netns.socket.request(deleteRoute(wanted)),
      },
    ])
    return true
  }
  if (error.errno !== 'EEXIST') return false
  const found = listRoutes(netns.socket, { family: familyOf(wanted.destination) }).filter(
    ({ destination }) => destination === wanted.destination,
  )
  const same = ({ gateway, link }: Route) => gateway === wanted.gateway && link === wanted.link
  if (found.some(same)) return true
  const [other] = found
  if (other === undefined) return false
  transaction.send(netns.socket, [
    {
      key,
      message: replaceRoute(wanted),
      undo: () => netns.socket.request(replaceRoute(asItWas(other))),
    },
  ])
  return true
}

function kernelRoute(netns: Pick<NetnsHandle, 'index'>, route: RouteResource): NewRoute {
  const { destination, gateway, link } = route
  return {
    destination,
    link: netns.index(link),
    protocol: ROUTE_PROTOCOL,
    ...(gateway === undefined ? {} : { gateway }),
  }
}

function compare(comparison: Comparison, route: RouteResource): Finding {
  const { namespace, destination, gateway, link } = route
  const contents = comparison.in(namespace)
  const index = contents?.links.get(link)?.index
  const routes = contents?.routes.get(destination) ?? []
  const [first] = routes
  if (first === undefined) return missing(`no route ${destination}`)
  if (routes.some((it) => it.gateway === gateway && it.link === index)) return undefined
  const way = (via: string | undefined, dev: string | undefined) =>
    `${via === undefined ? '' : ` via ${via}`} dev ${dev ?? '?'}`
  const dev = [...(contents?.links.values() ?? [])].find((it) => it.index === first.link)?.name
  return different(`route ${destination} goes${way(first.gateway, dev)}, not${way(gateway, link)}`)
}
