import type { HostView } from '../../kernel/kernel.ts'
import type { NetworkPlan } from '../driver.ts'
import { auxGatewayNames } from './gateways.ts'
import type { GivenOptions } from './given-options.ts'
import { invalid } from './option-values.ts'

/** What makes no sense together, or on this host. */
export function checkOptions(given: GivenOptions, network: NetworkPlan, view: HostView): void {
  checkDevice(given, network, view)
  if (!network.internal) {
    for (const key of ['gatewayMode4', 'gatewayMode6'] as const) {
      if (given[key] !== 'isolated') continue
      throw invalid(
        network,
        `option "${key}" is "isolated", but the network isn't internal`,
        'make it internal, or choose another mode',
      )
    }
    return
  }
  for (const name of Object.values(auxGatewayNames)) {
    if (network.auxAddresses[name] === undefined) continue
    throw invalid(
      network,
      `auxiliary address "${name}", but an internal network has no gateway`,
      'leave the address out, or give it another name',
    )
  }
}

function checkDevice(
  { bridge, defaultBridge }: GivenOptions,
  network: NetworkPlan,
  view: HostView,
) {
  if (bridge === undefined) return
  const link = view.links.find(({ name }) => name === bridge)
  if (link === undefined && defaultBridge) {
    const what = `option "defaultBridge", but there is no device "${bridge}"`
    throw invalid(network, what, 'make the bridge first, or leave its name out')
  }
  if (link !== undefined && !link.ours && link.type !== 'bridge') {
    throw invalid(network, `"${bridge}" is a ${link.type}, not a bridge`, 'name another device')
  }
}
