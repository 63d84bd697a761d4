import { familyOf, type IpAddress, parseAddress } from '../../address/address.ts'
import { CnmError, isCnmError } from '../../base/errors.ts'
import { isLinkName, linkNameHint } from '../../base/link-name.ts'
import type { NetworkPlan } from '../driver.ts'

export type Value = string | number | boolean

/** A value that a user gave for an option, by the option's own name, whatever it was called. */
export interface Given {
  readonly key: string
  readonly value: Value
  readonly network: NetworkPlan
}

export function invalid(network: NetworkPlan, what: string, hint?: string): CnmError {
  return new CnmError('INVALID_OPTION', `network "${network.name}": ${what}`, {
    details: { network: network.name },
    ...(hint === undefined ? {} : { hint }),
  })
}

function refused({ key, value, network }: Given, hint: string, why = ''): CnmError {
  return invalid(network, `option "${key}" is ${JSON.stringify(value)}${why}`, hint)
}

export function flag(given: Given): boolean {
  const { value } = given
  if (typeof value === 'boolean') return value
  if (value === 'true' || value === '1' || value === 1) return true
  if (value === 'false' || value === '0' || value === 0) return false
  throw refused(given, 'give true or false')
}

export function wholeNumber(given: Given, least: number, most: number): number {
  const { value } = given
  const number = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value
  if (typeof number === 'number' && Number.isInteger(number) && number >= least && number <= most) {
    return number
  }
  throw refused(given, `give ${least} to ${most}`)
}

/** 0 is as good as none. */
export function mtu(given: Given): number | undefined {
  if (given.value === 0 || given.value === '0') return undefined
  return wholeNumber(given, given.network.ipv6 ? 1280 : 68, 65535)
}

export function oneOf<T extends string>(given: Given, known: readonly T[]): T {
  const found = known.find((each) => each === given.value)
  if (found === undefined) throw refused(given, `give ${known.join(', ')}`)
  return found
}

/** Of that family; if there is none, of either. */
export function address(given: Given, family?: 4 | 6): IpAddress {
  const hint = `give an IP${family === undefined ? '' : `v${family}`} address`
  try {
    const parsed = parseAddress(String(given.value))
    if (family === undefined || familyOf(parsed) === family) return parsed
  } catch (error) {
    if (!isCnmError(error, 'INVALID_ADDRESS')) throw error
  }
  throw refused(given, hint)
}

export function linkName(given: Given): string {
  const { value } = given
  if (typeof value === 'string' && isLinkName(value)) return value
  throw refused(given, linkNameHint(), ', which is no name for a link')
}

/** The number that follows must fit into the name too. */
const longestPrefix = 11

export function linkPrefix(given: Given): string {
  const { value } = given
  if (typeof value === 'string' && isLinkName(value, longestPrefix)) return value
  throw refused(given, linkNameHint(longestPrefix), ", which is no beginning of a link's name")
}

/** `eth1:eth2`. Each once, in the order given. */
export function linkNames(given: Given): string | undefined {
  const names = String(given.value).split(':')
  if (given.value === '') return undefined
  for (const name of names) linkName({ ...given, value: name })
  return [...new Set(names)].join(':')
}
