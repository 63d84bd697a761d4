import type { IpAddress } from '../../address/address.ts'
import type { Attachment, NetworkSpec } from '../driver.ts'

/** Auxiliary addresses of these names are the sandboxes' gateways, instead of the bridge's address. */
export const auxGatewayNames = { 4: 'DefaultGatewayIPv4', 6: 'DefaultGatewayIPv6' } as const

/** A gateway that isn't the host: a foreign router on the bridge. */
export function auxGateway(network: NetworkSpec, family: 4 | 6): IpAddress | undefined {
  const subnet = family === 4 ? network.ipv4 : network.ipv6
  return subnet?.auxAddresses?.[auxGatewayNames[family]]
}

/** Where a sandbox of this network sends what is for elsewhere. */
export function gateways(network: NetworkSpec): Pick<Attachment, 'gateway4' | 'gateway6'> {
  if (network.internal) return {}
  const gateway4 = auxGateway(network, 4) ?? network.ipv4?.gateway
  const gateway6 = auxGateway(network, 6) ?? network.ipv6?.gateway
  return { ...(gateway4 ? { gateway4 } : {}), ...(gateway6 ? { gateway6 } : {}) }
}
