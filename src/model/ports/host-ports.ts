import type { Protocol } from '../../address/port.ts'
import { CnmError, isCnmError } from '../../base/errors.ts'
import type { PortBinding, PublishedPort } from '../../driver/driver.ts'
import { resourceKey } from '../../kernel/resource.ts'
import type { Taken } from '../change/taken.ts'
import type { Parts } from '../parts.ts'
import type { EndpointRecord } from '../records.ts'
import { type BusyPorts, chooseBindings, type TakenPort } from './choose-ports.ts'
import { isExact } from './port-spec.ts'

/** An endpoint and what of its ports is to be published now. */
interface Publication {
  readonly record: EndpointRecord
  readonly wanted: readonly PublishedPort[]
}

/** What an endpoint publishes when it joins. */
export function publicationOf(record: EndpointRecord): Publication {
  return { record, wanted: record.publish ?? [] }
}

export function withPorts(
  record: EndpointRecord,
  ports: readonly PortBinding[] | undefined,
): EndpointRecord {
  return ports === undefined || ports.length === 0 ? record : { ...record, ports }
}

/** How often other ports are tried where a process of the host holds those that were chosen. */
const mostTries = 32

/**
 * Which host ports endpoints get that are about to publish. Where processes of the host hold ports that could
 * be others, the next free ones are tried.
 */
export class HostPortChoice {
  readonly #parts: Parts
  readonly #publications: readonly Publication[]
  /** What processes of the host were found to hold. */
  readonly #busy: BusyPorts[] = []
  #taken: TakenPort[][] = []
  #tries = 0

  constructor(parts: Parts, publications: readonly Publication[]) {
    this.#parts = parts
    this.#publications = publications
  }

  /** For each of them, in their order. Errors: PORT_IN_USE, PORTS_EXHAUSTED, NOT_ALLOWED. */
  take(taken: Taken): readonly (readonly PortBinding[])[] {
    this.#tries += 1
    this.#taken = []
    for (const each of this.#publications) {
      const ports = takePorts(this.#parts, each, this.#busy)
      this.#taken.push(ports)
      taken.orElse(() => releaseAll(this.#parts, each.record, ports))
    }
    return this.#taken.map((ports) => ports.map(({ binding }) => binding))
  }

  /**
   * Whether the machine has refused them, and others are to be taken. Errors: PORT_IN_USE, if these are the only
   * ones that will do.
   */
  again(error: unknown): boolean {
    const refused = refusedPort(error, this.#taken)
    if (refused === undefined) return false
    if (isExact(refused.wish) || this.#tries === mostTries) {
      throw heldByProcess(this.#parts, error as CnmError, this.#publications[refused.at]!.record)
    }
    this.#busy.push(refused)
    return true
  }
}

/** An endpoint's ports, taken again at start. Errors: PORT_IN_USE. */
export function retakePorts(engine: Parts, record: EndpointRecord): void {
  const taken: PortBinding[] = []
  try {
    for (const binding of record.ports ?? []) {
      takeBinding(engine, record, binding)
      taken.push(binding)
    }
  } catch (error) {
    releasePorts(engine, { ...record, ports: taken })
    throw error
  }
}

/** What an endpoint holds, or some of it, is free again. */
export function releasePorts(
  engine: Parts,
  { id, ports = [] }: Pick<EndpointRecord, 'id' | 'ports'>,
): void {
  for (const { protocol, hostAddress, hostPorts } of ports) {
    if (hostPorts) engine.ports.release(id, protocol, hostAddress, hostPorts)
  }
}

function releaseAll(engine: Parts, { id }: EndpointRecord, taken: readonly TakenPort[]): void {
  releasePorts(engine, { id, ports: taken.map(({ binding }) => binding) })
}

function takePorts(
  engine: Parts,
  { record, wanted }: Publication,
  busy: readonly BusyPorts[],
): TakenPort[] {
  if (wanted.length === 0) return []
  const taken: TakenPort[] = []
  try {
    for (const port of chooseBindings(engine, record, wanted, busy)) {
      takeBinding(engine, record, port.binding)
      taken.push(port)
    }
  } catch (error) {
    releaseAll(engine, record, taken)
    throw error
  }
  // As they were asked for, not as they were chosen.
  const order = new Map(wanted.map((wish, at) => [wish, at]))
  return taken.sort((a, b) => (order.get(a.wish) ?? 0) - (order.get(b.wish) ?? 0))
}

function takeBinding(engine: Parts, record: EndpointRecord, binding: PortBinding): void {
  const { protocol, hostAddress, hostPorts } = binding
  if (hostPorts === undefined) return
  const holder = engine.ports.holder(protocol, hostAddress, hostPorts)
  if (holder === undefined) {
    engine.ports.take(record.id, protocol, hostAddress, hostPorts)
    return
  }
  const port = Math.max(holder.from, hostPorts.from)
  const other = engine.state.endpoints.get(holder.owner as EndpointRecord['id']) ?? record
  const network = engine.state.networks.need(other.network).record.name
  const isOwn = holder.owner === record.id
  const isTwice = isOwn && !isPublished(engine, record, protocol, port)
  const who = `endpoint "${other.name}" of network "${network}"`
  throw new CnmError(
    'PORT_IN_USE',
    isTwice
      ? `port ${port}/${protocol} is asked for twice by ${who}`
      : `port ${port}/${protocol} is published by ${who}${isOwn ? ' already' : ''}`,
    {
      details: { port, protocol, address: hostAddress, endpoint: other.name, network },
      hint: 'choose another host port, or leave it out and let one be chosen',
    },
  )
}

function isPublished(
  engine: Parts,
  { id }: EndpointRecord,
  protocol: Protocol,
  port: number,
): boolean {
  const ports = engine.state.endpoints.get(id)?.ports ?? []
  return ports.some(
    ({ protocol: p, hostPorts }) =>
      p === protocol && hostPorts !== undefined && hostPorts.from <= port && port <= hostPorts.to,
  )
}

/** The binding whose ports the kernel could not reserve, if that is what went wrong. */
function refusedPort(
  error: unknown,
  taken: readonly (readonly TakenPort[])[],
): (BusyPorts & { readonly wish: PublishedPort; readonly at: number }) | undefined {
  if (!isCnmError(error, 'PORT_IN_USE')) return undefined
  const { resource, port } = error.details
  for (const [at, ports] of taken.entries()) {
    for (const { binding, wish } of ports) {
      const { protocol, hostAddress: address, hostPorts } = binding
      if (hostPorts === undefined) continue
      const key = resourceKey({ kind: 'reservation', protocol, address, ports: hostPorts })
      if (key !== resource) continue
      const busy = typeof port === 'number' ? { from: port, to: port } : hostPorts
      return { protocol, ports: busy, wish, at }
    }
  }
  return undefined
}

function heldByProcess(engine: Parts, error: CnmError, record: EndpointRecord): CnmError {
  const network = engine.state.networks.need(record.network).record.name
  const { message, details, hint } = error
  return new CnmError(
    'PORT_IN_USE',
    `endpoint "${record.name}" of network "${network}": ${message}`,
    {
      details: { ...details, endpoint: record.name, network },
      cause: error,
      ...(hint === undefined ? {} : { hint }),
    },
  )
}
