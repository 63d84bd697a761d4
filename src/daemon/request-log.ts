import { type RouteName, routes } from '../api/routes.ts'
import { isCnmError } from '../base/errors.ts'
import type { LocalController } from '../model/controller.ts'
import type { Log } from './log.ts'

/** What is asked, as far as it may be told. */
interface Question {
  readonly parameters: Readonly<Record<string, string>>
  readonly query: Readonly<Record<string, unknown>>
  readonly body: unknown
}

/** How it ended. */
export interface Outcome {
  readonly ms: number
  /** Absent: it failed. */
  readonly answer?: unknown
  /** Absent: it was answered. */
  readonly error?: unknown
}

/** What clients ask for by themselves, also of programs that have ended meanwhile: no change by a user. */
const bookkeeping: readonly RouteName[] = ['bindProgram']
/** Of a body, what says which change is meant. Everything else may be a secret. */
const told = ['name', 'driver', 'subnets', 'connect', 'network', 'sandbox', 'ip', 'ip6', 'ports']
const mostTold = 200

/** One line for each request that has come to its end: what was asked, of which object, and how it ended. */
export class RequestLog {
  readonly #controller: LocalController
  readonly #log: Log

  constructor(controller: LocalController, log: Log) {
    this.#controller = controller
    this.#log = log
  }

  /** To be called before the work, after which the object may be gone. */
  begin(name: RouteName, question: Question): (outcome: Outcome, peer: object) => void {
    const { parameters, query, body } = question
    const objects = Object.entries(parameters).map(([kind, given]) => this.#object(kind, given))
    const asked = { ...askedIn(body), ...(query.force === true ? { force: true } : {}) }
    return ({ ms, answer, error }, peer) => {
      const facts = Object.assign(
        {},
        ...objects,
        idOf(answer),
        Object.keys(asked).length > 0 ? { asked } : {},
        error === undefined ? { code: 'ok' } : refusalIn(error),
        { ms, ...peer },
      ) as Facts
      this.#write(name, facts, error)
    }
  }

  /** `{ network: 'web', networkId: '…' }`; of what isn't known, what it was called. */
  #object(kind: string, given: string): object {
    try {
      const { now } = this.#controller
      if (kind !== 'endpoint') {
        const { name, id } = kind === 'network' ? now.network(given) : now.sandbox(given)
        return { [kind]: name, [`${kind}Id`]: id }
      }
      const { name, id, info } = now.endpoint(given)
      return { endpoint: name, endpointId: id, network: now.network(info.network).name }
    } catch {
      return { [kind]: clipped(given) }
    }
  }

  #write(name: RouteName, facts: Facts, error: unknown): void {
    const { code } = facts
    const words = name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
    if (code === 'INTERNAL' || code === 'KERNEL') this.#log.error({ ...facts, err: error }, words)
    else if (routes[name].method === 'GET' || bookkeeping.includes(name))
      this.#log.debug(facts, words)
    else this.#log.info(facts, words)
  }
}

interface Facts {
  readonly code: string
}

/** Of what has been made. */
function idOf(answer: unknown): object {
  if (typeof answer !== 'object' || answer === null || !('id' in answer)) return {}
  const { id, name } = answer as { readonly id: unknown; readonly name?: unknown }
  return { id, name }
}

function askedIn(body: unknown): Readonly<Record<string, unknown>> {
  if (typeof body !== 'object' || body === null) return {}
  const fields = body as Readonly<Record<string, unknown>>
  const known = told.filter((key) => Object.hasOwn(fields, key) && fields[key] !== undefined)
  return Object.fromEntries(known.map((key) => [key, short(fields[key])]))
}

/** Names, addresses and ports, or lists of them; of an object, the network that it names. */
function short(value: unknown): unknown {
  if (Array.isArray(value)) return clipped(value.map((each) => String(short(each))).join(', '))
  if (typeof value !== 'object' || value === null) return clipped(String(value))
  const { network, subnet, hostPort, port } = value as Readonly<Record<string, unknown>>
  return clipped(String(network ?? subnet ?? [hostPort, port].filter(Boolean).join(':')))
}

function clipped(text: string): string {
  return text.length > mostTold ? `${text.slice(0, mostTold)}…` : text
}

function refusalIn(error: unknown): object {
  const message = error instanceof Error ? error.message : String(error)
  return { code: isCnmError(error) ? error.code : 'INTERNAL', error: message }
}
