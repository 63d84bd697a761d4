import type { IpAddress } from '../../address/address.ts'

/** What counts when the default routes of a sandbox are given to its endpoints. */
export interface GatewayCandidate {
  readonly endpoint: string
  readonly network: string
  readonly internal: boolean
  /** Higher first; 0 by default, may be negative. */
  readonly priority: number
  readonly gateway4?: IpAddress
  readonly gateway6?: IpAddress
}

export interface GatewayChoice {
  /** The endpoints that supply the default routes; they may differ. */
  readonly ipv4?: string
  readonly ipv6?: string
}

/**
 * Higher priority first, then not internal, then the one with gateways of more families, then the
 * network's name. The first with an IPv4 gateway supplies that default route, likewise IPv6.
 */
export function chooseGateways(candidates: readonly GatewayCandidate[]): GatewayChoice {
  const ordered = [...candidates].sort(
    (a, b) =>
      b.priority - a.priority ||
      Number(a.internal) - Number(b.internal) ||
      families(b) - families(a) ||
      compareText(a.network, b.network) ||
      compareText(a.endpoint, b.endpoint),
  )
  const ipv4 = ordered.find((candidate) => candidate.gateway4 !== undefined)?.endpoint
  const ipv6 = ordered.find((candidate) => candidate.gateway6 !== undefined)?.endpoint
  return { ...(ipv4 ? { ipv4 } : {}), ...(ipv6 ? { ipv6 } : {}) }
}

function families(candidate: GatewayCandidate): number {
  return Number(candidate.gateway4 !== undefined) + Number(candidate.gateway6 !== undefined)
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
