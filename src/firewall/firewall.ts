import type { Prefix } from '../address/address.ts'
import type { ElementResource } from '../kernel/resource.ts'

export { tables } from './tables.ts'

/** What the firewall needs to know of a network. */
export interface FirewalledNetwork {
  /** The network's id. */
  readonly id: string
  readonly bridge: string
  /** Nothing gets in or out. */
  readonly internal: boolean
  /** Endpoints of this network may talk to each other. */
  readonly icc: boolean
  /** Sources that are hidden behind the host's address when they leave the network. */
  readonly masquerade4?: Prefix
  readonly masquerade6?: Prefix
}

/** A network's own elements. Without them its bridge is a stranger's: nothing is filtered. */
export function networkElements(network: FirewalledNetwork): ElementResource[] {
  const { id, bridge, internal, icc, masquerade4, masquerade6 } = network
  const element = (set: string, key: string[], value?: string[]): ElementResource => ({
    kind: 'element',
    family: 'inet',
    table: 'cnm',
    set,
    key,
    ...(value === undefined ? {} : { value }),
    owner: id,
  })
  const elements = [element('bridges', [bridge]), element('same_bridge', [bridge, bridge])]
  if (internal) {
    elements.push(element('internal', [bridge]))
  } else {
    elements.push(element('gateway_mode', ['ipv4', bridge], ['jump nat']))
    elements.push(element('gateway_mode', ['ipv6', bridge], ['jump nat']))
  }
  if (masquerade4) elements.push(element('masquerade4', [bridge, masquerade4]))
  if (masquerade6) elements.push(element('masquerade6', [bridge, masquerade6]))
  if (!icc) elements.push({ ...element('icc_off', [bridge]), family: 'bridge' })
  return elements
}

/** Marks a link on which forwarding is on only because of us: from there our networks, nothing else. */
export function uplinkElement(link: string, family: 4 | 6): ElementResource {
  return {
    kind: 'element',
    family: 'inet',
    table: 'cnm',
    set: 'uplinks',
    key: [family === 4 ? 'ipv4' : 'ipv6', link],
    owner: 'host',
  }
}
