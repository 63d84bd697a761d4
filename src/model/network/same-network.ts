import {
  isUnspecified,
  type Prefix,
  prefixAddress,
  prefixLength,
  socketText,
} from '../../address/address.ts'
import { type NetworkOptions, parseNetworkOptions } from '../../api/options.ts'
import { CnmError } from '../../base/errors.ts'
import type { HostView } from '../../kernel/kernel.ts'
import type { Engine } from '../engine.ts'
import type { NetworkRecord } from '../records.ts'
import { parseServers } from '../sandbox/name-options.ts'
import { parseSubnets } from './addresses.ts'

/** `ensureNetwork` takes a network as it is only if it is all that was asked for. */
export function refuseOther(
  engine: Engine,
  there: NetworkRecord,
  given: NetworkOptions,
  view: HostView,
): void {
  const options = parseNetworkOptions(given)
  const driver = engine.driver(options.driver ?? there.driver)
  const differences = [
    differs('driver', there.driver, options.driver && driver.name),
    differs('IPAM', there.ipam, options.ipam),
    differs('internal', there.internal, options.internal),
    differs('ephemeral', there.ephemeral, options.ephemeral),
    differs('ipv4', there.ipv4 !== undefined, options.ipv4),
    differs('ipv6', there.ipv6 !== undefined, options.ipv6),
    ...subnetDifferences(there, options),
    differs('dns', serversText(there.dnsServers), wantedServers(there.name, options.dns)),
  ]
  // Options of another driver mean something else.
  if (driver.name === there.driver)
    differences.push(...optionDifferences(engine, there, options, view))
  const found = differences.filter((each) => each !== undefined)
  if (found.length === 0) return
  throw new CnmError(
    'NETWORK_EXISTS',
    `network "${there.name}" exists already, but its ${found.join(', and its ')}`,
    { details: { network: there.name, id: there.id }, hint: 'use another name' },
  )
}

function serversText(servers: NetworkRecord['dnsServers']): string | undefined {
  return servers?.map(socketText).join(', ')
}

function wantedServers(name: string, dns: NetworkOptions['dns']): string | undefined {
  if (dns === undefined || dns.length === 0) return undefined
  return serversText(parseServers(dns, `network "${name}"`))
}

function subnetDifferences(there: NetworkRecord, options: NetworkOptions) {
  const wanted = parseSubnets(there.name, options.subnets ?? [])
  return (['ipv4', 'ipv6'] as const).flatMap((key) => {
    const { subnet, range, gateway, auxAddresses } = wanted[key] ?? {}
    const is = there[key]
    return [
      is && subnet && isChosen(is.subnet, subnet)
        ? undefined
        : differs('subnet', is?.subnet, subnet),
      differs('range', is?.range, range),
      differs('gateway', is?.gateway, gateway),
      ...Object.entries(auxAddresses ?? {}).map(([name, address]) =>
        differs(`auxiliary address "${name}"`, is?.auxAddresses?.[name], address),
      ),
    ]
  })
}

/** `0.0.0.0/26` asks for any subnet of that length. */
function isChosen(subnet: Prefix, wanted: Prefix): boolean {
  return isUnspecified(prefixAddress(wanted)) && prefixLength(wanted) === prefixLength(subnet)
}

function optionDifferences(
  engine: Engine,
  there: NetworkRecord,
  { options = {} }: NetworkOptions,
  view: HostView,
) {
  const { name, internal } = there
  const plan = {
    name,
    internal,
    ipv4: there.ipv4 !== undefined,
    ipv6: there.ipv6 !== undefined,
    auxAddresses: { ...there.ipv4?.auxAddresses, ...there.ipv6?.auxAddresses },
  }
  const wanted = engine.driver(there.driver).parseOptions(options, plan, view)
  return (wanted.given ?? []).map((key) =>
    differs(`option "${key}"`, there.options[key], wanted.options[key]),
  )
}

function differs(what: string, is: unknown, wanted: unknown): string | undefined {
  if (wanted === undefined || is === wanted) return undefined
  return `${what} is ${is ?? 'not set'}, not ${wanted}`
}
