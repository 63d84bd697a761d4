import {
  cidrPrefix,
  contains,
  familyOf,
  type IpAddress,
  type Prefix,
  parseAddress,
  parseCidr,
  parsePrefix,
  prefixLength,
} from '../../../address/address.ts'
import type { SubnetOptions } from '../../../api/options.ts'
import { invalid } from './docker-error.ts'
import type { Fields } from './fields.ts'

/**
 * `IPAM.Config` of a network that is to be made. All that is wrong with it is told at once. IPv6 subnets
 * of a network without IPv6 are left out.
 */
export function parseIpamConfig(
  entries: readonly Fields[],
  families: { readonly ipv4: boolean; readonly ipv6: boolean },
): readonly SubnetOptions[] {
  const problems: string[] = []
  const subnets: SubnetOptions[] = []
  for (const entry of entries) {
    const parsed = parseEntry(entry, (problem) => problems.push(problem))
    if (parsed === undefined) continue
    if (families[familyOf(parsed.prefix) === 4 ? 'ipv4' : 'ipv6']) subnets.push(parsed.options)
  }
  if (problems.length > 0) throw invalid(`invalid network config:\n${problems.join('\n')}`)
  return subnets
}

function parseEntry(entry: Fields, report: (problem: string) => void) {
  const subnet = entry.text('Subnet')
  const range = entry.text('IPRange')
  const gateway = entry.text('Gateway')
  const auxAddresses = entry.labels('AuxiliaryAddresses') ?? {}
  if (subnet === '' && range === '' && gateway === '') return undefined
  const prefix = readPrefix('subnet', subnet, report)
  if (prefix === undefined) return undefined
  if (range !== '') checkRange(range, prefix, report)
  if (gateway !== '') checkAddress('gateway', gateway, prefix, report)
  for (const [name, address] of Object.entries(auxAddresses)) {
    checkAddress(`auxiliary address ${name}`, address, prefix, report)
  }
  const options: SubnetOptions = {
    subnet,
    ...(range === '' ? {} : { range }),
    ...(gateway === '' ? {} : { gateway }),
    ...(Object.keys(auxAddresses).length === 0 ? {} : { auxAddresses }),
  }
  return { prefix, options }
}

function readPrefix(
  what: string,
  text: string,
  report: (problem: string) => void,
): Prefix | undefined {
  const cidr = attempt(() => parseCidr(text))
  if (cidr === undefined) {
    report(`invalid ${what} ${text}: invalid CIDR block notation`)
    return undefined
  }
  const prefix = attempt(() => parsePrefix(text))
  if (prefix !== undefined) return prefix
  report(`invalid ${what} ${text}: it should be ${cidrPrefix(cidr)}`)
  return undefined
}

function checkRange(text: string, subnet: Prefix, report: (problem: string) => void): void {
  const range = readPrefix('ip-range', text, report)
  if (range === undefined) return
  if (familyOf(range) !== familyOf(subnet)) {
    report(`invalid ip-range ${text}: parent subnet is an IPv${familyOf(subnet)} block`)
  } else if (prefixLength(range) < prefixLength(subnet)) {
    report(`invalid ip-range ${text}: CIDR block is bigger than its parent subnet ${subnet}`)
  } else if (!contains(subnet, range)) {
    report(`invalid ip-range ${text}: parent subnet ${subnet} doesn't contain ip-range`)
  }
}

function checkAddress(
  what: string,
  text: string,
  subnet: Prefix,
  report: (problem: string) => void,
): void {
  const address: IpAddress | undefined = attempt(() => parseAddress(text))
  if (address === undefined) report(`invalid ${what} ${text}: invalid address`)
  else if (familyOf(address) !== familyOf(subnet)) {
    report(`invalid ${what} ${text}: parent subnet is an IPv${familyOf(subnet)} block`)
  } else if (!contains(subnet, address)) {
    report(`invalid ${what} ${text}: parent subnet ${subnet} doesn't contain this address`)
  }
}

function attempt<T>(parse: () => T): T | undefined {
  try {
    return parse()
  } catch {
    return undefined
  }
}
