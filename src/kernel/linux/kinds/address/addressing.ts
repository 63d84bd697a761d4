import { type Cidr, familyOf } from '../../../../address/address.ts'
import type { KernelError } from '../../../../base/errors.ts'
import {
  type AddressResource,
  type LentLinkResource,
  type NamespaceRef,
  type Resource,
  type RouteResource,
  resourceKey,
  type VethResource,
} from '../../../resource.ts'
import { asItWas } from '../../apply/condemn.ts'
import type { Plan } from '../../apply/plan.ts'
import { isExchanged, kernelRoute } from '../../apply/take-away.ts'
import type { Step, Transaction } from '../../apply/transaction.ts'
import type { Place } from '../../namespaces/place.ts'
import { deleteAddress, listAddresses, newAddress } from '../../rtnetlink/address.ts'
import { getLink, setLink } from '../../rtnetlink/link.ts'
import {
  deleteRoute,
  listRoutes,
  type NewRoute,
  newRoute,
  type Route,
  replaceRoute,
} from '../../rtnetlink/route.ts'
import { lackedRoute } from './connected-route.ts'

/** What one namespace gets. */
interface Gain {
  readonly ref: NamespaceRef | undefined
  readonly veths: VethResource[]
  readonly lentLinks: LentLinkResource[]
  readonly addresses: AddressResource[]
  readonly routes: RouteResource[]
}

/** Links up, addresses, routes: all there is for one namespace at once. */
export function bringUp(transaction: Transaction, plan: Plan): void {
  for (const { ref, veths, lentLinks, addresses, routes } of gainsByPlace(plan)) {
    const [first] = [...veths, ...lentLinks, ...addresses, ...routes]
    const place = transaction.attempt(resourceKey(first!), () => transaction.places.at(ref))
    const attempt = <R extends Resource>(
      resources: readonly R[],
      step: (resource: R, key: string) => Step,
    ) =>
      resources.map((resource) => {
        const key = resourceKey(resource)
        return transaction.attempt(key, () => step(resource, key))
      })
    transaction.send(place.socket, [
      // Before it is up, or it would make a link-local address at once.
      ...attempt(
        veths.filter(({ peer }) => !peer.ipv6),
        ({ peer }, key) => ({
          key,
          message: setLink(place.index(peer.name), { ipv6AddressGeneration: 'none' }),
          // A kernel without IPv6 has nothing to be switched off.
          refused: ({ errno }) => errno === 'EAFNOSUPPORT',
        }),
      ),
      ...attempt(veths, ({ peer }, key) => ({
        key,
        message: setLink(place.index(peer.name), { up: true }),
      })),
      ...attempt(lentLinks, ({ inside }, key) => ({
        key,
        message: setLink(place.index(inside), { up: true }),
      })),
      ...attempt(addresses, (address, key) => addAddress(transaction, place, address, key)),
      ...attempt([...routes].sort(byGateway), (route, key) =>
        addRoute(transaction, place, plan, route, key),
      ),
    ])
  }
}

/** A gateway may be reached by another route of the same change. */
function byGateway(a: RouteResource, b: RouteResource): number {
  return Number(a.gateway !== undefined) - Number(b.gateway !== undefined)
}

function gainsByPlace(plan: Plan): Gain[] {
  const { add } = plan
  const gains = new Map<string, Gain>()
  const at = (ref: NamespaceRef | undefined): Gain => {
    const path = ref?.path ?? ''
    let gain = gains.get(path)
    if (gain === undefined) {
      gain = { ref, veths: [], lentLinks: [], addresses: [], routes: [] }
      gains.set(path, gain)
    }
    return gain
  }
  for (const veth of add.veths) {
    const { namespace } = veth.peer
    if (namespace !== undefined) at(namespace).veths.push(veth)
  }
  for (const link of add.lentLinks) at(link.namespace).lentLinks.push(link)
  for (const address of add.addresses) at(address.namespace).addresses.push(address)
  for (const route of add.routes) {
    if (!isExchanged(plan, route)) at(route.namespace).routes.push(route)
  }
  return [...gains.values()]
}

function addAddress(
  transaction: Transaction,
  place: Place,
  { link, address }: AddressResource,
  key: string,
): Step {
  const index = place.index(link)
  return {
    key,
    message: newAddress(index, address),
    refused: ({ errno }) => {
      if (errno !== 'EEXIST') return false
      settleAddress(transaction, place, index, address, key)
      return true
    },
    undo: () => place.socket.request(deleteAddress(index, address)),
  }
}

/** The address is there; its route to its neighbours may not be. */
function settleAddress(
  transaction: Transaction,
  { socket }: Place,
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

function addRoute(
  transaction: Transaction,
  place: Place,
  plan: Plan,
  route: RouteResource,
  key: string,
): Step {
  const wanted = kernelRoute(place, route)
  const before = plan.before.get(key)
  if (before !== undefined) {
    const undo = () =>
      place.socket.request(replaceRoute(kernelRoute(place, before as RouteResource)))
    return { key, message: replaceRoute(wanted), undo }
  }
  return {
    key,
    message: newRoute(wanted),
    refused: (error) => settleRoute(transaction, place, wanted, key, error),
    undo: () => place.socket.request(deleteRoute(wanted)),
  }
}

/** If there is a route to that destination: fine if it leads the same way, else ours takes its place. */
function settleRoute(
  transaction: Transaction,
  place: Place,
  wanted: NewRoute,
  key: string,
  error: KernelError,
): boolean {
  if (['ENETUNREACH', 'EHOSTUNREACH'].includes(error.errno)) {
    // What leads to its gateway has just come back with an address, or this fails again.
    transaction.send(place.socket, [
      {
        key,
        message: newRoute(wanted),
        refused: (again) =>
          again.errno === 'EEXIST' && settleRoute(transaction, place, wanted, key, again),
        undo: () => place.socket.request(deleteRoute(wanted)),
      },
    ])
    return true
  }
  if (error.errno !== 'EEXIST') return false
  const found = listRoutes(place.socket, { family: familyOf(wanted.destination) }).filter(
    ({ destination }) => destination === wanted.destination,
  )
  const same = ({ gateway, link }: Route) => gateway === wanted.gateway && link === wanted.link
  if (found.some(same)) return true
  const [other] = found
  if (other === undefined) return false
  transaction.send(place.socket, [
    {
      key,
      message: replaceRoute(wanted),
      undo: () => place.socket.request(replaceRoute(asItWas(other))),
    },
  ])
  return true
}
