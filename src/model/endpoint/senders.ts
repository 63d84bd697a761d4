import { familyOf, type IpAddress, isUnspecified, parseAddress } from '../../address/address.ts'
import { parseMac } from '../../address/mac.ts'
import { CnmError, type ErrorCode } from '../../base/errors.ts'
import type { EndpointSpec } from '../../driver/driver.ts'
import type { Sysctls } from './endpoint-sysctls.ts'

/** What an endpoint may send from besides its own. What is not said is not there. */
export type Senders = Pick<EndpointSpec, 'addresses' | 'macs'>

/** Each is an element of the firewall, which is made while a caller waits. */
const MOST = 64

/** Errors: INVALID_ADDRESS, INVALID_ARGUMENT. */
export function parseSenders(given: {
  readonly addresses?: readonly string[] | 'any' | undefined
  readonly macs?: readonly string[] | 'any' | undefined
}): Senders {
  const addresses = parseList('addresses', given.addresses, parseSource)
  const macs = parseList('macs', given.macs, parseMac)
  return { ...(addresses ? { addresses } : {}), ...(macs ? { macs } : {}) }
}

function parseList<T>(
  option: keyof Senders,
  given: readonly string[] | 'any' | undefined,
  parse: (text: string) => T,
): readonly T[] | 'any' | undefined {
  if (given === 'any') return given
  if (given === undefined || given.length === 0) return undefined
  if (given.includes('any')) {
    throw refused('INVALID_ARGUMENT', option, 'has "any" beside others', 'give "any" alone')
  }
  const list = [...new Set(given.map(parse))]
  if (list.length <= MOST) return list
  const hint = `give at most ${MOST}, or "any"`
  throw refused('INVALID_ARGUMENT', option, `has ${list.length} of them`, hint)
}

/** What can be the source of a packet that is to be answered. */
function parseSource(text: string): IpAddress {
  const address = parseAddress(text)
  const isSource =
    familyOf(address) === 4
      ? !/^(0|127|22[4-9]|23\d|24\d|25[0-5])\./.test(address)
      : !isUnspecified(address) && address !== '::1' && !address.startsWith('ff')
  if (isSource) return address
  throw refused(
    'INVALID_ADDRESS',
    'addresses',
    `has ${address}, which nothing can be sent from`,
    'leave it out',
  )
}

function refused(code: ErrorCode, option: string, what: string, hint: string): CnmError {
  return new CnmError(code, `endpoint options: ${option} ${what}`, { hint })
}

/** Where it is to believe routers, it makes addresses of what they say, which can't be known before. */
export function addressesOf(sysctls: Sysctls | undefined): Senders['addresses'] {
  const believes = Object.entries(sysctls ?? {}).some(
    ([name, value]) => /\.(accept_ra|autoconf|addr_gen_mode)$/.test(name) && value !== '0',
  )
  return believes ? 'any' : undefined
}
