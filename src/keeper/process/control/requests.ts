import { parseAddress, parsePrefix } from '../../../address/address.ts'
import type { KeeperInterest, KeeperRequest } from '../../keeper.ts'

/**
 * What engines say, checked: a confused one is told so, and nothing it says reaches what trusts its
 * types. By hand, as a keeper has little memory to spare.
 */

type Check = (value: unknown) => boolean

const text: Check = (value) => typeof value === 'string'
const flag: Check = (value) => typeof value === 'boolean'
const whole: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0
const port: Check = (value) => whole(value) && (value as number) > 0 && (value as number) < 65536
const address = canonical(parseAddress)
const prefix = canonical(parsePrefix)
const end = object({ address, port })
const servers = filled(end)
const network = object({ id: text, name: text })
const namespace = object({ path: text }, { cookie: text })
const ports = object({ from: port, to: port })
const service = object({ protocol: oneOf('tcp', 'udp', 'sctp'), ports })

const resource = tagged('kind', {
  resolver: object({ namespace, sandbox: text }, { servers, ndots: oneOf(true) }),
  names: object(
    {
      endpoint: text,
      sandbox: text,
      network,
      names: filled(text),
      addresses: list(address),
      subnets: list(prefix),
      services: list(service),
      own: record(list(address)),
      outside: flag,
      gateway: flag,
    },
    { servers },
  ),
  zone: object({ name: text, listen: address }),
  relay: object({ protocol: oneOf('tcp', 'udp'), listen: end, to: end }),
})

const request = tagged('op', {
  hello: object({ number: whole, version: whole }),
  change: object({
    number: whole,
    remove: list(text),
    add: list(object({ resource, sockets: whole })),
  }),
  hold: object({ number: whole, label: text }),
  end: object({ number: whole }),
})

const interest = tagged('op', {
  events: object({ version: whole }),
  log: object({ on: flag }),
})

/** undefined: it is none. */
export function asRequest(message: unknown): KeeperRequest | undefined {
  return request(message) ? (message as KeeperRequest) : undefined
}

/** undefined: it is none. */
export function asInterest(message: unknown): KeeperInterest | undefined {
  return interest(message) ? (message as KeeperInterest) : undefined
}

/** The number of something that may be no request, for an answer that says so. */
export function numberOf(message: unknown): number {
  if (!isObject(message)) return 0
  return whole(message.number) ? (message.number as number) : 0
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Other fields are let be: a later version may have them. */
function object(fields: Record<string, Check>, optional: Record<string, Check> = {}): Check {
  const needed = Object.entries(fields)
  const allowed = Object.entries(optional)
  return (value) =>
    isObject(value) &&
    needed.every(([name, check]) => check(value[name])) &&
    allowed.every(([name, check]) => value[name] === undefined || check(value[name]))
}

/** Which of several objects it is, that field says. */
function tagged(name: string, kinds: Readonly<Record<string, Check>>): Check {
  const checks = new Map(Object.entries(kinds))
  return (value) => isObject(value) && checks.get(value[name] as string)?.(value) === true
}

function list(check: Check): Check {
  return (value) => Array.isArray(value) && value.every(check)
}

function filled(check: Check): Check {
  const isList = list(check)
  return (value) => isList(value) && (value as unknown[]).length > 0
}

function record(check: Check): Check {
  return (value) => isObject(value) && Object.values(value).every(check)
}

function oneOf(...values: readonly unknown[]): Check {
  return (value) => values.includes(value)
}

/** A text that this parser would have made. */
function canonical(parse: (text: string) => string): Check {
  return (value) => {
    try {
      return typeof value === 'string' && parse(value) === value
    } catch {
      return false
    }
  }
}
