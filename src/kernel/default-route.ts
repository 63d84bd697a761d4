import { familyOf, type Prefix, prefixLength } from '../address/address.ts'
import type { HostRoute, HostView } from './kernel.ts'

/**
 * Whether a route leads to the world: a default route, or one of those that VPNs put beside it to get
 * all that it would get (`0.0.0.0/1`, `2000::/3`).
 */
export function isDefaultRoute(destination: Prefix): boolean {
  return prefixLength(destination) <= (familyOf(destination) === 4 ? 1 : 4)
}

/** The links that such routes lead to, once each. */
export function outwardOf(routes: readonly HostRoute[]): HostView['outward'] {
  const found = new Map<string, HostView['outward'][number]>()
  for (const { destination, link } of routes) {
    if (!isDefaultRoute(destination)) continue
    const family = familyOf(destination)
    found.set(`${family} ${link}`, { family, link })
  }
  return [...found.values()]
}
