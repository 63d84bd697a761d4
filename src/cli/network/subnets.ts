import {
  contains,
  type IpAddress,
  type Prefix,
  parseAddress,
  parsePrefix,
} from '../../address/address.ts'
import type { SubnetOptions } from '../../api/options.ts'
import { CnmError, isCnmError } from '../../base/errors.ts'

interface SubnetFlags {
  readonly subnet: readonly string[]
  readonly ipRange: readonly string[]
  readonly gateway: readonly string[]
  readonly auxAddress: Readonly<Record<string, string>>
}

/**
 * Which range, gateway and auxiliary addresses belong to which subnet: the one they lie in. Errors:
 * INVALID_ADDRESS, INVALID_POOL (in none).
 */
export function subnetOptions(flags: SubnetFlags): readonly SubnetOptions[] {
  const subnets = flags.subnet.map((text) => ({
    text,
    prefix: read('--subnet', text, parsePrefix),
  }))
  const placed = [
    ...flags.ipRange.map(
      (text) => ({ kind: 'range', text, at: read('--ip-range', text, parsePrefix) }) as const,
    ),
    ...flags.gateway.map(
      (text) => ({ kind: 'gateway', text, at: read('--gateway', text, parseAddress) }) as const,
    ),
  ].map((given) => ({ ...given, subnet: home(subnets, given.kind, given.text, given.at) }))
  const auxiliary = Object.entries(flags.auxAddress).map(([name, text]) => ({
    name,
    text,
    subnet: home(subnets, 'auxiliary address', text, read('--aux-address', text, parseAddress)),
  }))
  return subnets.map(({ text: subnet }) => {
    const mine = placed.filter((each) => each.subnet === subnet)
    const only = (kind: 'range' | 'gateway') => {
      const [first, second] = mine.filter((each) => each.kind === kind)
      if (second !== undefined) throw twice(subnet, kind)
      return first === undefined ? {} : { [kind]: first.text }
    }
    const auxAddresses = Object.fromEntries(
      auxiliary.filter((each) => each.subnet === subnet).map(({ name, text }) => [name, text]),
    )
    const aux = Object.keys(auxAddresses).length === 0 ? {} : { auxAddresses }
    return { subnet, ...only('range'), ...only('gateway'), ...aux }
  })
}

/** An error says which option it is about. */
function read<T>(flag: string, text: string, parse: (text: string) => T): T {
  try {
    return parse(text)
  } catch (error) {
    if (!isCnmError(error)) throw error
    const { code, message, details, hint } = error
    const way = hint === undefined ? {} : { hint }
    throw new CnmError(code, `${flag}: ${message}`, { details, ...way, cause: error })
  }
}

function home(
  subnets: readonly { readonly text: string; readonly prefix: Prefix }[],
  what: string,
  text: string,
  at: IpAddress | Prefix,
): string {
  const found = subnets.find(({ prefix }) => contains(prefix, at))
  if (found !== undefined) return found.text
  throw new CnmError('INVALID_POOL', `${what} ${text} is in no subnet that was given`, {
    details: { [what]: text },
    hint: 'give the subnet too, with --subnet',
  })
}

function twice(subnet: string, what: string): CnmError {
  return new CnmError('INVALID_POOL', `subnet ${subnet} has more than one ${what}`, {
    details: { subnet },
    hint: 'give one for each subnet',
  })
}
