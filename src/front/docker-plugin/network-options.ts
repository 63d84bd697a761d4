import { cidrAddress, parseCidr } from '../../address/address.ts'
import type { NetworkOptions, SubnetOptions } from '../../api/options.ts'
import { CnmError } from '../../base/errors.ts'
import { shortId } from '../../base/id.ts'
import type { RequestOf } from '../../plugin/call.ts'
import {
  type NetworkDriverCalls,
  networkOptionKeys,
  type PoolData,
} from '../../plugin/network-driver-messages.ts'

type CreateNetwork = RequestOf<NetworkDriverCalls['CreateNetwork']>

/** A network as Docker describes it, without its name, which it keeps to itself. */
export function networkOptions(request: CreateNetwork): NetworkOptions {
  const { NetworkID, Options = {}, IPv4Data = [], IPv6Data = [] } = request
  return {
    name: `docker-${shortId(NetworkID)}`,
    driver: 'bridge',
    subnets: [...IPv4Data, ...IPv6Data].map(subnetOptions),
    ipv4: IPv4Data.length > 0,
    ipv6: IPv6Data.length > 0,
    internal: Options[networkOptionKeys.internal] === true,
    options: driverOptions(Options[networkOptionKeys.generic]),
  }
}

function subnetOptions({ Pool = '', Gateway, AuxAddresses = {} }: PoolData): SubnetOptions {
  const aux = Object.entries(AuxAddresses).map(([name, text]) => [name, addressOf(text)])
  return {
    subnet: Pool,
    ...(Gateway ? { gateway: addressOf(Gateway) } : {}),
    ...(aux.length === 0 ? {} : { auxAddresses: Object.fromEntries(aux) }),
  }
}

function addressOf(text: string): string {
  return text.includes('/') ? cidrAddress(parseCidr(text)) : text
}

/** What was given as `-o KEY=VALUE`. */
function driverOptions(generic: unknown): Record<string, string> {
  const entries = Object.entries(generic ?? {})
  const odd = entries.find(([, value]) => typeof value !== 'string')
  if (odd === undefined) return Object.fromEntries(entries)
  throw new CnmError('INVALID_OPTION', `option "${odd[0]}" is no text`, {
    details: { option: odd[0] },
    hint: 'give it as -o KEY=VALUE',
  })
}
