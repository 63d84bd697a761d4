import {
  contains,
  familyOf,
  type IpAddress,
  parseAddress,
  parsePrefix,
} from '../../address/address.ts'
import { portCount, portsText } from '../../address/port.ts'
import { CnmError } from '../../base/errors.ts'
import type { EndpointSpec, HostAddress, NetworkSpec, PublishedPort } from '../driver.ts'
import { gatewayMode, optionsOf } from './options.ts'
import { addressOf, isLoopback, MAX_RELAYS } from './ports.ts'

const everywhere = { 4: parseAddress('0.0.0.0'), 6: parseAddress('::') } as const

/** Of these no packet comes that could be answered from elsewhere. */
const unusable = ['224.0.0.0/4', 'ff00::/8', 'fe80::/10'].map(parsePrefix)

/** See NetworkDriver.hostAddresses. */
export function hostAddresses(
  network: NetworkSpec,
  endpoint: EndpointSpec,
  wanted: PublishedPort,
): readonly HostAddress[] {
  const refuse = (why: string, hint: string) => refusal(endpoint, wanted, why, hint)
  if (network.internal) {
    throw refuse(`its network "${network.name}" is internal`, 'use a network that is not internal')
  }
  const address = wanted.hostAddress ?? optionsOf(network).hostBinding
  const addresses =
    address === undefined
      ? ([4, 6] as const)
          .filter((family) => addressOf(network, endpoint, family) !== undefined)
          .map((family) => everywhere[family])
      : [address]
  return addresses.map((each) => {
    const problem = problemOf(network, endpoint, wanted, each)
    if (problem !== undefined) throw refuse(...problem)
    const family = familyOf(each)
    const direct = gatewayMode(optionsOf(network), family) === 'routed'
    return { address: direct ? everywhere[family] : each, family, direct }
  })
}

/** Why that address can't lead to this endpoint, and what to do about it. */
function problemOf(
  network: NetworkSpec,
  endpoint: EndpointSpec,
  { protocol, ports }: PublishedPort,
  address: IpAddress,
): [why: string, hint: string] | undefined {
  const family = familyOf(address)
  const other = family === 4 ? 6 : 4
  if (addressOf(network, endpoint, family) === undefined) {
    return [
      `it has no IPv${family} address, and the host's ${address} can't lead to another family`,
      `publish at an IPv${other} address, or use a network with IPv${family}`,
    ]
  }
  if (gatewayMode(optionsOf(network), family) === 'routed') {
    if (!isLoopback(address)) return undefined
    return [
      `network "${network.name}" is routed: its ports are reached at its own addresses, not at ${address}`,
      'leave the host address and option "hostBinding" out, or use gateway mode nat',
    ]
  }
  if (unusable.some((prefix) => familyOf(prefix) === family && contains(prefix, address))) {
    return [
      `nothing can be forwarded from ${address}`,
      'give an address that is not of one link only',
    ]
  }
  if (address !== '::1') return undefined
  if (protocol === 'sctp') return ['at ::1 there are only TCP and UDP', 'publish it at 127.0.0.1']
  if (portCount(ports) <= MAX_RELAYS) return undefined
  return [`at ::1 an endpoint has ${MAX_RELAYS} ports at most`, 'publish them at 127.0.0.1']
}

function refusal(
  { name }: EndpointSpec,
  { protocol, ports }: PublishedPort,
  why: string,
  hint: string,
): CnmError {
  const what = `endpoint "${name}": port ${portsText(ports)}/${protocol} can't be published`
  return new CnmError('NOT_ALLOWED', `${what}: ${why}`, { details: { endpoint: name }, hint })
}
